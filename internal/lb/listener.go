package lb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// share is a target group of a listener with its weight.
type share struct {
	group   *group
	weight  int
	current int // smooth weighted round robin; guarded by listener.mu
}

// listener accepts connections on one address and owns their goroutines.
type listener struct {
	name    string
	address string
	limits  Limits
	log     *slog.Logger
	shares  []*share
	pool    *sync.Pool // of *exchange
	slots   chan struct{}
	socket  net.Listener           // set by open, or before it when it comes from another Balancer
	bound   atomic.Pointer[string] // the address with the port that it got; set by open
	port    string
	counts  listenerCounts

	life     context.Context // ends with cutting at the deadline of a stop
	end      context.CancelFunc
	stopping atomic.Bool
	serving  sync.WaitGroup

	mu    sync.Mutex // guards conns and share.current
	conns map[*client]struct{}
}

type listenerCounts struct {
	accepted, requests, refused, retried atomic.Uint64
	answers                              [6]atomic.Uint64 // by hundreds of the status
}

func newListener(c ListenerConfig, limits Limits, groups map[string]*group, pool *sync.Pool, log *slog.Logger) *listener {
	l := &listener{
		name: c.name(), address: c.Address, limits: limits, log: log.With("listener", c.name()), pool: pool,
		slots: make(chan struct{}, limits.MaxConnections), conns: make(map[*client]struct{}),
	}
	l.life, l.end = context.WithCancel(context.Background())
	weights := 0
	for _, f := range c.Forward {
		weights += f.Weight
	}
	for _, f := range c.Forward {
		s := &share{group: groups[f.TargetGroup], weight: f.Weight}
		if weights == 0 {
			s.weight = 1
		}
		l.shares = append(l.shares, s)
	}
	return l
}

// open binds the address.
func (l *listener) open(ctx context.Context) error {
	var err error
	if l.socket == nil {
		if l.socket, err = (&net.ListenConfig{}).Listen(ctx, "tcp", l.address); err != nil {
			l.socket = nil
			return fmt.Errorf("open listener %q: %w", l.name, err)
		}
	}
	address := l.socket.Addr().String()
	l.bound.Store(&address)
	if _, l.port, err = net.SplitHostPort(address); err != nil {
		return fmt.Errorf("open listener %q: %w", l.name, err)
	}
	return nil
}

// accept serves connections until the socket is closed.
func (l *listener) accept() {
	defer l.serving.Done()
	l.log.Info("listening", "address", l.socket.Addr().String())
	pause := time.Duration(0)
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.life.Done():
			return
		}
		c, err := l.socket.Accept()
		if err != nil {
			<-l.slots
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, most likely: connections end, so it passes.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.log.Warn("accept connection", "error", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-l.life.Done():
				return
			}
			continue
		}
		pause = 0
		l.counts.accepted.Add(1)
		cl := newClient(l, c)
		l.mu.Lock()
		l.conns[cl] = struct{}{}
		l.mu.Unlock()
		l.serving.Go(func() {
			defer func() { <-l.slots }()
			cl.serve()
			l.mu.Lock()
			delete(l.conns, cl)
			l.mu.Unlock()
		})
	}
}

// stop closes the socket, lets requests in flight end until ctx does, then cuts the connections, and waits for all goroutines.
func (l *listener) stop(ctx context.Context) error {
	l.stopping.Store(true)
	if l.socket == nil {
		return nil
	}
	err := l.socket.Close()
	l.mu.Lock()
	for c := range l.conns {
		c.hurry()
	}
	l.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		l.serving.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		l.end()
		l.mu.Lock()
		l.log.Warn("cut client connections at the end of the shutdown time", "connections", len(l.conns))
		for c := range l.conns {
			c.cut()
		}
		l.mu.Unlock()
	}
	l.end()
	<-ended
	if err != nil {
		return fmt.Errorf("close listener %q: %w", l.name, err)
	}
	return nil
}

// claim finds a target for a request: in the target group that is next by weight, or, when that has none, in another of the listener's
// that has a weight.
func (l *listener) claim(avoid []*target, reuse bool, d *draw, now time.Time) (*target, *upstream, *refusal) {
	for {
		first := l.shares[0]
		if len(l.shares) > 1 {
			first = l.nextShare()
		}
		t, u, m := first.group.claim(avoid, reuse, d, now)
		if t != nil {
			return t, u, nil
		}
		for _, s := range l.shares {
			if s != first && s.weight > 0 {
				var other miss
				if t, u, other = s.group.claim(avoid, reuse, d, now); t != nil {
					return t, u, nil
				}
				if m.changed == nil {
					m.changed, m.until = other.changed, other.until
				}
				m.text += "; " + other.text
			}
		}
		if m.changed == nil || !l.await(m, now) {
			return nil, nil, refuse(http.StatusServiceUnavailable, m.text)
		}
		now = time.Now()
	}
}

func (l *listener) nextShare() *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	return smooth(l.shares, func(s *share) (*int, int) { return &s.current, s.weight })
}

// await waits for a change of the group, at most as long as it may be worth it. It reports whether to try again.
func (l *listener) await(m miss, now time.Time) bool {
	timer := time.NewTimer(m.until.Sub(now))
	defer timer.Stop()
	select {
	case <-m.changed:
		return true
	case <-timer.C:
		return true // the next try finds nothing left to wait for
	case <-l.life.Done():
		return false
	}
}
