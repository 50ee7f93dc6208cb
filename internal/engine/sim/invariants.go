package sim

import (
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/traffic"
)

// watch is what the invariants remember.
type watch struct {
	succeeded map[string]bool // deployment/target/event, in the journal
	executed  map[string]bool // the same, on hosts
	waits     map[string]int  // deployment/phase entered
	ended     map[string]deploy.Status
	told      map[string][]deploy.Moment // of the deployment itself
	began     map[string]bool            // deployment/target/turn: a script was run
	reached   map[string]int
}

func (w *watch) init() {
	*w = watch{
		succeeded: map[string]bool{}, executed: map[string]bool{}, waits: map[string]int{}, ended: map[string]deploy.Status{},
		told: map[string][]deploy.Moment{}, began: map[string]bool{}, reached: map[string]int{},
	}
}

// onApplied looks at every transition that became durable.
func (w *world) onApplied(t deploy.Transition) {
	d := t.Deployment()
	id := d.Spec.ID
	if s, ended := w.watch.ended[id]; ended && s != d.State.Status {
		w.fail("%s went from the terminal %s to %s", id, s, d.State.Status)
	}
	if d.State.Status.Terminal() {
		w.watch.ended[id] = d.State.Status
	}
	w.checkNotices(t)
	w.reach(t)
	for _, l := range t.Journal() {
		if l.Event != "" && l.To == string(deploy.EventSucceeded) {
			key := fmt.Sprintf("%s/%s/%s", id, l.Target, l.Event)
			w.once(w.watch.succeeded, key, "succeeded")
			if l.Event != deploy.AllowTraffic && l.Event != deploy.BlockTraffic && !w.watch.executed[key] {
				w.fail("lifecycle event %s succeeded and no host executed it", key)
			}
		}
		if l.From == "" && l.To == "" && l.Target == "" {
			w.watch.waits[id+"/"+l.Text]++
			if strings.Contains(l.Text, " of the requests go ") {
				continue // the state machine does not order a share twice, but a rollback may have the same one
			}
			if n := w.watch.waits[id+"/"+l.Text]; n > 1 && !d.State.Status.Terminal() && d.State.Ending == nil {
				w.fail("%s entered %q %d times", id, l.Text, n)
			}
		}
	}
}

func (w *world) once(seen map[string]bool, key, did string) {
	if seen[key] {
		w.fail("lifecycle event %s %s twice", key, did)
	}
	seen[key] = true
}

// onExecuted looks at every success of a script.
func (w *world) onExecuted(e deploy.Effect) {
	w.once(w.watch.executed, fmt.Sprintf("%s/%s/%s", e.Key.DeploymentID, e.Key.Target, e.Command.Event), "was executed with success")
}

// onExecution holds that the scripts of two deployments never interleave on a host: while one is in the middle of a stage there, no other
// runs anything.
func (w *world) onExecution(e deploy.Effect) {
	for id, r := range w.store.deployments {
		for _, t := range r.targets {
			if t.ID != e.Key.Target {
				continue
			}
			if id == e.Key.DeploymentID && t.Lane == deploy.LaneReplacement && r.d.State.Phase == deploy.PhaseInstall && w.router.state(t.ID) != traffic.StateAbsent {
				w.fail("%s runs %s on the replacement %s while that is %s", id, e.Command.Event, t.ID, w.router.state(t.ID))
			}
			key := fmt.Sprintf("%s/%s/%d", id, t.ID, t.Turn)
			if id == e.Key.DeploymentID {
				w.watch.began[key] = true
			} else if t.Status == deploy.TargetInProgress && w.watch.began[key] {
				w.fail("%s runs %s on %s in the middle of what %s does there", e.Key.DeploymentID, e.Command.Event, t.ID, id)
			}
		}
	}
}

// reached is what histories must come through now and then, or the simulation proves nothing about it.
var reached = []string{
	"shift in steps", "a later step", "shift rolled back", "a second zone", "a zone watched", "turn waited for", "turn came", "alarm stopped",
	"alarms unreadable", "group copied", "copy adopted", "host held by another", "beside", "instance unhealthy", "in-place rollback",
}

// Reached is the names in Outcome.Reached.
func Reached() []string { return slices.Clone(reached) }

// reach counts what a transition shows to have been reached.
func (w *world) reach(t deploy.Transition) {
	d := t.Deployment()
	st, kind := d.State, d.Spec.Kind
	count := func(name string, when bool) {
		if when {
			w.watch.reached[name]++
		}
	}
	over := st.Status.Terminal()
	count("shift in steps", over && st.Status == deploy.StatusSucceeded && kind == deploy.KindBlueGreenShift)
	count("a later step", st.Phase == deploy.PhaseShift && d.Spec.Routing != nil && st.Percent > d.Spec.Routing.Percentage)
	count("shift rolled back", over && kind == deploy.KindBlueGreenShiftRollback)
	count("a second zone", st.Zone > 0)
	count("a zone watched", len(st.Zones) > 0 && st.Phase == deploy.PhaseDeploy && !st.WaitUntil.IsZero())
	count("turn waited for", st.Waiting)
	count("turn came", t.Respecified())
	count("alarm stopped", st.Error != nil && st.Error.Code == deploy.CodeAlarmActive)
	count("alarms unreadable", st.Error != nil && strings.Contains(st.Error.Message, "alarms could not be read"))
	count("group copied", d.Spec.Copies() && st.Replacements > 0)
	count("copy adopted", t.Group() != nil && t.Group().AutoScalingGroups != nil)
	count("beside", over && d.Spec.Beside())
	count("in-place rollback", over && d.Spec.RollbackOf != "" && !kind.BlueGreen())
	for _, l := range t.Journal() {
		count("host held by another", strings.Contains(l.Text, " has the host of instance "))
	}
	for _, c := range t.Instances() {
		count("instance unhealthy", !c.Succeeded)
	}
}

// checkNotices holds that each change of a deployment is told once, its creation first and its end last.
func (w *world) checkNotices(t deploy.Transition) {
	d := t.Deployment()
	for _, n := range t.Notices() {
		if n.DeploymentID != d.Spec.ID || n.At.IsZero() {
			w.fail("%s tells of %+v", d.Spec.ID, n)
		}
		if n.Instance != nil {
			w.once(w.watch.succeeded, fmt.Sprintf("%s/%s/%s", n.DeploymentID, n.Instance.ID, n.Moment), "told")
			continue
		}
		told := w.watch.told[d.Spec.ID]
		if slices.Contains(told, n.Moment) || (len(told) == 0) != (n.Moment == deploy.MomentCreated) {
			w.fail("%s tells %s after %v", d.Spec.ID, n.Moment, told)
		}
		w.watch.told[d.Spec.ID] = append(told, n.Moment)
	}
	if e := d.State.Error; e != nil && e.Code == deploy.CodeAlarmActive && (d.State.Status != deploy.StatusStopped || d.Spec.RollbackOf != "") {
		w.fail("%s ended %s because of an alarm, as a rollback of %q", d.Spec.ID, d.State.Status, d.Spec.RollbackOf)
	}
}

// checkTold holds, at the end, that the end of every deployment was told.
func (w *world) checkTold(id string, s deploy.Status) error {
	told := w.watch.told[id]
	last := told[len(told)-1]
	if last == deploy.MomentRollback {
		last = told[len(told)-2]
	}
	if string(last) != string(s) {
		return fmt.Errorf("%s ended %s and told %v", id, s, told)
	}
	return nil
}

// onTerminate holds that originals are never terminated before traffic is seen on the replacement.
func (w *world) onTerminate(names []string) {
	serving := 0
	for _, h := range w.hosts {
		if h.tag == "green" && w.router.state(h.name) == traffic.StateHealthy {
			serving++
		}
	}
	if serving == 0 {
		w.fail("originals %v were terminated although no replacement serves", names)
	}
	for _, n := range names {
		if s := w.router.state(n); s != traffic.StateAbsent {
			w.fail("original %s was terminated while it was %s", n, s)
		}
	}
}

// checkServing holds that the serving targets never fall below what the config allows. In place that is the config's minimum of the fleet;
// blue/green, all originals until the replacements serve, and then the config's minimum of those.
func (w *world) checkServing() {
	r, ok := w.store.deployments[w.spec.ID]
	if !ok || w.shared || !w.spec.Kind.Traffic() || r.d.State.StartedAt.IsZero() {
		return
	}
	blue, green, serving := 0, 0, 0
	for _, h := range w.hosts {
		if h.tag == "blue" {
			blue++
		} else {
			green++
		}
		if w.router.state(h.name) == traffic.StateHealthy {
			serving++
		}
	}
	need := w.spec.MinimumHealthy.Minimum(blue)
	if w.spec.Kind.Replaces() {
		// Replacements that failed to install take no part in the reroute, so then one is all that can be asked of them. After a rollback the
		// originals carry the traffic, and the minimum is theirs.
		need = max(1, w.spec.MinimumHealthy.Minimum(green))
		if !w.allInstalled(r) {
			need = 1
		}
		need = min(need, blue, max(1, w.spec.MinimumHealthy.Minimum(blue)))
	}
	if serving < need {
		w.fail("only %d targets serve, %d must: %s", serving, need, w.describe())
	}
}

// checkSplit holds that a replacement that is given its share in steps has none before, never more than the step says, and that nothing of the
// sharing is left after a success.
func (w *world) checkSplit() {
	r, ok := w.store.deployments[w.spec.ID]
	if !ok || w.spec.Kind != deploy.KindBlueGreenShift || r.d.State.Originals == 0 {
		return
	}
	w.router.settleSplit()
	st, inForce := r.d.State, w.router.split.inForce
	switch {
	case st.Phase == deploy.PhaseReroute && (inForce.Environment != w.spec.ID || inForce.Percent != 0):
		w.fail("the replacement is registered while the sharing is %+v", inForce)
	case st.Phase == deploy.PhaseShift && (inForce.Environment != w.spec.ID || inForce.Percent > st.Percent):
		w.fail("the replacement should have at most %d %%, and the sharing is %+v", st.Percent, inForce)
	case st.Status == deploy.StatusSucceeded && inForce.Environment != "":
		w.fail("the deployment succeeded and the sharing is %+v", inForce)
	}
}

// allInstalled reports whether no replacement failed before the reroute.
func (w *world) allInstalled(r *row) bool {
	for _, t := range r.targets {
		if t.Lane == deploy.LaneReplacement && t.Status == deploy.TargetFailed && t.Cursor < 7 {
			return false
		}
	}
	return true
}

// checkEnd looks at what is left when everything has ended.
func (w *world) checkEnd() error {
	for id, r := range w.store.deployments {
		var counts deploy.Counts
		for _, t := range r.targets {
			switch t.Status {
			case deploy.TargetSucceeded:
				counts.Succeeded++
			case deploy.TargetFailed:
				counts.Failed++
			case deploy.TargetSkipped:
				counts.Skipped++
			default:
				return fmt.Errorf("%s is %s with target %s %s", id, r.d.State.Status, t.ID, t.Status)
			}
			if !t.DueAt.IsZero() || t.Order != 0 {
				return fmt.Errorf("%s is %s and target %s still waits (due %s, order %d)", id, r.d.State.Status, t.ID, t.DueAt, t.Order)
			}
		}
		if counts != r.d.State.Overview {
			return fmt.Errorf("%s: the overview says %+v, the targets %+v", id, r.d.State.Overview, counts)
		}
		if err := w.checkTold(id, r.d.State.Status); err != nil {
			return err
		}
		if !r.d.State.WakeAt.IsZero() {
			return fmt.Errorf("%s has ended and wants to be woken", id)
		}
		if r.d.State.Status != deploy.StatusSucceeded && r.d.State.Error == nil {
			return fmt.Errorf("%s is %s and does not say why", id, r.d.State.Status)
		}
		if !w.opt.Faults && r.d.State.Status != deploy.StatusSucceeded && r.d.State.Error.Code != deploy.CodeHealthConstraintsInvalid {
			return fmt.Errorf("%s is %s without any fault: %+v", id, r.d.State.Status, r.d.State.Error)
		}
	}
	return w.broken
}
