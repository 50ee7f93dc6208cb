//go:build linux

package faults

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// wire carries the connections of one side to the other, well or badly.
type wire struct {
	listener net.Listener
	to       func() (network, address string)

	mu   sync.Mutex
	down bool
	slow time.Duration         // for each piece
	ends map[net.Conn]struct{} // of both sides
	done sync.WaitGroup
}

func newWire(t *testing.T, to func() (network, address string)) *wire {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: to, ends: map[net.Conn]struct{}{}}
	w.done.Go(w.accept)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		w.cut()
		w.done.Wait()
	})
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.done.Go(func() { w.join(near) })
	}
}

// join carries one connection until an end closes it or it is cut.
func (w *wire) join(near net.Conn) {
	network, address := w.to()
	far, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), network, address)
	if err != nil || !w.add(near, far) {
		closeAll(near, far)
		return
	}
	defer w.remove(near, far)
	var both sync.WaitGroup
	both.Go(func() { w.carry(near, far) })
	both.Go(func() { w.carry(far, near) })
	both.Wait()
}

func (w *wire) add(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return false
	}
	for _, c := range ends {
		w.ends[c] = struct{}{}
	}
	return true
}

func (w *wire) remove(ends ...net.Conn) {
	closeAll(ends...)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range ends {
		delete(w.ends, c)
	}
}

func (w *wire) carry(from, to net.Conn) {
	defer closeAll(from, to)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			w.mu.Lock()
			slow := w.slow
			w.mu.Unlock()
			if slow > 0 {
				time.Sleep(slow)
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// part cuts what there is and lets nothing new through until mend.
func (w *wire) part() {
	w.mu.Lock()
	w.down = true
	w.mu.Unlock()
	w.cut()
}

// cut closes what there is; new connections go.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.ends {
		closeAll(c)
	}
}

// delay holds each piece up.
func (w *wire) delay(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = by
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down, w.slow = false, 0
}

// closeAll closes connections; one that is closed already is no matter.
func closeAll(conns ...net.Conn) {
	for _, c := range conns {
		if c == nil {
			continue
		}
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			continue // the other side was faster
		}
	}
}
