package sim

import (
	"fmt"
	"time"

	"crossfade/internal/deploy"
)

const group = "tg"

// populate draws a deployment, its hosts and what operators will do.
func (w *world) populate() {
	kinds := []deploy.Kind{deploy.KindBlueGreen, deploy.KindBlueGreen, deploy.KindBlueGreen, deploy.KindInPlaceTraffic, deploy.KindInPlace}
	kind := kinds[w.rng.IntN(len(kinds))]
	originals, replacements := 1+w.rng.IntN(4), 1+w.rng.IntN(4)
	if kind != deploy.KindBlueGreen {
		replacements = 0
	} else if w.chance(0.1) {
		originals = 0
	}
	configs := []deploy.HealthyHosts{
		{Type: deploy.MostConcurrency, Value: 1}, {Type: deploy.FleetPercent, Value: 50}, {Type: deploy.FleetPercent, Value: 0},
		{Type: deploy.HostCount, Value: 1}, {Type: deploy.FleetPercent, Value: 75},
	}
	w.spec = deploy.Spec{
		ID: "d-SIM000001", RollbackID: "d-SIM000002", GroupID: "g", Group: "sim", Application: "sim", Kind: kind, Creator: deploy.CreatorUser,
		Config: "sim", MinimumHealthy: configs[w.rng.IntN(len(configs))],
		GroupSelection: deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "blue", Type: deploy.KeyOnly}}},
		BlueGreen: &deploy.BlueGreenSettings{
			ReadyAction: pick(w, deploy.ReadyContinue, deploy.ReadyStop), ReadyWaitMinutes: 1 + w.rng.IntN(2880),
			TerminationAction: pick(w, deploy.TerminationTerminate, deploy.TerminationKeepAlive), TerminationWaitMinutes: w.rng.IntN(2881),
			Provisioning: deploy.ProvisionDiscover,
		},
		LoadBalancer:                  &deploy.LoadBalancer{TargetGroups: []string{group}},
		IgnoreApplicationStopFailures: w.chance(0.2),
	}
	if kind == deploy.KindBlueGreen {
		w.spec.TargetInstances = &deploy.Selection{OnPremFilters: []deploy.TagFilter{{Key: "green", Type: deploy.KeyOnly}}}
		if w.chance(0.6) {
			w.spec.AutoRollback = &deploy.AutoRollback{Enabled: true, Events: []string{deploy.RollbackOnFailure, deploy.RollbackOnRequest}}
		}
	}
	for i := range originals {
		name := fmt.Sprintf("blue-%d", i)
		w.addHost(name, "blue")
		if kind.Traffic() {
			w.router.members[name] = &member{in: true, healthyAt: w.now}
		}
	}
	for i := range replacements {
		w.addHost(fmt.Sprintf("green-%d", i), "green")
	}
	w.drawOperations()
}

func pick(w *world, a, b string) string {
	if w.chance(0.5) {
		return a
	}
	return b
}

func (w *world) addHost(name, tag string) {
	h := &host{w: w, name: name, tag: tag, nextPoll: w.now}
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
