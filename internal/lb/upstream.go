package lb

import (
	"context"
	"fmt"
	"net"
	"time"
)

// upstream is a connection to a target. Between requests it lies in the target's idle list; at any time it belongs to one goroutine or
// to that list.
type upstream struct {
	net.Conn
	target    *target
	quiet     func() bool // reports that nothing, not even an end, has arrived on an idle connection; see quietCheck
	idleSince time.Time
	read      coarse
	write     coarse
}

// freshEnough is the idle time up to which a connection is trusted with a request that cannot be repeated. Well-known servers close idle
// connections after 2 s or more (gunicorn 2 s, Node.js and Apache 5 s).
const freshEnough = 1500 * time.Millisecond

// trusted reports that the target has hardly closed the connection behind our back.
func (u *upstream) trusted(now time.Time) bool {
	return now.Sub(u.idleSince) < freshEnough && u.quiet()
}

// dial opens a connection to the target.
func (t *target) dial(ctx context.Context, timeout time.Duration) (*upstream, error) {
	c, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, fmt.Errorf("connect to target %s: %w", t.id, err)
	}
	u := &upstream{Conn: c, target: t, quiet: quietCheck(c)}
	if !t.group.adopt(u) {
		u.close()
		return nil, fmt.Errorf("connect to target %s: its deregistration delay is over", t.id)
	}
	return u, nil
}

// close ends the connection and makes the target forget it. It may be called twice.
func (u *upstream) close() {
	u.target.group.forget(u)
	u.cut()
}

// cut ends the connection only: a goroutine that is using it gets an error and closes it. The error of Close says nothing that
// could still matter, because all that was to be written has been.
func (u *upstream) cut() {
	if err := u.Close(); err != nil {
		return
	}
}

// coarse is a deadline that is moved only when it would change by more than an eighth of the timeout: moving a deadline costs
// more than all other work on a small request that is no system call.
type coarse struct{ at time.Time }

// due returns the deadline to set, or false when the present one will do.
func (c *coarse) due(now time.Time, timeout time.Duration) (time.Time, bool) {
	want := now.Add(timeout)
	if lag := want.Sub(c.at); lag >= 0 && lag < timeout/8 {
		return c.at, false
	}
	c.at = want
	return want, true
}

// forget makes the next due return true, after the deadline has been set by other means.
func (c *coarse) forget() { c.at = time.Time{} }
