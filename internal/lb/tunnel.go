package lb

import (
	"errors"
	"io"
	"net"
	"time"
)

// halfClosed is how long one direction of an upgraded connection may outlive the other.
const halfClosed = 30 * time.Second

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// tunnel joins the client with a target that agreed to switch protocols, until one of them ends it or the target is cut. The claim lasts
// as long, so that a draining target keeps its upgraded connections until its deregistration delay is over.
func (x *exchange) tunnel(t *target, u *upstream) verdict {
	c := x.client
	c.listener.counts.answers[1].Add(1)
	x.out = x.resp.append(x.out[:0], toClient{minor: 1, upgrade: true})
	x.out = append(x.out, x.up.unread()...)
	err := c.send(x.out, x.now)
	if err == nil && c.in.len() > 0 {
		_, err = u.Write(c.in.unread())
	}
	if err == nil {
		err = errors.Join(c.SetDeadline(time.Time{}), u.SetDeadline(time.Time{}))
	}
	if err == nil {
		up := make(chan struct{})
		go func() {
			defer close(up)
			flow(u.Conn, c.Conn)
		}()
		flow(c.Conn, u.Conn)
		<-up
	}
	u.close()
	t.group.release(t, nil, time.Now())
	return broken
}

// flow copies one direction to its end. Then the other has some time left if this one ended orderly, else none.
func flow(to, from net.Conn) {
	_, err := io.Copy(to, from)
	left := time.Duration(0)
	if err == nil {
		if tcp, ok := to.(*net.TCPConn); ok {
			err = tcp.CloseWrite()
		}
	}
	if err == nil {
		left = halfClosed
	}
	// The other direction reads from `to` and writes to `from`. A deadline cannot be set on a closed socket, and needs not be.
	until := time.Now().Add(left)
	if errors.Join(to.SetReadDeadline(until), from.SetWriteDeadline(until)) != nil {
		return
	}
}
