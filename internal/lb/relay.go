package lb

import (
	"strconv"
	"time"
)

// relay gives an answer, whose head is parsed, on to the client and ends the claim with the last byte that came from the target.
func (x *exchange) relay(t *target, u *upstream) verdict {
	c := x.client
	c.listener.counts.answers[x.resp.status/100].Add(1)
	whole := true // the request has been sent to its end
	if x.pumped != nil {
		select {
		case err := <-x.pumped:
			whole = err == nil
			x.pumped <- err
		default:
			whole = false
		}
	}
	h := toClient{
		minor:   x.req.minor,
		closing: !x.req.keepAlive || !whole || c.listener.stopping.Load(),
	}
	switch x.resp.body {
	case bodyChunked:
		h.closing = h.closing || h.minor == 0
	case bodyUntilClose:
		h.rechunk = h.minor > 0
		h.closing = h.closing || h.minor == 0
	case bodyNone, bodyLength:
	}
	x.header = h
	x.out = x.resp.append(x.out[:0], h)
	answer := framing{kind: x.resp.body, remaining: x.resp.contentLength}
	for first := true; ; first = false {
		done, err := x.transfer(u, &answer, first)
		if done {
			break
		}
		if err == nil && len(x.out) > 0 {
			err = c.send(x.out, x.now)
		}
		x.out = x.out[:0]
		if err != nil {
			x.endPump(u)
			u.close()
			t.errors.Add(1)
			t.group.release(t, nil, x.now)
			return broken
		}
	}
	whole = x.endPump(u)
	if whole && x.resp.keepAlive && x.up.len() == 0 {
		t.group.release(t, u, x.now)
	} else {
		u.close()
		t.group.release(t, nil, x.now)
	}
	// From here on the target may be stopped: it has nothing more to do with this request.
	if len(x.out) > 0 {
		if err := c.send(x.out, x.now); err != nil {
			return broken
		}
	}
	if h.closing || !whole {
		return answeredClose
	}
	return answered
}

// transfer appends to out what of the body is in the buffer or, but for the first time, arrives with the next read.
func (x *exchange) transfer(u *upstream, answer *framing, first bool) (done bool, err error) {
	if !first {
		x.now = time.Now()
		if deadline, due := u.read.due(x.now, x.client.listener.limits.BodyTimeout); due {
			if err := u.SetReadDeadline(deadline); err != nil {
				return false, err
			}
		}
		x.up.r, x.up.w = 0, 0
		if _, err := x.up.read(u); err != nil {
			return x.ended(answer, err)
		}
	}
	data := x.up.unread()
	switch {
	case answer.kind == bodyChunked && x.header.minor == 0:
		return x.decode(answer, data)
	case x.header.rechunk:
		if len(data) > 0 {
			x.out = strconv.AppendInt(x.out, int64(len(data)), 16)
			x.out = append(append(append(x.out, "\r\n"...), data...), "\r\n"...)
		}
		x.up.use(len(data))
		return false, nil
	}
	n, done, err := answer.take(data)
	x.out = append(x.out, data[:n]...)
	x.up.use(n)
	return done, err
}

// decode appends the payload of a chunked body, for a client that does not know chunks.
func (x *exchange) decode(answer *framing, data []byte) (done bool, err error) {
	for len(data) > 0 && answer.chunks.state != chunkDone {
		payload, n, err := answer.chunks.next(data)
		if err != nil {
			return false, err
		}
		x.out = append(x.out, payload...)
		x.up.use(n)
		data = data[n:]
	}
	return answer.chunks.state == chunkDone, nil
}

// ended decides what the end of the target's connection means.
func (x *exchange) ended(answer *framing, err error) (bool, error) {
	if answer.kind != bodyUntilClose || !isEOF(err) {
		return false, err
	}
	if x.header.rechunk {
		x.out = append(x.out, "0\r\n\r\n"...)
	}
	return true, nil
}
