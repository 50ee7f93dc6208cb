package builtin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"crossfade/internal/lb"
	"crossfade/internal/traffic"
	"crossfade/internal/traffic/feed"
)

// Ledger keeps what is wished of proxies and what they observe; package store says what each method does.
type Ledger interface {
	OpenFeed(ctx context.Context, names feed.Names, configuration []byte, digest string) (feed.Head, error)
	FeedHead(ctx context.Context) (feed.Head, error)
	WishesAfter(ctx context.Context, change int64) (feed.Wishes, error)
	Wish(ctx context.Context, registrations []feed.Registration, splits []feed.Split) (feed.Head, error)
	Registration(ctx context.Context, targetGroup, instance string) (feed.Registration, error)
	SplitWish(ctx context.Context, targetGroup string) (feed.Split, error)
	SeeProxy(ctx context.Context, p feed.Proxy) error
	ReportProxy(ctx context.Context, p feed.Proxy, r feed.Report) error
	Proxies(ctx context.Context) ([]feed.Proxy, error)
	ObservedBy(ctx context.Context, targetGroup, instance string) ([]feed.Observation, error)
	RemoveProxy(ctx context.Context, name, session string) error
}

// The times of proxies, unless told otherwise.
const (
	// DefaultLease is how long a proxy counts as live after it was last heard of.
	DefaultLease = 15 * time.Second
	// DefaultForget is how long a silent proxy is waited for. It is less than the hour that a deployment's BlockTraffic may take.
	DefaultForget = 30 * time.Minute
)

// Rules are how proxies are counted.
type Rules struct {
	Lease  time.Duration // zero: DefaultLease
	Forget time.Duration // zero: DefaultForget
	// Look is how often the ledger is looked at for what other servers have written there; zero: no other server is on it.
	Look time.Duration
	Now  func() time.Time // nil: the system's clock
	// Names makes fresh random names.
	Names func() feed.Names
}

// Proxies implements traffic.Router over load balancers that run as processes of their own, any number of them, and come for what is wished by
// themselves.
//
// # When a wish is fulfilled
//
// An instance is in traffic once every live proxy has it, healthy; and there must be one. It is out of traffic only once no known proxy has it, whether
// that one is live or silent: a silent proxy goes on with the last wishes that it knew, so requests may still reach the instance through it, and
// whoever waits for the instance to be drained, to install on it or to terminate it, has to wait on. The waiting ends when the proxy comes back and says
// that it has taken over the wish, when it leaves in good order, when the operator removes it, or when it has been silent for Rules.Forget while a
// server was there to hear it. Requests are shared out as wished once every live proxy does so.
//
// All of it is in the ledger, so any server on it knows what a proxy told another one. Its methods may be called from any goroutine.
type Proxies struct {
	catalogue *lb.Balancer // never started: it knows what can be configured and registered
	ledger    Ledger
	rules     Rules
	log       *slog.Logger
	started   time.Time
	changes   chan struct{}
	cancel    context.CancelFunc
	done      sync.WaitGroup

	mu     sync.Mutex
	news   chan struct{}               // closed and replaced when there may be new wishes
	seen   map[feed.Identity]time.Time // when SeeProxy was last called, without session
	warned map[[2]string]time.Time     // when a proxy was last complained about, by what it holds back
}

var (
	_ traffic.Router   = (*Proxies)(nil)
	_ traffic.Splitter = (*Proxies)(nil)
)

// NewProxies makes the configuration known to proxies, and begins to look for news in the ledger, if others write there. Stop ends that.
func NewProxies(ctx context.Context, c lb.Config, ledger Ledger, rules Rules, log *slog.Logger) (*Proxies, error) {
	catalogue, err := lb.New(c, log)
	if err != nil {
		return nil, err
	}
	configuration, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration for proxies: %w", err)
	}
	if rules.Lease == 0 {
		rules.Lease = DefaultLease
	}
	if rules.Forget == 0 {
		rules.Forget = DefaultForget
	}
	if rules.Now == nil {
		rules.Now = time.Now
	}
	head, err := ledger.OpenFeed(ctx, rules.Names(), configuration, digestOf(configuration))
	if err != nil {
		return nil, err
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &Proxies{
		catalogue: catalogue, ledger: ledger, rules: rules, log: log, started: rules.Now(), changes: make(chan struct{}, 1), cancel: cancel,
		news: make(chan struct{}), seen: map[feed.Identity]time.Time{}, warned: map[[2]string]time.Time{},
	}
	if rules.Look > 0 {
		p.done.Go(func() { p.watch(watching, head) })
	}
	return p, nil
}

// Stop ends the looking. Questions that are held end with their contexts.
func (p *Proxies) Stop() {
	p.cancel()
	p.done.Wait()
}

func digestOf(configuration []byte) string {
	sum := sha256.Sum256(configuration)
	return hex.EncodeToString(sum[:8])
}

// watch looks for what other servers have written.
func (p *Proxies) watch(ctx context.Context, last feed.Head) {
	pause := time.NewTicker(p.rules.Look)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		head, err := p.ledger.FeedHead(ctx)
		if err != nil {
			if ctx.Err() == nil {
				p.log.Warn("the news for proxies could not be read, will be tried again", "error", err)
			}
			continue
		}
		if head.Last != last.Last || head.Epoch != last.Epoch {
			p.tellFollowers()
		}
		if head.Reports != last.Reports {
			p.wake()
		}
		last = head
	}
}

func (p *Proxies) wake() {
	select {
	case p.changes <- struct{}{}:
	default:
	}
}

func (p *Proxies) tellFollowers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.news)
	p.news = make(chan struct{})
}

// Changes implements traffic.Router.
func (p *Proxies) Changes() <-chan struct{} { return p.changes }

// Known implements traffic.Router.
func (p *Proxies) Known(_ context.Context, targetGroups []string) ([]string, error) {
	return unknownTo(p.catalogue, targetGroups), nil
}

// MakeSo implements traffic.Router. A wish that names an unknown target group or an impossible address changes nothing.
func (p *Proxies) MakeSo(ctx context.Context, w traffic.Want) error {
	if err := checkWant(p.catalogue, w); err != nil {
		return fmt.Errorf("route traffic of instance %q: %w", w.Instance, err)
	}
	var news []feed.Registration
	for _, g := range w.TargetGroups {
		r := feed.Registration{TargetGroup: g, Instance: w.Instance, Address: w.Address, In: w.In, Environment: w.Environment, Generation: w.Generation}
		old, err := p.ledger.Registration(ctx, g, w.Instance)
		if err != nil {
			return err
		}
		r.Change = old.Change
		switch {
		case old.Generation > r.Generation:
			p.log.Info("ignored a stale wish", "targetGroup", g, "instance", w.Instance, "generation", w.Generation, "newest", old.Generation)
		case old == r:
		default:
			news = append(news, r)
		}
	}
	return p.keep(ctx, news, nil)
}

// Split implements traffic.Splitter. A wish that names an unknown target group or an impossible share changes nothing.
func (p *Proxies) Split(ctx context.Context, s traffic.Split) error {
	if err := checkSplit(p.catalogue, s); err != nil {
		return err
	}
	var news []feed.Split
	for _, g := range s.TargetGroups {
		n := feed.Split{TargetGroup: g, Environment: s.Environment, Percent: s.Percent, Generation: s.Generation}
		if n.Environment == "" {
			n.Percent = 0
		}
		old, err := p.ledger.SplitWish(ctx, g)
		if err != nil {
			return err
		}
		n.Change = old.Change
		switch {
		case old.Generation > n.Generation:
			p.log.Info("ignored a stale split", "targetGroup", g, "generation", n.Generation, "newest", old.Generation)
		case old == n:
		default:
			news = append(news, n)
		}
	}
	return p.keep(ctx, nil, news)
}

// keep makes wishes durable and tells who follows.
func (p *Proxies) keep(ctx context.Context, registrations []feed.Registration, splits []feed.Split) error {
	if len(registrations)+len(splits) == 0 {
		return nil
	}
	if _, err := p.ledger.Wish(ctx, registrations, splits); err != nil {
		return err
	}
	p.tellFollowers()
	p.wake()
	return nil
}

// Follow answers a proxy: with what is new for it, at once if there is something, else when there is, or with nothing when hold is over. Errors wrap
// feed.ErrNameTaken.
func (p *Proxies) Follow(ctx context.Context, principal string, q feed.Question, hold time.Duration) (feed.Answer, error) {
	if err := p.see(ctx, principal, q.Identity); err != nil {
		return feed.Answer{}, err
	}
	// A held question must not outlast the lease.
	end := time.NewTimer(min(hold, p.rules.Lease/3))
	defer end.Stop()
	for held := !q.Wait; ; {
		p.mu.Lock()
		news := p.news
		p.mu.Unlock()
		answer, any, err := p.answer(ctx, q)
		if err != nil || any || held {
			return answer, err
		}
		select {
		case <-news:
		case <-end.C:
			held = true
		case <-ctx.Done():
			held, ctx = true, context.WithoutCancel(ctx)
		}
	}
}

func (p *Proxies) answer(ctx context.Context, q feed.Question) (answer feed.Answer, any bool, err error) {
	answer.LeaseSeconds, answer.ForgetSeconds = int64(p.rules.Lease/time.Second), int64(p.rules.Forget/time.Second)
	if answer.Head, err = p.ledger.FeedHead(ctx); err != nil {
		return answer, false, err
	}
	after := q.After
	if q.Epoch != answer.Epoch || after > answer.Last {
		answer.Full, after = true, -1
	}
	if !answer.Full && after == answer.Last && q.Digest == answer.Digest {
		return answer, false, nil
	}
	if answer.Wishes, err = p.ledger.WishesAfter(ctx, after); err != nil {
		return answer, false, err
	}
	if answer.Epoch != q.Epoch && !answer.Full { // a server has started just now
		return p.answer(ctx, feed.Question{Identity: q.Identity, Digest: q.Digest})
	}
	if q.Digest == answer.Digest {
		answer.Configuration = nil
	}
	if answer.Full { // what is out is not among all that there are
		answer.Registrations = slices.DeleteFunc(answer.Registrations, func(r feed.Registration) bool { return !r.In })
	}
	return answer, true, nil
}

// see notes that a proxy was heard of, not more often than it must be.
func (p *Proxies) see(ctx context.Context, principal string, id feed.Identity) error {
	now := p.rules.Now()
	key := feed.Identity{Name: id.Name, ID: id.ID, Session: principal}
	p.mu.Lock()
	last := p.seen[key]
	p.mu.Unlock()
	if now.Sub(last) < p.rules.Lease/4 && !now.Before(last) {
		return nil
	}
	if err := p.ledger.SeeProxy(ctx, feed.Proxy{Identity: id, Principal: principal, FirstSeen: now.Add(-p.rules.Lease), Seen: now}); err != nil {
		return err
	}
	p.mu.Lock()
	p.seen[key] = now
	p.mu.Unlock()
	return nil
}

// unsee has the next question note the proxy again.
func (p *Proxies) unsee(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.seen {
		if k.Name == name {
			delete(p.seen, k)
		}
	}
}

// Report takes what a proxy observes. Errors wrap feed.ErrResync, feed.ErrNameTaken or feed.ErrUnknownProxy.
func (p *Proxies) Report(ctx context.Context, principal string, r feed.Report) error {
	err := p.ledger.ReportProxy(ctx, feed.Proxy{Identity: r.Identity, Principal: principal, Seen: p.rules.Now()}, r)
	if err != nil {
		if errors.Is(err, feed.ErrUnknownProxy) {
			p.unsee(r.Name)
		}
		return err
	}
	p.wake()
	return nil
}

// Leave forgets a proxy that serves nothing any more, at its own word. One that is unknown, or has another process by now, is no error.
func (p *Proxies) Leave(ctx context.Context, principal string, id feed.Identity) error {
	all, err := p.ledger.Proxies(ctx)
	if err != nil {
		return err
	}
	for _, is := range all {
		if is.Name == id.Name && is.ID == id.ID && is.Principal == principal && is.Session == id.Session {
			if err := p.ledger.RemoveProxy(ctx, id.Name, id.Session); err != nil && !errors.Is(err, feed.ErrUnknownProxy) {
				return err
			}
			p.unsee(id.Name)
			p.wake()
		}
	}
	return nil
}

// Remove forgets a proxy at the operator's word, who knows that it sends no requests. It fails with feed.ErrUnknownProxy when there is none. A
// proxy that still follows is known again at once.
func (p *Proxies) Remove(ctx context.Context, name string) error {
	if err := p.ledger.RemoveProxy(ctx, name, ""); err != nil {
		return err
	}
	p.unsee(name)
	p.wake()
	return nil
}
