package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
)

// announcing tells the other replicas of each commit, as the signals of a database do.
type announcing struct {
	*sqlite.Store
	mu    *sync.Mutex
	peers *map[string]*engine.Service
}

func (a *announcing) SharedBatch(ctx context.Context, replica string, now time.Time, fn func(store.SharedBatch) error) (store.Shared, error) {
	where, err := a.Store.SharedBatch(ctx, replica, now, fn)
	a.tell(replica)
	return where, err
}

func (a *announcing) Leave(ctx context.Context, replica string) error {
	err := a.Store.Leave(ctx, replica)
	a.tell(replica)
	return err
}

func (a *announcing) tell(replica string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, p := range *a.peers {
		if name != replica {
			p.News()
		}
	}
}

// shifted is the wall's clock, which a test moves on.
type shifted struct{ by atomic.Int64 }

func (s *shifted) Now() time.Time { return time.Now().Add(time.Duration(s.by.Load())) }

// leaseTime is so long that no pause of a slow machine outlasts it: leases run out when the test moves the clock on.
const leaseTime = time.Minute

// replicas are several engines on one store.
type replicas struct {
	*world
	clock  shifted
	mu     sync.Mutex
	peers  map[string]*engine.Service
	duties map[string]string // duty -> replica
	twice  bool              // a duty was two replicas'
}

func newReplicas(t *testing.T, names ...string) *replicas {
	t.Helper()
	r := &replicas{world: newWorld(t), peers: map[string]*engine.Service{}, duties: map[string]string{}}
	r.Stop() // the one that is alone
	for _, name := range names {
		r.start(t, name)
	}
	r.attend(t)
	return r
}

// attend has each replica say that it lives, give up what it has too much of, and take what falls to it.
func (r *replicas) attend(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	peers := maps.Clone(r.peers)
	r.mu.Unlock()
	for range 2 {
		for name, s := range peers {
			if _, err := s.Attend(t.Context()); err != nil {
				t.Errorf("%s says that it lives: %v", name, err)
			}
		}
	}
}

// expire has the leases of those run out who died, and not of those who live.
func (r *replicas) expire(t *testing.T) {
	t.Helper()
	for range 3 {
		r.clock.by.Add(int64(leaseTime / 2))
		r.attend(t)
	}
}

func (r *replicas) start(t *testing.T, name string) *engine.Service {
	t.Helper()
	a := &agents{t: t, ran: map[string]int{}, hold: map[deploy.EventName]chan struct{}{}, number: int64(name[0])}
	s, err := engine.Start(t.Context(), engine.Config{
		Store: r.store, Clock: &r.clock, Agents: a, Router: r.lb, Log: slog.New(slog.DiscardHandler),
		Fleet:    hosts{"blue": {"blue-1", "blue-2"}, "green": {"green-1", "green-2"}},
		Replicas: &announcing{Store: r.store, mu: &r.mu, peers: &r.peers}, Replica: name, LeaseTime: leaseTime,
		Duties: []string{"duty/a"}, OnDuty: func(duty string, held bool) { r.onDuty(name, duty, held) },
	})
	if err != nil {
		t.Fatal(err)
	}
	a.ask = func(ctx context.Context, id string, what deploy.What) (engine.Result, error) {
		// Hosts reach any replica, and ask another one when that is gone.
		for again := false; ; again = true {
			peer := r.some(fmt.Sprintf("%T%v", what, what))
			got, err := peer.Do(ctx, id, what)
			var refusal *deploy.Refusal
			switch _, completed := what.(deploy.Completed); {
			case err == nil:
				return got, nil
			case errors.As(err, &refusal) && again && completed:
				return got, nil // the one that stopped had taken it, and its answer was lost
			case refusal != nil:
				return got, err
			}
		}
	}
	r.mu.Lock()
	r.peers[name] = s
	r.mu.Unlock()
	t.Cleanup(func() {
		a.wg.Wait()
		s.Stop()
	})
	return s
}

// some is a replica that runs, by a text that differs from call to call.
func (r *replicas) some(text string) *engine.Service {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Sorted(maps.Keys(r.peers))
	return r.peers[names[len(text)%len(names)]]
}

func (r *replicas) onDuty(replica, duty string, held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case held && r.duties[duty] != "":
		r.twice = true
	case held:
		r.duties[duty] = replica
	case r.duties[duty] == replica:
		r.duties[duty] = ""
	}
}

func (r *replicas) duty() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.duties["duty/a"]
}

// leave ends a replica without a word, or after it has given everything up.
func (r *replicas) leave(t *testing.T, name string, resign bool) {
	t.Helper()
	r.mu.Lock()
	s := r.peers[name]
	delete(r.peers, name)
	r.mu.Unlock()
	if resign {
		if err := s.Resign(t.Context()); err != nil {
			t.Error(err)
		}
	} else {
		r.onDuty(name, "duty/a", false) // it died
	}
	s.Stop()
}

// TestReplicasShareDeployments holds that deployments are served by all replicas, whichever the calls and the hosts come to, and that they go on
// when replicas leave in the middle of the wait.
func TestReplicasShareDeployments(t *testing.T) {
	t.Parallel()
	for _, resign := range []bool{true, false} {
		t.Run(fmt.Sprintf("resign %v", resign), func(t *testing.T) {
			t.Parallel()
			r := newReplicas(t, "a", "b", "c")
			var ids []string
			for i := range 8 {
				spec := r.spec
				spec.ID, spec.RollbackID = fmt.Sprintf("d-TEST0%d00%d", i, i), fmt.Sprintf("d-BACK0%d00%d", i, i)
				// Each in a group of its own.
				spec.GroupID, spec.Group = fmt.Sprint("group-", i), fmt.Sprint("prod-", i)
				g := deploy.Group{ID: spec.GroupID, Account: "1", ApplicationID: spec.ApplicationID, Application: spec.Application, Name: spec.Group, CreatedAt: time.Now()}
				if err := r.store.CreateGroup(t.Context(), g, 100); err != nil {
					t.Fatal(err)
				}
				if _, err := r.peers[[]string{"a", "b", "c"}[i%3]].Create(t.Context(), spec); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, spec.ID)
			}
			for _, id := range ids {
				r.until(t, id, deploy.Deployment.Ready)
			}
			owner := r.duty()
			if owner == "" {
				t.Error("nobody has the duty")
			}
			r.leave(t, owner, resign)
			var left string
			for name := range r.peers {
				left = name
			}
			for _, id := range ids {
				if _, err := r.peers[left].Do(t.Context(), id, deploy.Continue{Wait: deploy.ReadyWait, By: "me"}); err != nil {
					t.Errorf("continue %s: %v", id, err)
				}
			}
			if !resign {
				r.expire(t)
			}
			for _, id := range ids {
				r.until(t, id, func(d deploy.Deployment) bool { return d.State.Status == deploy.StatusSucceeded })
			}
			for deadline := time.Now().Add(patience); r.duty() == ""; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nobody took the duty over")
				}
			}
			if r.twice {
				t.Error("a duty was two replicas' at the same time")
			}
			lines, err := r.store.Journal(t.Context(), ids[0], 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			done := map[string]int{}
			for _, l := range lines {
				if l.Event != "" && l.To == string(deploy.EventSucceeded) {
					done[l.Target+"/"+string(l.Event)]++
				}
			}
			for what, n := range done {
				if n != 1 {
					t.Errorf("%s succeeded %d times", what, n)
				}
			}
		})
	}
}
