package deploy

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Zone is an availability zone of a zonal deployment.
type Zone struct {
	Name string `json:"name"` // empty: of the instances without a zone, which come last
	// Failed are the instances of every zone whose last deployment failed. They come before all zones: they do not serve, so deploying to
	// them takes nothing from anybody, while a healthy instance that is taken before them could be the one too many.
	Failed  bool `json:"failed,omitempty"`
	Targets int  `json:"targets"`
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
// those of the present zone.
func divide(found []Selected) (zones []Zone, ranked []Selected) {
	count := map[Zone]int{}
	for _, s := range found {
		count[zoneOf(s)]++
	}
	for z, n := range count {
		zones = append(zones, Zone{z.Name, z.Failed, n})
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

// minimumOf is the number of the zone's targets that must stay healthy.
func (z *Zonal) minimumOf(zone Zone) int {
	if z == nil || z.MinimumHealthyPerZone == nil || zone.Failed {
		return 0
	}
	return z.MinimumHealthyPerZone.Minimum(zone.Targets)
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

// enterZone begins with the zone of the index.
func (m *machine) enterZone(i int) {
	st := &m.d.State
	z := st.Zones[i]
	st.Zone = i
	st.ZoneTally = tally{Total: z.Targets, Minimum: m.d.Spec.Zonal.minimumOf(z)}
	m.note("", fmt.Sprintf("%s: %d instances, %d of them must stay healthy", z, z.Targets, st.ZoneTally.Minimum))
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
	m.enterZone(st.Zone + 1)
	return true
}

// endMonitor goes on after the time to watch a zone.
func (m *machine) endMonitor() {
	st := &m.d.State
	st.WaitUntil = time.Time{}
	m.enterZone(st.Zone + 1)
	m.proceed()
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
