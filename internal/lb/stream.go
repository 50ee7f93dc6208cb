package lb

import (
	"errors"
	"os"
	"time"
)

// fault is a failure on the client's side while its body was streamed.
type fault struct {
	refusal *refusal // nil: the client is gone
	cause   error
}

func (f *fault) Error() string { return f.cause.Error() }
func (f *fault) Unwrap() error { return f.cause }

// errEarly ends a streaming whose end nobody waits for any more.
var errEarly = errors.New("the answer came before the end of the request's body")

// pump streams the request body to the target. When the client fails it ends the target's connection, so that the goroutine which
// waits for the answer learns of it.
//
// endPump interrupts it by setting early and then deadlines that have passed. So early is looked at after each setting of a deadline here: a later
// interruption is felt, an earlier one is seen.
func (x *exchange) pump(u *upstream) error {
	c, limits := x.client, &x.client.listener.limits
	write := coarse{}
	for total := int64(0); ; {
		data := c.in.unread()
		n, done, err := x.body.take(data)
		total += int64(n)
		switch {
		case err != nil:
			u.cut()
			return &fault{badRequest(err.Error()), err}
		case limits.MaxBodyBytes > 0 && total > limits.MaxBodyBytes:
			u.cut()
			return &fault{tooLarge(), errors.New("body too large")}
		}
		now := time.Now()
		if n > 0 {
			if deadline, due := write.due(now, limits.BodyTimeout); due {
				if err := u.SetWriteDeadline(deadline); err != nil {
					return err
				}
			}
			if x.early.Load() {
				return errEarly
			}
			if _, err := u.Write(data[:n]); err != nil {
				return err
			}
			c.in.use(n)
		}
		if done {
			return u.SetReadDeadline(now.Add(limits.ResponseTimeout))
		}
		if len(c.in.b) < bodyBuffer {
			c.in = buffer{b: make([]byte, bodyBuffer)}
		}
		err = c.armBody(now)
		if x.early.Load() {
			return errEarly
		}
		if err == nil {
			_, err = c.in.read(c)
		}
		if err != nil {
			if x.early.Load() {
				return err
			}
			f := &fault{cause: err}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				f.refusal = slowBody()
			}
			u.cut()
			return f
		}
	}
}

// endPump waits for the end of a streamed body, or makes one when the answer came first. whole reports that the target has the body;
// x.fault says whether the client is to blame that it has not.
func (x *exchange) endPump(u *upstream) (whole bool) {
	if x.pumped == nil {
		return true
	}
	var err error
	select {
	case err = <-x.pumped:
	default:
		x.early.Store(true)
		past := time.Unix(1, 0)
		// A deadline cannot be set on a closed socket, but that one does not hold pump up either.
		if e := errors.Join(x.client.SetReadDeadline(past), u.SetWriteDeadline(past)); e != nil {
			x.client.listener.log.Debug("interrupt request body", "error", e)
		}
		err = <-x.pumped
		x.early.Store(false)
	}
	x.pumped = nil
	x.client.read.forget()
	u.write.forget()
	u.read.forget()
	if !errors.As(err, &x.fault) {
		x.fault = nil
	}
	return err == nil
}
