package follow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/follow"
	"crossfade/internal/lb"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/traffic/builtin"
	"crossfade/internal/traffic/feed"
)

// plane is a control plane that can be away, and come back as another process.
type plane struct {
	t     testing.TB
	dir   string
	rules builtin.Rules
	c     lb.Config

	store   *sqlite.Store
	proxies atomic.Pointer[builtin.Proxies] // nil: away
}

var errAway = errors.New("the control plane is away")

const (
	testPrincipal = "arn:aws:iam::000000000000:user/edge"
	// patience is long enough for whatever a slow machine only delays.
	patience = time.Minute
)

func config() lb.Config {
	c := lb.Config{Limits: lb.Limits{DialTimeout: patience, HeaderTimeout: patience, FirstVerdictWait: patience}}
	for _, name := range []string{"blue", "green"} {
		delay := 10 * patience
		if name == "green" {
			delay = time.Second // waited for
		}
		c.TargetGroups = append(c.TargetGroups, lb.TargetGroupConfig{
			Name: name, HealthCheck: lb.HealthCheck{Path: "/health", Interval: 100 * time.Millisecond, Timeout: patience}, DeregistrationDelay: delay,
		})
		c.Listeners = append(c.Listeners, lb.ListenerConfig{Name: name, Address: "127.0.0.1:0", Forward: []lb.Forward{{TargetGroup: name}}})
	}
	return c
}

func newPlane(t testing.TB, rules builtin.Rules) *plane {
	t.Helper()
	rules.Names = func() feed.Names { return feed.Names{Installation: rand.Text(), Epoch: rand.Text()} }
	p := &plane{t: t, dir: t.TempDir(), rules: rules, c: config()}
	p.begin()
	t.Cleanup(p.end)
	return p
}

// begin starts it on what it has kept.
func (p *plane) begin() {
	p.t.Helper()
	log := slog.New(slog.DiscardHandler)
	var err error
	if p.store, err = sqlite.Open(context.Background(), p.dir, log); err != nil {
		p.t.Fatal(err)
	}
	proxies, err := builtin.NewProxies(context.Background(), p.c, p.store, p.rules, log)
	if err != nil {
		p.t.Fatal(err)
	}
	p.proxies.Store(proxies)
}

// end takes it away.
func (p *plane) end() {
	if old := p.proxies.Swap(nil); old != nil {
		old.Stop()
		if err := p.store.Close(); err != nil {
			p.t.Error(err)
		}
	}
}

func (p *plane) router() *builtin.Proxies { return p.proxies.Load() }

// line is one proxy's connection to the plane, which can be cut.
type line struct {
	plane *plane
	cut   atomic.Bool
}

func (l *line) to() (*builtin.Proxies, error) {
	if p := l.plane.proxies.Load(); p != nil && !l.cut.Load() {
		return p, nil
	}
	return nil, errAway
}

func (l *line) Follow(ctx context.Context, q feed.Question) (feed.Answer, error) {
	p, err := l.to()
	if err != nil {
		return feed.Answer{}, err
	}
	a, err := p.Follow(ctx, testPrincipal, q, time.Second)
	if _, gone := l.to(); gone != nil {
		return feed.Answer{}, gone
	}
	return a, err
}

func (l *line) Report(ctx context.Context, r feed.Report) error {
	p, err := l.to()
	if err != nil {
		return err
	}
	return p.Report(ctx, testPrincipal, r)
}

func (l *line) Leave(ctx context.Context, id feed.Identity) error {
	p, err := l.to()
	if err != nil {
		return err
	}
	return p.Leave(ctx, testPrincipal, id)
}

// open starts a proxy.
func (p *plane) open(t testing.TB, name, dir string) (*follow.Follower, *line) {
	t.Helper()
	l := &line{plane: p}
	f, err := follow.Open(follow.Options{Name: name, Directory: dir, Control: l, CatchUp: patience, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, f) })
	return f, l
}

func stop(t testing.TB, f *follow.Follower) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.Stop(ctx, 0); err != nil {
		t.Error(err)
	}
}

// kill ends a proxy as if its process were gone: it says nothing to anybody.
func kill(t testing.TB, f *follow.Follower, l *line) {
	t.Helper()
	l.cut.Store(true)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Stop(ctx, 0); err != nil {
		t.Error(err)
	}
}
