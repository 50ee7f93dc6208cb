package lb

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const (
	// heldBody is the size up to which a request body is read before the target is chosen, so that it can be sent again.
	heldBody = 64 << 10
	maxTries = 4
)

// exchange is one request and its answer, with all memory that they need; it is reused.
type exchange struct {
	client *client
	req    requestHead
	resp   responseHead
	sent   []byte      // the request as the target gets it: head, and body when it is held
	out    []byte      // the answer, as far as it is assembled
	up     buffer      // read from the target
	body   framing     // of the request, when it is streamed
	pumped chan error  // delivers the end of the streaming; nil when the body is held
	early  atomic.Bool // the answer came before the end of the streamed body, which is not wanted any more
	fault  *fault      // what the client did wrong with the streamed body, once pumped has delivered
	avoid  []*target   // tried in vain
	drawn  draw        // the side on which to try
	fail   *refusal    // the answer if no further try succeeds
	header toClient    // how the answer is given on
	now    time.Time   // when the exchange last knew the time; deadlines are set from it
}

func newExchange() any {
	return &exchange{up: buffer{b: make([]byte, bodyBuffer)}, avoid: make([]*target, 0, maxTries)}
}

// reset forgets the exchange and keeps memory of ordinary size.
func (x *exchange) reset() {
	x.client, x.pumped, x.fault, x.fail = nil, nil, nil, nil
	x.req.headOnly = false
	x.up.r, x.up.w = 0, 0
	if cap(x.sent) > heldBody {
		x.sent = nil
	}
	if cap(x.out) > heldBody {
		x.out = nil
	}
	if len(x.up.b) > heldBody {
		x.up.b = make([]byte, bodyBuffer)
	}
	x.drawn = draw{}
	clear(x.avoid)
	x.avoid = x.avoid[:0]
}

// verdict is how one try ended.
type verdict uint8

const (
	answered      verdict = iota // the client has its answer and the connection goes on
	answeredClose                // the connection must be closed
	broken                       // the answer broke off: the connection must be closed without pretending an end
	again                        // nothing was lost: another try is allowed
	failed                       // x.fail is the answer
)

// serve handles one request, whose first bytes are there, and reports whether the connection goes on.
func (x *exchange) serve() bool {
	c := x.client
	r, err := c.readHead(&x.req)
	if err != nil {
		return false
	}
	x.now = time.Now()
	c.listener.counts.requests.Add(1)
	if r != nil {
		c.listener.counts.refused.Add(1)
		return x.refuse(r, false)
	}
	x.sent = x.req.append(x.sent[:0], c.via)
	streaming, r, err := x.holdBody()
	if err != nil {
		return false
	}
	if r != nil {
		return x.refuse(r, false)
	}
	switch x.forward(streaming) {
	case answered:
		return true
	case failed:
		return x.refuse(x.fail, !streaming)
	case answeredClose:
		if streaming {
			c.linger()
		}
	case broken, again:
	}
	return false
}

// holdBody appends a small body to sent. Large ones, and those for which the client waits for leave, are left to be streamed.
func (x *exchange) holdBody() (streaming bool, _ *refusal, _ error) {
	c, limits := x.client, &x.client.listener.limits
	if x.req.bodyless() {
		return false, nil, nil
	}
	x.body = framing{kind: bodyLength, remaining: x.req.contentLength}
	if x.req.chunked {
		x.body.kind = bodyChunked
		return true, nil, nil
	}
	if limits.MaxBodyBytes > 0 && x.req.contentLength > limits.MaxBodyBytes {
		return false, tooLarge(), nil
	}
	if x.req.contentLength > heldBody || x.req.expectContinue {
		return true, nil, nil
	}
	for {
		n, done, err := x.body.take(c.in.unread())
		if err != nil {
			return false, nil, err
		}
		x.sent = append(x.sent, c.in.unread()[:n]...)
		c.in.use(n)
		if done {
			return false, nil, nil
		}
		if err := c.readBody(x.now); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return false, slowBody(), nil
			}
			return false, nil, err
		}
	}
}

func slowBody() *refusal {
	return refuse(http.StatusRequestTimeout, "the request's body did not arrive in time")
}

func tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "the request's body is too large")
}

// refuse gives the balancer's own answer. whole says that the request has been read to its end, so that the connection can go on.
func (x *exchange) refuse(r *refusal, whole bool) bool {
	c := x.client
	keep := whole && x.req.keepAlive && !c.listener.stopping.Load()
	c.listener.counts.answers[r.status/100].Add(1)
	c.listener.log.Debug("refused request", "status", r.status, "reason", r.text, "client", string(c.via.clientIP))
	x.out = r.append(x.out[:0], !keep, x.req.headOnly)
	if err := c.send(x.out, time.Now()); err != nil {
		return false
	}
	if !keep {
		c.linger()
	}
	return keep
}

// forward tries targets until one answers or no further try is allowed.
func (x *exchange) forward(streaming bool) verdict {
	l := x.client.listener
	reuse := !streaming // a streamed body cannot be sent twice, so it does not ride on a connection that may be dead
	for try := range maxTries {
		if try > 0 {
			l.counts.retried.Add(1)
			x.now = time.Now()
		}
		t, u, r := l.claim(x.avoid, reuse, &x.drawn, x.now)
		if r != nil {
			if x.fail == nil {
				x.fail = r
			}
			return failed
		}
		t.requests.Add(1)
		if u != nil && !x.req.idempotent && !u.trusted(x.now) {
			u.close()
			u = nil
		}
		reused := u != nil
		if u == nil {
			var err error
			if u, err = t.dial(l.life, l.limits.DialTimeout); err != nil {
				x.lost(t, nil, err, "does not accept connections")
				continue
			}
		}
		v := x.try(t, u, streaming)
		switch {
		case v != again:
			return v
		case reused:
			// The target closed its idle connections; that says nothing against the target itself.
			for _, idle := range t.group.flush(t) {
				idle.close()
			}
			x.avoid = x.avoid[:len(x.avoid)-1]
			reuse = false
		default:
			t.group.suspect(t, errors.New(x.fail.text))
		}
	}
	return failed
}

// lost ends a try that brought no answer: the claim is given back, and x.fail says what the client is told if nothing else succeeds.
func (x *exchange) lost(t *target, u *upstream, err error, what string) {
	t.errors.Add(1)
	status := http.StatusBadGateway
	if errors.Is(err, os.ErrDeadlineExceeded) || isTimeout(err) {
		status = http.StatusGatewayTimeout
	}
	x.fail = refuse(status, "target "+t.id+" of target group "+t.group.name+" "+what)
	x.avoid = append(x.avoid, t)
	if u == nil {
		t.group.suspect(t, err)
	} else {
		u.close()
	}
	t.group.release(t, nil, x.now)
	x.client.listener.log.Debug("try failed", "target", t.id, "targetGroup", t.group.name, "error", err)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// try sends the request to the target and gives its answer on.
func (x *exchange) try(t *target, u *upstream, streaming bool) verdict {
	limits := &x.client.listener.limits
	gone, err := x.send(u, streaming)
	if err != nil && gone == 0 {
		x.lost(t, u, err, "ended the connection before it got the request")
		return again
	}
	if err == nil && streaming {
		x.pumped = make(chan error, 1)
		go func() { x.pumped <- x.pump(u) }()
	}
	x.up.r, x.up.w = 0, 0
	for interim := 0; err == nil; interim++ {
		var r *refusal
		if r, err = x.readAnswerHead(u); err != nil {
			break
		}
		if r == nil && x.resp.status == http.StatusSwitchingProtocols && x.req.upgrade != nil {
			return x.tunnel(t, u)
		}
		if r == nil && (x.resp.status == http.StatusSwitchingProtocols || interim > 16) {
			r = badAnswer("it switches protocols unasked, or sends interim answers without end")
		}
		if r != nil {
			x.endPump(u)
			x.lost(t, u, r, "gave an answer that is not valid HTTP/1.1")
			x.client.listener.log.Warn("target answers invalid HTTP", "target", t.id, "targetGroup", t.group.name, "reason", r.text)
			return failed
		}
		if x.resp.status >= 200 {
			return x.relay(t, u)
		}
		if x.req.minor > 0 {
			x.out = x.resp.append(x.out[:0], toClient{minor: 1, interim: true})
			if e := x.client.send(x.out, x.now); e != nil {
				x.endPump(u)
				x.lost(t, u, e, "")
				return broken
			}
		}
	}
	return x.unanswered(t, u, err, limits)
}

// unanswered decides what follows when the connection failed before an answer's head.
func (x *exchange) unanswered(t *target, u *upstream, err error, limits *Limits) verdict {
	streaming := x.pumped != nil
	begun := x.up.len() > 0
	x.endPump(u)
	if x.fault != nil {
		x.lost(t, u, err, "")
		if x.fault.refusal == nil {
			return broken // the client is gone
		}
		x.fail = x.fault.refusal
		return failed
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.lost(t, u, err, "did not answer within "+limits.ResponseTimeout.String())
		return failed
	case begun:
		x.lost(t, u, err, "ended the connection in the head of its answer")
		return failed
	}
	x.lost(t, u, err, "ended the connection before it answered")
	if x.req.idempotent && !streaming {
		return again
	}
	return failed
}

// send writes what is at hand of the request and arms the deadlines of the connection. It returns how many bytes are gone.
func (x *exchange) send(u *upstream, streaming bool) (int, error) {
	limits := &x.client.listener.limits
	if deadline, due := u.write.due(x.now, limits.BodyTimeout); due {
		if err := u.SetWriteDeadline(deadline); err != nil {
			return 0, err
		}
	}
	if streaming {
		// The time for an answer starts when the body is through; pump arms it.
		u.read.forget()
		if err := u.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
	} else if deadline, due := u.read.due(x.now, limits.ResponseTimeout); due {
		if err := u.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
	}
	return u.Write(x.sent)
}

// readAnswerHead reads the next head from the target.
func (x *exchange) readAnswerHead(u *upstream) (*refusal, error) {
	limits := &x.client.listener.limits
	seen := 0
	for {
		data := x.up.unread()
		if end := headEnd(data, seen); end > 0 {
			r := x.resp.parse(data[:end], limits.MaxHeaderFields, x.req.headOnly)
			x.up.r += end // not use: the parsed head points into the buffer
			return r, nil
		}
		if bareLF(data, seen) {
			return badAnswer("a line ends in LF without CR"), nil
		}
		if seen = len(data); seen >= limits.MaxHeaderBytes {
			return badAnswer("its head is too large"), nil
		}
		x.up.room(limits.MaxHeaderBytes + bodyBuffer)
		if _, err := x.up.read(u); err != nil {
			return nil, err
		}
	}
}
