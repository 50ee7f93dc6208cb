package lb

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// What a client connection is doing, as far as a shutdown must know.
const (
	clientBusy    int32 = iota // has at least a part of a request
	clientIdle                 // waits for a request
	clientHurried              // was idle when the shutdown came
)

const (
	clientBuffer = 4 << 10
	bodyBuffer   = 32 << 10
	lastLook     = 20 * time.Millisecond // for a request that was on its way when the shutdown came
)

// client is a client connection; one goroutine serves its requests one after the other.
type client struct {
	net.Conn
	listener *listener
	via      via
	in       buffer
	read     coarse
	write    coarse
	state    atomic.Int32
	hurrying sync.Mutex // held while hurry sets the deadline
}

func newClient(l *listener, c net.Conn) *client {
	ip, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		ip = "unknown" // RFC 7239's word; a TCP address always splits
	}
	return &client{Conn: c, listener: l, via: via{clientIP: []byte(ip), port: l.port}}
}

// serve handles requests until the connection is to be closed.
func (c *client) serve() {
	defer c.cut()
	defer func() {
		// A mistake of ours on one connection must not end all others.
		if broken := recover(); broken != nil {
			c.listener.log.Error("panic while serving a connection", "panic", broken, "stack", string(debug.Stack()))
		}
	}()
	for c.await() {
		x := c.listener.pool.Get().(*exchange)
		x.client = c
		keep := x.serve()
		x.reset()
		c.listener.pool.Put(x)
		if !keep {
			return
		}
	}
}

// await waits for the first bytes of a request.
func (c *client) await() bool {
	if c.in.len() > 0 {
		return true
	}
	if len(c.in.b) != clientBuffer {
		c.in = buffer{b: make([]byte, clientBuffer)}
	}
	if deadline, due := c.read.due(time.Now(), c.listener.limits.IdleTimeout); due && c.SetReadDeadline(deadline) != nil {
		return false
	}
	c.state.Store(clientIdle)
	if c.listener.stopping.Load() {
		c.hurry()
	}
	n, err := c.in.read(c)
	if !c.state.CompareAndSwap(clientIdle, clientBusy) {
		c.hurrying.Lock() // from here on, nobody else touches the deadline
		c.state.Store(clientBusy)
		c.hurrying.Unlock()
		c.read.forget()
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			if c.SetReadDeadline(time.Now().Add(lastLook)) != nil {
				return false
			}
			n, err = c.in.read(c)
		}
	}
	return n > 0 && (err == nil || errors.Is(err, io.EOF))
}

// hurry ends the waiting of an idle connection.
func (c *client) hurry() {
	c.hurrying.Lock()
	defer c.hurrying.Unlock()
	if c.state.CompareAndSwap(clientIdle, clientHurried) {
		if c.SetReadDeadline(time.Unix(1, 0)) != nil {
			c.cut()
		}
	}
}

// cut closes the connection. There is nothing to do about an error of Close: whatever had to be written was.
func (c *client) cut() {
	if err := c.Close(); err != nil {
		return
	}
}

// send writes to the client.
func (c *client) send(b []byte, now time.Time) error {
	if deadline, due := c.write.due(now, c.listener.limits.BodyTimeout); due {
		if err := c.SetWriteDeadline(deadline); err != nil {
			return err
		}
	}
	_, err := c.Write(b)
	return err
}

// linger closes the sending side and takes what the client is still sending for a moment, because closing a socket with unread data
// would destroy the answer on its way.
func (c *client) linger() {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, c.Conn, 1<<20); err != nil {
		return
	}
}

// readHead reads on until a head is complete and parses it. A refusal is to be answered; io.EOF and other errors are not.
func (c *client) readHead(h *requestHead) (*refusal, error) {
	limits := &c.listener.limits
	seen, timed := 0, false
	for {
		data := c.in.unread()
		for len(data) >= 2 && data[0] == '\r' && data[1] == '\n' { // RFC 9112 2.2: empty lines before a request are ignored
			c.in.use(2)
			data, seen = c.in.unread(), 0
		}
		if end := headEnd(data, seen); end > 0 && end <= limits.MaxHeaderBytes {
			r := h.parse(data[:end], limits.MaxHeaderFields)
			c.in.use(end)
			return r, nil
		}
		if bareLF(data, seen) {
			return badRequest("a line ends in LF without CR"), nil
		}
		if len(data) >= limits.MaxHeaderBytes {
			if headEnd(data, 0) == 0 && !containsLine(data) {
				return refuse(http.StatusRequestURITooLong, "the request line is too long"), nil
			}
			return refuse(http.StatusRequestHeaderFieldsTooLarge, "the request's head is too large"), nil
		}
		seen = len(data)
		if c.in.w == len(c.in.b) && c.in.r > 0 {
			c.in.compact()
		}
		c.in.room(limits.MaxHeaderBytes + clientBuffer)
		if !timed {
			timed = true
			c.read.forget()
			if err := c.SetReadDeadline(time.Now().Add(limits.HeaderTimeout)); err != nil {
				return nil, err
			}
		}
		if _, err := c.in.read(c); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && seen > 0 {
				return refuse(http.StatusRequestTimeout, "the request's head did not arrive in time"), nil
			}
			return nil, err
		}
	}
}

func containsLine(data []byte) bool {
	_, _, ok := cutLine(data)
	return ok
}

// readBody reads more of a request body into the empty buffer.
func (c *client) readBody(now time.Time) error {
	if err := c.armBody(now); err != nil {
		return err
	}
	_, err := c.in.read(c)
	return err
}

// armBody sets the deadline of the next part of a request body.
func (c *client) armBody(now time.Time) error {
	if deadline, due := c.read.due(now, c.listener.limits.BodyTimeout); due {
		return c.SetReadDeadline(deadline)
	}
	return nil
}
