package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"crossfade/internal/alarm"
	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/traffic"
)

const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 30 * time.Second
	// sayDelayAfter is how many tries of finding a deployment's instances fail before the deployment says so.
	sayDelayAfter = 3
	// observeInterval is how often an effect under way is looked at when nobody says that something changed.
	observeInterval = time.Second
)

// carrying is the effects that are outstanding, by key. It is a value under a lock, not a goroutine per effect.
type carrying struct {
	mu      sync.Mutex
	effects map[deploy.EffectKey]*carried
	changes int64 // counts the router's changes, so that one is not missed while an order is being observed
}

// carried is one outstanding effect.
type carried struct {
	effect    deploy.Effect
	lease     *store.Lease // under which it is carried out; nil: this server is alone
	busy      bool         // somebody carries it out now
	ordered   bool         // of traffic: MakeSo was done, only observing is left
	reported  bool         // its event was posted; a transition will clear it
	tries     int
	misses    int    // of alarms: looks in a row that failed
	said      string // of finding instances and of traffic: what was last said to be in the way
	saidAt    time.Time
	begun     time.Time // of traffic: when it was first looked at
	why       string    // of traffic: what is in the way
	seen      int64     // changes when it was last taken
	notBefore time.Time
}

// add takes an effect up. With goOn, one that is the same under the same lease goes on as it was.
func (c *carrying) add(e deploy.Effect, lease *store.Lease, goOn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.effects[e.Key]; goOn && old != nil && reflect.DeepEqual(old.effect, e) && reflect.DeepEqual(old.lease, lease) {
		return
	}
	c.effects[e.Key] = &carried{effect: e, lease: lease}
}

// dropShards forgets the effects of all deployments in the shards.
func (c *carrying) dropShards(shards deploy.Shards) {
	if shards == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.effects, func(k deploy.EffectKey, _ *carried) bool { return shards.Of(k.DeploymentID) })
}

// retain forgets all but some.
func (c *carrying) retain(keep map[deploy.EffectKey]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.effects, func(k deploy.EffectKey, _ *carried) bool { return !keep[k] })
}

func (c *carrying) drop(k deploy.EffectKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.effects, k)
}

// dropAll forgets a deployment's effects except traffic orders, which outlive it.
func (c *carrying) dropAll(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.effects {
		if k.DeploymentID == id && k.Kind != deploy.EffectTraffic {
			delete(c.effects, k)
		}
	}
}

// take returns the effects that can be worked on now, marked busy. With changed, every traffic order under way is among them.
func (c *carrying) take(now time.Time, changed bool) []*carried {
	c.mu.Lock()
	defer c.mu.Unlock()
	if changed {
		c.changes++
	}
	var ready []*carried
	for _, e := range c.effects {
		look := !e.notBefore.After(now) || changed && e.ordered
		if e.busy || e.reported || !look {
			continue
		}
		e.busy, e.seen = true, c.changes
		ready = append(ready, e)
	}
	slices.SortFunc(ready, func(a, b *carried) int {
		x, y := a.effect.Key, b.effect.Key
		return cmp.Or(cmp.Compare(x.DeploymentID, y.DeploymentID), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Target, y.Target))
	})
	return ready
}

// next is when an effect that nobody works on can be worked on; zero when there is none.
func (c *carrying) next() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var next time.Time
	for _, e := range c.effects {
		if !e.busy && !e.reported && (next.IsZero() || e.notBefore.Before(next)) {
			next = e.notBefore
		}
	}
	return next
}

// CarryOnce works once on every effect that can be worked on, and returns when to come again (zero: when woken). changed says that the
// router has seen a change. With a nil `spawn` the work is done here, one effect after the other.
func (r *Runner) CarryOnce(ctx context.Context, changed bool, spawn func(func())) time.Time {
	if !r.tenable() {
		return r.Now().Add(retryFirst)
	}
	if spawn == nil {
		spawn = func(f func()) { f() }
	}
	for _, e := range r.carrying.take(r.Now(), changed) {
		spawn(func() { r.carry(ctx, e) })
	}
	return r.carrying.next()
}

// carry works on one effect and records what became of it.
func (r *Runner) carry(ctx context.Context, e *carried) {
	what, err := r.attempt(ctx, e)
	now := r.Now()
	c := &r.carrying
	c.mu.Lock()
	e.busy = false
	switch {
	case err != nil:
		e.notBefore = now.Add(min(retryMost, retryFirst<<min(e.tries, 20)))
		e.tries++
	case what != nil:
		e.reported = true
	case e.effect.Key.Kind == deploy.EffectWatch:
		e.notBefore = now.Add(r.AlarmInterval)
	case e.seen == c.changes:
		e.notBefore = now.Add(observeInterval)
	}
	tries, delay := e.tries, ""
	if err != nil && tries >= sayDelayAfter && e.effect.Key.Kind == deploy.EffectResolve {
		if why := err.Error() + "; it is tried again."; why != e.said {
			e.said, delay = why, why
		}
	}
	var slow deploy.What
	if e.effect.Key.Kind == deploy.EffectTraffic && err == nil && what == nil && e.slow(now) {
		slow = deploy.TrafficDelayed{Target: e.effect.Traffic.Instance, Generation: e.effect.Traffic.Generation, Why: e.why}
	}
	c.mu.Unlock()
	if slow != nil && ctx.Err() == nil {
		r.postUnder(e.lease, e.effect.Key.DeploymentID, slow)
	}
	if delay != "" && ctx.Err() == nil {
		r.postUnder(e.lease, e.effect.Key.DeploymentID, deploy.Delayed{Why: delay})
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("effect not carried out, will be tried again", "deployment", e.effect.Key.DeploymentID, "instance", e.effect.Key.Target,
			"effect", string(e.effect.Key.Kind), "tries", tries, "error", err)
	}
	if what != nil {
		r.postUnder(e.lease, e.effect.Key.DeploymentID, what)
	}
	r.wakeCarry()
}

// The load balancer takes a moment for each order. What takes longer is told, and when the reason changes, not more often than people can read it.
const (
	slowTrafficAfter = 20 * time.Second
	slowTrafficAgain = time.Minute
)

// slow reports whether what is in the way of a traffic order is to be told now, and takes it for told.
func (e *carried) slow(now time.Time) bool {
	if e.begun.IsZero() {
		e.begun = now
	}
	if e.why == "" || e.why == e.said || now.Sub(e.begun) < slowTrafficAfter || now.Sub(e.saidAt) < slowTrafficAgain {
		return false
	}
	e.said, e.saidAt = e.why, now
	return true
}

// attempt carries an effect out as far as it goes. A nil event without an error means that it has to be looked at again.
func (r *Runner) attempt(ctx context.Context, e *carried) (deploy.What, error) {
	switch k := e.effect.Key; k.Kind {
	case deploy.EffectResolve:
		return r.resolve(ctx, e.lease, k.DeploymentID)
	case deploy.EffectTerminate:
		return r.terminate(ctx, k.DeploymentID)
	case deploy.EffectTraffic:
		return r.traffic(ctx, e)
	case deploy.EffectSplit:
		return r.split(ctx, e)
	case deploy.EffectWatch:
		return r.watch(ctx, e)
	default:
		return nil, fmt.Errorf("no way to carry out a %s effect", k.Kind)
	}
}

// traffic makes the load balancer so, once, and looks whether it is.
func (r *Runner) traffic(ctx context.Context, e *carried) (deploy.What, error) {
	o := e.effect.Traffic
	want := traffic.Want{TargetGroups: o.TargetGroups, Instance: o.Instance, In: o.In, Environment: o.Environment, Generation: o.Generation}
	refused := func(reason string) deploy.What {
		return deploy.TrafficRefused{Target: o.Instance, Generation: o.Generation, Reason: reason}
	}
	if !e.ordered {
		unknown, err := r.Router.Known(ctx, o.TargetGroups)
		if err != nil {
			return nil, fmt.Errorf("look up target groups: %w", err)
		}
		if len(unknown) > 0 {
			return refused(unknownGroups(unknown)), nil
		}
		if want.In {
			if want.Address, err = r.Fleet.Address(ctx, o.Account, o.Instance); err != nil {
				return nil, fmt.Errorf("find the address of instance %s: %w", o.Instance, err)
			}
			if want.Address == "" {
				return refused(fmt.Sprintf("The address of instance %s isn't known: no agent has polled from it and it has no tag %s (IP or IP:port).", o.Instance, deploy.AddressTag)), nil
			}
		}
		if err := r.Router.MakeSo(ctx, want); err != nil {
			return nil, fmt.Errorf("order traffic for instance %s: %w", o.Instance, err)
		}
		e.ordered = true
	}
	observed, err := r.observe(ctx, o.TargetGroups, o.Instance)
	if err != nil {
		return nil, err
	}
	done, why := traffic.Settled(want, observed)
	if e.why = why; !done {
		return nil, nil
	}
	return deploy.TrafficSettled{Target: o.Instance, Generation: o.Generation}, nil
}

// split makes the load balancer share the requests out, once, and looks whether it does.
func (r *Runner) split(ctx context.Context, e *carried) (deploy.What, error) {
	o := e.effect.Split
	want := traffic.Split{TargetGroups: o.TargetGroups, Environment: o.Environment, Percent: o.Percent, Generation: o.Generation}
	if r.Splitter == nil {
		return deploy.SplitRefused{Generation: o.Generation, Reason: "it can't share requests out between environments."}, nil
	}
	if !e.ordered {
		err := r.Splitter.Split(ctx, want)
		if errors.Is(err, traffic.ErrUnknownTargetGroup) {
			return deploy.SplitRefused{Generation: o.Generation, Reason: err.Error()}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("order %d %% of the requests for environment %s: %w", o.Percent, o.Environment, err)
		}
		e.ordered = true
	}
	observed, err := r.Splitter.SplitOf(ctx, o.TargetGroups)
	if err != nil {
		return nil, fmt.Errorf("observe how requests are shared out: %w", err)
	}
	if !traffic.SplitSettled(want, observed) {
		return nil, nil
	}
	return deploy.SplitSettled{Generation: o.Generation}, nil
}

// unreadableAfter is how many looks at alarms must fail in a row before they count as unreadable.
const unreadableAfter = 3

// watch looks at the alarms once.
func (r *Runner) watch(ctx context.Context, e *carried) (deploy.What, error) {
	w := e.effect.Watch
	states, err := r.alarms(ctx, w.Names)
	if err != nil {
		e.misses++
		r.Log.Warn("alarms could not be read", "deployment", e.effect.Key.DeploymentID, "tries", e.misses, "error", err)
		if e.misses < unreadableAfter || w.IgnorePollFailure || ctx.Err() != nil {
			return nil, nil
		}
		return unreadable(errorCode(err), fmt.Sprintf("The state of the alarms could not be read %d times in a row: %v.", e.misses, err)), nil
	}
	e.misses = 0
	var raised, missing []string
	for _, name := range w.Names {
		state, known := states[name]
		if !known {
			missing = append(missing, name)
		} else if state == alarm.StateAlarm {
			raised = append(raised, name)
		}
	}
	switch {
	case len(raised) > 0:
		return deploy.AlarmRaised{Names: raised}, nil
	case len(missing) > 0 && !w.IgnorePollFailure:
		return unreadable(deploy.CodeInternal, fmt.Sprintf("There is no alarm named %s in the configured alarm sources.", strings.Join(missing, ", "))), nil
	}
	return nil, nil
}

func (r *Runner) alarms(ctx context.Context, names []string) (map[string]alarm.State, error) {
	if r.Alarms == nil {
		return nil, nil
	}
	return r.Alarms.States(ctx, names)
}

func errorCode(err error) string {
	switch {
	case errors.Is(err, alarm.ErrDenied):
		return deploy.CodeRolePermissions
	case errors.Is(err, alarm.ErrThrottled):
		return deploy.CodeThrottled
	default:
		return deploy.CodeInternal
	}
}

func unreadable(code, text string) deploy.What {
	return deploy.AlarmUnreadable{Error: deploy.ErrorInfo{Code: code, Message: text + " Mend the alarms, or set ignorePollAlarmFailure in the deployment group's alarmConfiguration."}}
}
