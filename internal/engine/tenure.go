package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// attendances is how often a replica says that it lives in the time that its leases hold.
const attendances = 5

// clearAnswer is how long an answer may take to tell well what time it is.
const clearAnswer = 200 * time.Millisecond

// shardLease is the prefix of the names of leases of shards.
const shardLease = "shard/"

// shardNames are the leases that share out the deployments.
var shardNames = func() (names [deploy.ShardCount]string) {
	for i := range names {
		names[i] = fmt.Sprintf("%s%02d", shardLease, i)
	}
	return names
}()

// tenure is what this server answers for: all deployments when it is alone on its store, else those of the shards that it has leases of.
type tenure struct {
	// attending orders what is said to the store, so that nothing is taken after everything was given up; and what is said to OnDuty. Taken before
	// mu.
	attending sync.Mutex

	mu     sync.Mutex
	alone  bool
	owned  deploy.Shards
	leases [deploy.ShardCount]store.Lease
	duties map[string]bool
	until  time.Time     // by the server's own clock: then others may have taken the leases
	skew   time.Duration // of the replicas' common clock against the server's own
	gained deploy.Shards // whose effects are still to be taken up

	resigns bool // guarded by attending
}

// of returns the lease under which a deployment is this server's; nil without a fence when it is alone.
func (t *tenure) of(id string) (lease *store.Lease, owned bool) {
	if t.alone {
		return nil, true
	}
	shard := deploy.ShardOf(id)
	if !t.owned.Has(shard) {
		return nil, false
	}
	return &t.leases[shard], true
}

// Attend says that this replica lives, and takes and gives up what falls to it. It returns when to come again. A server that is alone has
// nothing to do.
func (r *Runner) Attend(ctx context.Context) (time.Duration, error) {
	t := &r.tenure
	if r.Replicas == nil {
		return time.Hour, nil
	}
	t.attending.Lock()
	defer t.attending.Unlock()
	if t.resigns {
		return time.Hour, nil
	}
	began := r.Clock.Now()
	got, err := r.Replicas.Attend(ctx, store.Attendance{Replica: r.Replica, For: r.LeaseTime, Now: began.UTC(), Shared: shardNames[:], Sole: r.Duties})
	if err != nil {
		r.expire()
		return r.LeaseTime / attendances / 2, fmt.Errorf("renew the leases of replica %s: %w", r.Replica, err)
	}
	r.hold(began, got)
	return r.LeaseTime / attendances, nil
}

// expire lets go of everything once others may have it.
func (r *Runner) expire() {
	t := &r.tenure
	t.mu.Lock()
	over := r.Clock.Now().After(t.until)
	t.mu.Unlock()
	if over {
		r.assume(nil)
	}
}

// hold goes by what the store says that this replica holds.
func (r *Runner) hold(began time.Time, got store.Attended) {
	t := &r.tenure
	took := r.Clock.Now().Sub(began)
	t.mu.Lock()
	// A pause between the question and its answer must not make the leases longer than they are.
	t.until = began.Add(r.LeaseTime)
	if t.skew == 0 || took < clearAnswer {
		t.skew = got.Now.Sub(began.Add(took / 2))
	}
	live := len(got.Live)
	t.mu.Unlock()
	if gained, lost := r.assume(got.Held); gained|lost != 0 {
		r.Log.Info("shards of deployments changed hands", "gained", gained.Len(), "lost", lost.Len(), "replicas", live)
	}
}

// assume makes the held leases the ones that this server goes by. The caller has attending. What was lost is dropped at once; what was gained is taken up by RunOnce.
func (r *Runner) assume(held []store.Lease) (gained, lost deploy.Shards) {
	t := &r.tenure
	t.mu.Lock()
	was, leases := t.owned, [deploy.ShardCount]store.Lease{}
	owned := deploy.Shards(0)
	duties := map[string]bool{}
	for _, l := range held {
		if !strings.HasPrefix(l.Name, shardLease) {
			duties[l.Name] = true
			continue
		}
		shard := slices.Index(shardNames[:], l.Name)
		if shard < 0 {
			continue
		}
		leases[shard], owned = l, owned.With(shard)
		if was.Has(shard) && t.leases[shard] != l {
			gained = gained.With(shard) // lost and taken again meanwhile
		}
	}
	gained |= owned &^ was
	lost = was &^ owned
	t.owned, t.leases = owned, leases
	t.gained = t.gained&owned | gained
	r.carrying.dropShards(lost | gained)
	var changed []string
	for _, name := range r.Duties {
		if t.duties[name] != duties[name] {
			changed = append(changed, name)
		}
	}
	t.duties = duties
	t.mu.Unlock()
	for _, name := range changed {
		r.Log.Info("duty changed hands", "duty", name, "held", duties[name])
		if r.OnDuty != nil {
			r.OnDuty(name, duties[name])
		}
	}
	if gained != 0 {
		r.wakeRun()
	}
	return gained, lost
}

// Resign gives everything up, for good: other replicas go on with it at once. Events are still taken. A server that is alone keeps everything.
func (r *Runner) Resign(ctx context.Context) error {
	if r.Replicas == nil {
		return nil
	}
	t := &r.tenure
	t.attending.Lock()
	defer t.attending.Unlock()
	t.resigns = true
	r.assume(nil)
	if err := r.Replicas.Leave(ctx, r.Replica); err != nil {
		return fmt.Errorf("give up the leases of replica %s: %w", r.Replica, err)
	}
	return nil
}

// takeUp reads the effects of the shards that were gained, and takes up those that are carried here. It is called by RunOnce only, so that nothing
// is committed between the reading and the taking up.
func (r *Runner) takeUp(ctx context.Context) (bool, error) {
	t := &r.tenure
	t.mu.Lock()
	gained := t.gained
	t.gained = 0
	t.mu.Unlock()
	if gained == 0 {
		return false, nil
	}
	effects, _, err := r.Replicas.EffectsOf(ctx, gained)
	if err != nil {
		t.mu.Lock()
		t.gained |= gained & t.owned
		t.mu.Unlock()
		return false, fmt.Errorf("read the effects of %d gained shards: %w", gained.Len(), err)
	}
	for _, e := range effects {
		if !forAgents(e.Key.Kind) {
			r.carryOut(e, true)
		}
	}
	r.lookAgain()
	return true, nil
}

// tenable reports whether effects may be carried out now: not after a pause in which others may have taken over.
func (r *Runner) tenable() bool {
	t := &r.tenure
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alone || !r.Clock.Now().After(t.until)
}

// shards are those that this server answers for.
func (r *Runner) shards() deploy.Shards {
	t := &r.tenure
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owned
}

// lease is the fence of an event that stems from owning a deployment; ok is false when it is not owned.
func (r *Runner) lease(id string) (fence *store.Lease, ok bool) {
	t := &r.tenure
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.of(id)
	if l != nil {
		fence = new(*l)
	}
	return fence, ok
}
