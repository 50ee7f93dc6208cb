package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"crossfade/internal/alarm"
	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/traffic"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Agents is where commands for hosts are offered: a mailbox in memory that is rebuilt from the store after a start.
type Agents interface {
	// Offer puts an effect of kind command or hold in place of an older one of its key; offering the same one again changes nothing. An
	// acknowledged command is known but not handed out. A command is handed out only when no other deployment has held its host for longer.
	Offer(e deploy.Effect)
	// Withdraw takes back whatever has the key.
	Withdraw(k deploy.EffectKey)
	// Untaken names the targets of a deployment with a command that no agent has taken yet.
	Untaken(deploymentID string) []string
	// HeldBy is the deployment whose hold keeps the command of the key from its host, or did until less than deploy.PickUpLimit ago; empty:
	// the agent has had its time.
	HeldBy(k deploy.EffectKey) string
	// Retain withdraws everything whose key is not to be kept.
	Retain(keep func(k deploy.EffectKey) bool)
}

// Revisions prepares what is deployed.
type Revisions interface {
	// Prepare makes the revision ready for hosts to fetch, and says what is wrong with it, or nil. An error means that it is worth trying
	// again.
	Prepare(ctx context.Context, account string, r deploy.Revision) (*deploy.ErrorInfo, error)
}

// Config is what a Runner needs. Splitter, Scaling, Revisions, Alarms and Told may be nil: requests can't be shared out, there are no Auto Scaling groups, revisions are not looked
// at before hosts fetch them, no alarm exists, nobody is told.
type Config struct {
	Store     store.Deployments
	Clock     Clock
	Agents    Agents
	Router    traffic.Router
	Splitter  traffic.Splitter
	Fleet     fleet.Fleet
	Scaling   fleet.Scaling
	Revisions Revisions
	Alarms    alarm.Source
	// AlarmInterval is how often alarms are looked at; zero: every ten seconds.
	AlarmInterval time.Duration
	Log           *slog.Logger
	// Told is called after notices were committed, also by another replica; ended says that a deployment has ended. It must not block.
	Told func(ended bool)

	// Replicas is what the store does for several servers; nil: this one is alone on its store and answers for everything.
	Replicas store.Replicas
	// Replica names this one among them; no two may have the same name.
	Replica string
	// LeaseTime is how long others wait for this one when it says nothing; zero: ten seconds.
	LeaseTime time.Duration
	// Duties are what exactly one of the replicas is to see to, beside deployments. OnDuty is told when this one has to and when not any more; it
	// must not block, and is not called by a server that is alone.
	Duties []string
	OnDuty func(name string, held bool)
}

// Result is what became of an event.
type Result struct {
	Status  deploy.Status // of the deployment after the event
	Outcome deploy.Outcome
}

// batchSize bounds how many events one transaction takes.
const batchSize = 256

// Runner moves deployments. Its methods are safe for concurrent use, except that RunOnce must not run beside itself.
type Runner struct {
	Config

	mu      sync.Mutex
	inbox   []*request
	nextDue time.Time // the earliest deadline known; zero: none
	lookDue bool      // nextDue is not known
	closed  error     // set: no more events are taken

	carrying carrying
	tenure   tenure
	feed     feed

	wakeRun    func() // something waits in the inbox
	wakeCarry  func() // an effect can be carried out
	attendSoon func() // a lease may be free
}

// request is an event on its way.
type request struct {
	id    string
	what  deploy.What
	spec  *deploy.Spec // of a deployment to be created
	fence *store.Lease // without which the event does not count; nil: it always does
	reply chan Reply   // nil: nobody waits, and the event is tried again when the store fails
}

// Reply answers an event that was submitted.
type Reply struct {
	Result Result
	Err    error
}

// New makes a runner; Recover must be called before the first RunOnce.
func New(c Config) *Runner {
	if c.AlarmInterval == 0 {
		c.AlarmInterval = 10 * time.Second
	}
	if c.LeaseTime == 0 {
		c.LeaseTime = 10 * time.Second
	}
	r := &Runner{Config: c, lookDue: true, wakeRun: func() {}, wakeCarry: func() {}, attendSoon: func() {}}
	if c.Replicas == nil {
		r.tenure.alone, r.tenure.owned = true, deploy.AllShards
	}
	r.carrying.effects = map[deploy.EffectKey]*carried{}
	return r
}

// Recover takes up what the store says is outstanding.
func (r *Runner) Recover(ctx context.Context) error {
	if r.Replicas != nil {
		return r.readAll(ctx)
	}
	effects, err := r.Store.Effects(ctx)
	if err != nil {
		return fmt.Errorf("read outstanding effects: %w", err)
	}
	for _, e := range effects {
		r.hand(e)
	}
	return nil
}

// Create makes a deployment of the spec, whose CreatedAt is set here. It fails with *store.GroupBusyError, with store.ErrNotFound when the group is
// gone, and with store.ErrConflict when it follows a deployment that is no longer the group's last successful one.
func (r *Runner) Create(ctx context.Context, spec deploy.Spec) (Result, error) {
	return wait(ctx, spec.ID, r.SubmitNew(spec))
}

// Do brings an event to a deployment and waits until what it does is durable. The error is store.ErrNotFound, a *deploy.Refusal, or the
// store's. When ctx ends first the event may still happen.
func (r *Runner) Do(ctx context.Context, id string, what deploy.What) (Result, error) {
	return wait(ctx, id, r.Submit(id, what))
}

// Submit is Do without the waiting: exactly one reply comes.
func (r *Runner) Submit(id string, what deploy.What) <-chan Reply {
	q := &request{id: id, what: what, reply: make(chan Reply, 1)}
	r.enqueue(q)
	return q.reply
}

// SubmitNew is Create without the waiting.
func (r *Runner) SubmitNew(spec deploy.Spec) <-chan Reply {
	q := &request{id: spec.ID, spec: &spec, reply: make(chan Reply, 1)}
	r.enqueue(q)
	return q.reply
}

func wait(ctx context.Context, id string, answer <-chan Reply) (Result, error) {
	select {
	case a := <-answer:
		return a.Result, a.Err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("wait for deployment %s: %w", id, ctx.Err())
	}
}

// post brings an event that nobody waits for.
func (r *Runner) post(id string, what deploy.What) { r.enqueue(&request{id: id, what: what}) }

// postUnder brings an event that counts only while the lease holds.
func (r *Runner) postUnder(fence *store.Lease, id string, what deploy.What) {
	r.enqueue(&request{id: id, what: what, fence: fence})
}

func (r *Runner) enqueue(q ...*request) {
	r.mu.Lock()
	closed := r.closed
	if closed == nil {
		r.inbox = append(r.inbox, q...)
	}
	r.mu.Unlock()
	if closed != nil {
		refuseAll(q, closed)
		return
	}
	r.wakeRun()
}

func refuseAll(requests []*request, err error) {
	for _, q := range requests {
		if q.reply != nil {
			q.reply <- Reply{Err: err}
		}
	}
}

// close refuses what waits and what will come.
func (r *Runner) close(err error) {
	r.mu.Lock()
	rest := r.inbox
	r.inbox, r.closed = nil, err
	r.mu.Unlock()
	refuseAll(rest, err)
}

// RunOnce takes the events that wait and the deadlines that have come, moves their deployments in one transaction, and hands out what
// follows. It reports whether there was anything to do.
func (r *Runner) RunOnce(ctx context.Context) (bool, error) {
	followed, err := r.follows(ctx)
	if err != nil {
		return false, err
	}
	now := r.Now()
	if err := r.collectDue(ctx, now); err != nil {
		return false, err
	}
	r.mu.Lock()
	n := min(len(r.inbox), batchSize)
	taken := r.inbox[:n:n]
	r.inbox = r.inbox[n:]
	if len(r.inbox) == 0 {
		r.inbox = nil
	}
	r.mu.Unlock()
	if n == 0 {
		return followed, nil
	}
	steps, where, err := r.commit(ctx, now, taken)
	if err != nil {
		if r.Replicas != nil {
			r.inDoubt() // the answer may have been lost on the way
		}
		r.fail(taken, err)
		return true, err
	}
	hands := r.Replicas == nil || r.afterBatch(ctx, where)
	for i, s := range steps {
		if s.again {
			r.enqueue(taken[i])
			continue
		}
		for _, t := range s.transitions {
			r.follow(t, hands)
		}
		if taken[i].reply != nil {
			taken[i].reply <- Reply{s.result, s.err}
		} else if s.err != nil {
			r.logRefusal(taken[i], s.err)
		}
	}
	return true, nil
}

// fail answers those who wait, and keeps for another try what nobody waits for.
func (r *Runner) fail(taken []*request, err error) {
	var again []*request
	for _, q := range taken {
		if q.reply != nil {
			q.reply <- Reply{Err: err}
		} else {
			again = append(again, q)
		}
	}
	if len(again) > 0 {
		r.mu.Lock()
		r.inbox = append(again, r.inbox...)
		r.mu.Unlock()
	}
}

// step is what one request came to inside a batch.
type step struct {
	transitions []deploy.Transition
	result      Result
	err         error
	again       bool // somebody else changed the deployment meanwhile
}

func (r *Runner) commit(ctx context.Context, now time.Time, taken []*request) (steps []step, where store.Shared, err error) {
	steps = make([]step, len(taken))
	one := func(b store.Batch, i int, at time.Time) error {
		// No two at the same time: whoever came to a host first must have been first after a restart too.
		s, err := decide(ctx, b, at.Add(time.Duration(i)), taken[i])
		steps[i] = s
		return err
	}
	if r.Replicas == nil {
		err = r.Store.Batch(ctx, func(b store.Batch) error {
			if err := b.Expect(ctx, concern(taken)); err != nil {
				return err
			}
			for i := range taken {
				if err := one(b, i, now); err != nil {
					return err
				}
			}
			return nil
		})
	} else {
		where, err = r.Replicas.SharedBatch(ctx, r.Replica, now, func(b store.SharedBatch) error {
			if err := b.Expect(ctx, concern(taken)); err != nil {
				return err
			}
			fences := fences{}
			for i, q := range taken {
				holds, err := fences.hold(ctx, b, q.fence)
				if err == nil && holds {
					err = one(b, i, b.At())
				} else {
					steps[i] = step{err: store.ErrLeaseLost}
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, where, fmt.Errorf("commit %d events: %w", len(taken), err)
	}
	return steps, where, nil
}

// concern is what requests are about.
func concern(requests []*request) []store.TargetKey {
	out := make([]store.TargetKey, 0, len(requests))
	for _, q := range requests {
		if q.spec == nil {
			out = append(out, store.TargetKey{Deployment: q.id, Target: deploy.TargetOf(q.what)})
		}
	}
	return out
}

// fences remembers which leases a batch has found to hold.
type fences map[store.Lease]bool

func (f fences) hold(ctx context.Context, b store.SharedBatch, l *store.Lease) (bool, error) {
	if l == nil {
		return true, nil
	}
	holds, known := f[*l]
	if known {
		return holds, nil
	}
	err := b.Fence(ctx, *l)
	if err != nil && !errors.Is(err, store.ErrLeaseLost) {
		return false, err
	}
	f[*l] = err == nil
	return err == nil, nil
}

// follow hands out what a durable transition asks for; without hands, the feed does so with its effects.
func (r *Runner) follow(t deploy.Transition, hands bool) {
	if t.Empty() {
		return
	}
	d := t.Deployment()
	r.logJournal(d, t.Journal())
	if hands {
		for _, k := range t.Cleared() {
			r.drop(k)
		}
		if t.ClearAll() {
			r.dropAll(d.Spec.ID)
		}
		for _, e := range t.Effects() {
			r.hand(e)
		}
	}
	if r.shards().Of(d.Spec.ID) {
		r.due(d.State.WakeAt)
		for _, target := range t.Targets() {
			r.due(target.DueAt)
		}
	}
	if t.Ending() {
		for _, target := range r.Agents.Untaken(d.Spec.ID) {
			r.post(d.Spec.ID, deploy.Recall{Target: target})
		}
	}
	if s := t.Spawn(); s != nil {
		r.follow(*s, hands)
	}
	if len(t.Notices()) > 0 && r.Told != nil {
		r.Told(d.State.Status.Terminal())
	}
}

// hand gives an effect to whoever carries it out.
func (r *Runner) hand(e deploy.Effect) {
	if forAgents(e.Key.Kind) {
		r.Agents.Offer(e)
		return
	}
	r.carryOut(e, false)
}

// carryOut takes up an effect of a deployment that this server answers for. One that is the same as before goes on as it was, when told so.
func (r *Runner) carryOut(e deploy.Effect, goOn bool) {
	t := &r.tenure
	t.mu.Lock()
	lease, owned := t.of(e.Key.DeploymentID)
	if lease != nil {
		lease = new(*lease)
	}
	if owned {
		r.carrying.add(e, lease, goOn)
	}
	t.mu.Unlock()
	if owned {
		r.wakeCarry()
	}
}

func (r *Runner) drop(k deploy.EffectKey) {
	if forAgents(k.Kind) {
		r.Agents.Withdraw(k)
		return
	}
	r.carrying.drop(k)
}

// forAgents reports whether effects of the kind are the mailbox's.
func forAgents(k deploy.EffectKind) bool { return k == deploy.EffectCommand || k == deploy.EffectHold }

func (r *Runner) dropAll(id string) {
	r.carrying.dropAll(id)
}

// Now is the time that deployments go by: the server's own, or the one that all replicas share.
func (r *Runner) Now() time.Time {
	t := &r.tenure
	t.mu.Lock()
	defer t.mu.Unlock()
	return r.Clock.Now().Add(t.skew).UTC().Round(0)
}

func (r *Runner) logJournal(d deploy.Deployment, lines []deploy.Line) {
	for _, l := range lines {
		level := slog.LevelInfo
		if l.Target != "" {
			level = slog.LevelDebug
		}
		if !r.Log.Enabled(context.Background(), level) {
			continue
		}
		r.Log.LogAttrs(context.Background(), level, l.Text,
			slog.String("deployment", d.Spec.ID), slog.String("instance", l.Target), slog.String("event", string(l.Event)),
			slog.String("from", l.From), slog.String("to", l.To))
	}
}

func (r *Runner) logRefusal(q *request, err error) {
	r.Log.Debug("event refused", "deployment", q.id, "event", fmt.Sprintf("%T", q.what), "error", err)
}
