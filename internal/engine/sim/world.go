package sim

import (
	"fmt"
	"time"

	"crossfade/internal/deploy"
)

const group = "tg"

// populate draws a deployment, its hosts and what operators will do.
func (w *world) populate() {
	kinds := []deploy.Kind{
		deploy.KindBlueGreen, deploy.KindBlueGreen, deploy.KindBlueGreen, deploy.KindBlueGreenShift,
		deploy.KindInPlaceTraffic, deploy.KindInPlaceTraffic, deploy.KindInPlace,
	}
	kind := kinds[w.rng.IntN(len(kinds))]
	originals, replacements := 1+w.rng.IntN(4), 1+w.rng.IntN(4)
	if !kind.Replaces() {
		replacements = 0
	} else if w.chance(0.1) {
		originals = 0
	}
	copies := kind.Replaces() && originals > 0 && w.chance(0.25)
	if copies {
		replacements = 0 // made by the deployment
	}
	configs := []deploy.HealthyHosts{
		{Type: deploy.MostConcurrency, Value: 1}, {Type: deploy.FleetPercent, Value: 50}, {Type: deploy.FleetPercent, Value: 0},
		{Type: deploy.HostCount, Value: 1}, {Type: deploy.FleetPercent, Value: 75},
	}
	w.spec = deploy.Spec{
		ID: "d-SIM000001", RollbackID: "d-SIM000002", GroupID: "g", Group: "sim", Application: "sim", Kind: kind, Creator: deploy.CreatorUser,
		Config: "sim", MinimumHealthy: configs[w.rng.IntN(len(configs))],
		GroupSelection: tagged("blue"),
		BlueGreen: &deploy.BlueGreenSettings{
			ReadyAction: pick(w, deploy.ReadyContinue, deploy.ReadyStop), ReadyWaitMinutes: 1 + w.rng.IntN(2880),
			TerminationAction: pick(w, deploy.TerminationTerminate, deploy.TerminationKeepAlive), TerminationWaitMinutes: w.rng.IntN(2881),
			Provisioning: deploy.ProvisionDiscover,
		},
		LoadBalancer:                  &deploy.LoadBalancer{TargetGroups: []string{group}},
		IgnoreApplicationStopFailures: w.chance(0.2),
	}
	if w.chance(0.6) {
		w.spec.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure, deploy.RollbackOnRequest, deploy.RollbackOnAlarm}}
	}
	switch {
	case copies:
		w.spec.BlueGreen.Provisioning = deploy.ProvisionCopyAutoScaler
		w.spec.GroupSelection = deploy.Selection{AutoScalingGroups: []string{sourceGroup}}
		w.scaling.add(sourceGroup)
	case kind.Replaces():
		w.spec.TargetInstances = new(tagged("green"))
	default:
		w.spec.Previous = &deploy.Previous{DeploymentID: "d-SIM000000", Revision: simRevision("v0")}
	}
	if kind == deploy.KindBlueGreenShift {
		w.spec.Routing = &deploy.TrafficRouting{Type: pick(w, deploy.RoutingCanary, deploy.RoutingLinear), Percentage: 1 + w.rng.IntN(99), IntervalMinutes: 1 + w.rng.IntN(20)}
		if w.spec.Routing.Type == deploy.RoutingLinear {
			w.spec.Routing.Percentage = 10 + w.rng.IntN(90)
		}
	}
	if !kind.Replaces() && w.chance(0.4) {
		w.drawZones()
	}
	w.drawAlarms()
	for i := range originals {
		name := fmt.Sprintf("blue-%d", i)
		w.addHost(name, "blue")
		if copies {
			w.scaling.join(sourceGroup, name, w.now)
		}
		if kind.Traffic() {
			w.router.members[name] = &member{in: true, healthyAt: w.now}
		}
	}
	for i := range replacements {
		w.addHost(fmt.Sprintf("green-%d", i), "green")
	}
	w.drawOthers(originals)
	w.drawOperations()
	if replacements > 0 && originals > 0 && w.chance(0.1) {
		// Left in traffic by an earlier deployment that ended in the middle.
		for i := range replacements {
			w.router.members[fmt.Sprintf("green-%d", i)] = &member{in: true, healthyAt: w.now}
		}
	}
}

func tagged(key string) deploy.Selection {
	return deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: key, Type: deploy.KeyOnly}}}
}

func simRevision(key string) deploy.Revision {
	return deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: key, BundleType: "zip"}}
}

// drawZones makes the deployment zonal.
func (w *world) drawZones() {
	z := &deploy.Zonal{}
	if w.chance(0.5) {
		first := w.rng.Int64N(600)
		z.FirstZoneMonitorSeconds = &first
	}
	if w.chance(0.5) {
		later := w.rng.Int64N(300)
		z.MonitorSeconds = &later
	}
	if w.chance(0.3) {
		z.MinimumHealthyPerZone = &deploy.HealthyHosts{Type: deploy.FleetPercent, Value: 50}
	}
	w.spec.Zonal = z
}

// drawAlarms decides whether alarms are watched, and when one is raised or unreadable.
func (w *world) drawAlarms() {
	if !w.chance(0.3) {
		return
	}
	w.spec.Watch = &deploy.AlarmSettings{Enabled: true, Names: []string{"errors", "latency"}, IgnorePollFailure: w.chance(0.5)}
	if !w.opt.Faults {
		return
	}
	if w.chance(0.4) {
		w.alarms.raisedAt = w.now.Add(w.between(0, 2*time.Hour))
	}
	if w.chance(0.2) {
		w.alarms.unreadableAt = w.now.Add(w.between(0, 2*time.Hour))
	}
}

// drawOthers decides what else is deployed meanwhile: a second deployment that waits its turn in the group, one of another application on the
// same hosts, and one for a single instance beside them.
func (w *world) drawOthers(originals int) {
	blueHosts := tagged("blue")
	other := func(id string, change func(*deploy.Spec)) {
		s := deploy.Spec{
			ID: "d-SIM0" + id + "1", RollbackID: "d-SIM0" + id + "2", GroupID: w.spec.GroupID, Group: w.spec.Group, Application: "sim", Kind: deploy.KindInPlace,
			Creator: deploy.CreatorUser, Config: "sim", MinimumHealthy: w.spec.MinimumHealthy, GroupSelection: w.spec.GroupSelection,
			LoadBalancer: w.spec.LoadBalancer, Revision: simRevision(id), AutoRollback: w.spec.AutoRollback,
		}
		change(&s)
		w.plans = append(w.plans, planned{at: w.now.Add(w.between(0, 10*time.Minute)), spec: s})
	}
	w.spec.Revision = simRevision("v1")
	w.plans = append(w.plans, planned{at: w.now, spec: w.spec})
	w.store.groups[w.spec.GroupID] = deploy.Group{Settings: deploy.GroupSettings{Selection: w.spec.GroupSelection}}
	if originals == 0 {
		return // nothing else to deploy to
	}
	if w.chance(0.3) {
		other("QUE", func(s *deploy.Spec) {
			s.Queue = true
			if w.spec.Kind == deploy.KindInPlaceTraffic {
				s.Kind, s.Zonal = w.spec.Kind, w.spec.Zonal
			}
		})
	}
	if w.chance(0.4) {
		other("APP", func(s *deploy.Spec) {
			s.GroupID, s.Group, s.GroupSelection = "h", "other", blueHosts
			if w.spec.Kind == deploy.KindInPlaceTraffic && w.chance(0.5) {
				s.Kind, w.shared = w.spec.Kind, true
			}
		})
	}
	if w.spec.Kind != deploy.KindInPlaceTraffic && w.chance(0.3) {
		other("ONE", func(s *deploy.Spec) {
			s.Creator, s.AutoRollback, s.Only = deploy.CreatorAutoScaling, nil, []string{"blue-0"}
			s.MinimumHealthy = deploy.HealthyHosts{Type: deploy.HostCount}
		})
	}
}

func pick(w *world, a, b string) string {
	if w.chance(0.5) {
		return a
	}
	return b
}

func (w *world) addHost(name, tag string) {
	h := &host{w: w, name: name, tag: tag, zone: []string{"a", "b", ""}[w.rng.IntN(3)], nextPoll: w.now}
	if w.opt.Faults {
		h.dead = w.chance(0.03)
		h.failing = pickP(w, 0.8, 0, 0.08)
		w.router.sick(name, w.chance(0.04))
	}
	w.hosts = append(w.hosts, h)
}

func pickP(w *world, p, a, b float64) float64 {
	if w.chance(p) {
		return a
	}
	return b
}

// drawOperations decides when operators call. Without faults somebody always continues.
func (w *world) drawOperations() {
	at := func(most time.Duration) time.Time { return w.now.Add(w.between(0, most)) }
	add := func(t time.Time, what deploy.What) { w.operations = append(w.operations, operation{t, what}) }
	if !w.opt.Faults {
		// Ready is reached within an hour of simulated installing; the wait may be shorter, so the wait is made long.
		w.spec.BlueGreen.ReadyWaitMinutes = 2880
		for i := range 6 { // a server that dies may take a call with it
			add(w.now.Add(time.Duration(2+i)*time.Hour), deploy.Continue{Wait: deploy.ReadyWait, By: "operator"})
		}
		return
	}
	for range w.rng.IntN(4) {
		add(at(20*time.Minute), deploy.Continue{Wait: deploy.ReadyWait, By: "operator"})
	}
	if w.chance(0.5) {
		add(at(40*time.Minute), deploy.Continue{Wait: deploy.TerminationWait, By: "operator"})
	}
	if w.chance(0.25) {
		s := deploy.Stop{By: "operator"}
		if w.chance(0.5) {
			rollback := w.chance(0.5)
			s.Rollback = &rollback
		}
		add(at(30*time.Minute), s)
	}
}
