package lb

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Succeed is Start for a Balancer that takes the place of another one, which runs: where a listener has the address of one of the other's, by
// the words of the configurations, it accepts from the same socket, so no connection is refused or lost in between. Both accept until the other one is
// stopped, which is the caller's to do. When Succeed fails, the other one is as it was.
//
// What the two have of targets is not shared: the new one makes its own health checks, and requests wait for their first verdicts.
func (b *Balancer) Succeed(ctx context.Context, other *Balancer) error {
	b.mu.Lock()
	if b.cancel != nil || b.stopped {
		b.mu.Unlock()
		return errors.New("start load balancer: it was started before")
	}
	err := b.inherit(other)
	b.mu.Unlock()
	if err == nil {
		err = b.Start(ctx)
	}
	if err != nil {
		// Start has closed those before the one that failed; closing a socket twice is an error that says nothing.
		for _, l := range b.listeners {
			if l.socket == nil {
				continue
			}
			if closing := l.socket.Close(); closing != nil && !errors.Is(closing, net.ErrClosed) {
				err = errors.Join(err, closing)
			}
		}
	}
	return err
}

func (b *Balancer) inherit(other *Balancer) error {
	other.mu.Lock()
	defer other.mu.Unlock()
	if other.cancel == nil || other.stopped {
		return errors.New("take the place of a load balancer that does not run")
	}
	for _, l := range b.listeners {
		for _, o := range other.listeners {
			if !o.precedes(l) {
				continue
			}
			socket, err := duplicate(o.socket)
			if err != nil {
				return fmt.Errorf("take over the socket of listener %q: %w", l.name, err)
			}
			l.socket = socket
			break
		}
	}
	return nil
}

// precedes reports whether a listener is where another one is to be. Listeners that each took a free port are told apart by their names.
func (l *listener) precedes(next *listener) bool {
	if l.address != next.address {
		return false
	}
	_, port, err := net.SplitHostPort(l.address)
	return l.name == next.name || err == nil && port != "0"
}

// duplicate is another handle on the same socket, with the same queue of connections.
func duplicate(l net.Listener) (net.Listener, error) {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("%T can't be duplicated", l)
	}
	file, err := tcp.File()
	if err != nil {
		return nil, err
	}
	again, err := net.FileListener(file)
	return again, errors.Join(err, file.Close())
}
