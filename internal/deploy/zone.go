package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// maxZones bounds the zones of a deployment: they are in its state, which is written at every event.
const maxZones = 100

// Zone is an availability zone of a zonal deployment.
type Zone struct {
	Name string `json:"name"` // empty: of the instances without a zone, which come last
	// Failed are the instances of every zone whose last deployment failed. They come before all zones: they do not serve, so deploying to
	// them takes nothing from anybody, while a healthy instance that is taken before them could be the one too many.
	Failed  bool `json:"failed,omitempty"`
	Targets int  `json:"targets"`
	// Others are the zone's instances that are not among its targets, because they come first as failed or are left alone, and Healthy those of
	// them that are known to serve: the zone's minimum is one of all its instances.
	Others  int `json:"others,omitempty"`
	Healthy int `json:"healthy,omitempty"`
}

// zoned reports whether the deployment goes from zone to zone.
func (d Deployment) zoned() bool { return len(d.State.Zones) > 0 }

func zoneOf(s Selected) Zone {
	if s.Failed {
		return Zone{Failed: true}
	}
	return Zone{Name: s.Zone}
}

// divide sorts the instances into zones and gives each a rank by its zone's place and then its own, so that the next targets to start are
// those of the present zone. spared are the instances that the deployment leaves alone.
func divide(found, spared []Selected) (zones []Zone, ranked []Selected) {
	count := map[Zone]*Zone{}
	for _, s := range found {
		z := count[zoneOf(s)]
		if z == nil {
			z = new(zoneOf(s))
			count[zoneOf(s)] = z
		}
		z.Targets++
	}
	for _, s := range found {
		if z := count[Zone{Name: s.Zone}]; z != nil && s.Failed {
			z.Others++
		}
	}
	for _, s := range spared {
		if z := count[Zone{Name: s.Zone}]; z != nil {
			z.Others++
			z.Healthy++
		}
	}
	for _, z := range count {
		zones = append(zones, *z)
	}
	slices.SortFunc(zones, func(a, b Zone) int {
		switch {
		case a.Failed != b.Failed:
			return before(a.Failed)
		case (a.Name == "") != (b.Name == ""):
			return before(b.Name == "")
		}
		return cmp.Compare(a.Name, b.Name)
	})
	ranked = slices.Clone(found)
	for i, s := range ranked {
		place := slices.IndexFunc(zones, func(z Zone) bool { return z.Name == zoneOf(s).Name && z.Failed == s.Failed })
		ranked[i].Rank += place * ranks
	}
	return zones, ranked
}

// before is the answer of a comparison whose first operand goes first, or else last.
func before(first bool) int {
	if first {
		return -1
	}
	return 1
}

// minimumOf is the number of all the zone's instances that must stay healthy.
func (z *Zonal) minimumOf(zone Zone) int {
	if z == nil || z.MinimumHealthyPerZone == nil || zone.Failed {
		return 0
	}
	return z.MinimumHealthyPerZone.Minimum(zone.Targets + zone.Others)
}

// monitor is how long the deployment watches after the zone with the index.
func (z *Zonal) monitor(zones []Zone, i int) time.Duration {
	seconds := z.MonitorSeconds
	first := i == 0 || zones[i-1].Failed
	if first && z.FirstZoneMonitorSeconds != nil {
		seconds = z.FirstZoneMonitorSeconds
	}
	if seconds == nil || zones[i].Failed {
		return 0
	}
	return time.Duration(*seconds) * time.Second
}

// enterZone begins with the zone of the index. It reports whether targets may start: not when none of them could without the zone falling below
// its minimum, because others of its instances failed again.
func (m *machine) enterZone(i int) bool {
	st := &m.d.State
	z := st.Zones[i]
	st.Zone = i
	st.ZoneTally = tally{Total: z.Targets, Minimum: max(0, m.d.Spec.Zonal.minimumOf(z)-z.Healthy)}
	m.note("", fmt.Sprintf("%s: %d instances, %d of them must stay healthy", z, z.Targets, st.ZoneTally.Minimum))
	if st.ZoneTally.Minimum >= z.Targets {
		m.endUnhealthy()
		return false
	}
	return true
}

// healed takes note that an instance which had failed serves again.
func (m *machine) healed(t *Target) {
	st := &m.d.State
	if !m.d.zoned() || !st.Zones[st.Zone].Failed {
		return
	}
	if i := slices.IndexFunc(st.Zones, func(z Zone) bool { return !z.Failed && z.Name == t.Zone }); i >= 0 {
		st.Zones = slices.Clone(st.Zones)
		st.Zones[i].Healthy++
	}
}

func (z Zone) String() string {
	if z.Failed {
		return "the instances whose last deployment failed"
	}
	if z.Name == "" {
		return "the instances without a zone"
	}
	return "zone " + z.Name
}

// leaveZone goes on after a zone whose targets were all tried: to the next zone, at once or after the time to watch it. It reports whether
// targets may start now.
func (m *machine) leaveZone() bool {
	st := &m.d.State
	if st.ZoneTally.Done < st.ZoneTally.Minimum {
		m.endUnhealthy()
		return false
	}
	if wait := m.d.Spec.Zonal.monitor(st.Zones, st.Zone); wait > 0 {
		st.WaitUntil = m.at.Add(wait)
		m.note("", fmt.Sprintf("%s is done and is watched for %s before the next", st.Zones[st.Zone], wait))
		return false
	}
	return m.enterZone(st.Zone + 1)
}

// endMonitor goes on after the time to watch a zone.
func (m *machine) endMonitor() {
	st := &m.d.State
	st.WaitUntil = time.Time{}
	if m.enterZone(st.Zone + 1) {
		m.proceed()
	}
}

// slots is how many more targets may start now, by the rule for all targets and for those of the zone.
func (d Deployment) slots(r rule) int {
	n := d.State.Tally.slots(r)
	if d.zoned() {
		n = min(n, d.State.ZoneTally.slots(r))
	}
	return n
}

// broken reports whether, after a failure, the stage can't go on.
func (d Deployment) broken(r rule) bool {
	return d.State.Tally.broken(r) || d.zoned() && d.State.ZoneTally.broken(r)
}

// count changes the tallies of the stage and of the zone alike.
func (m *machine) count(change func(*tally)) {
	change(&m.d.State.Tally)
	if m.d.zoned() {
		change(&m.d.State.ZoneTally)
	}
}
