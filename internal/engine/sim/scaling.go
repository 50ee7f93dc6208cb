package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crossfade/internal/alarm"
	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

// sourceGroup is the Auto Scaling group of the originals.
const sourceGroup = "asg"

// scaling is Auto Scaling groups. Like the real ones they survive a crash of the server.
type scaling struct {
	fleet.Scaling // what the engine does not use
	w             *world
	groups        map[string]*scalingGroup
}

type scalingGroup struct {
	desired int
	members map[string]time.Time // in service from then on
	order   []string
	gone    time.Time // zero: not being deleted
}

func (s *scaling) add(name string) *scalingGroup {
	g := &scalingGroup{members: map[string]time.Time{}}
	s.groups[name] = g
	return g
}

func (s *scaling) join(group, host string, at time.Time) {
	g := s.groups[group]
	g.members[host] = at
	g.order = append(g.order, host)
	g.desired++
}

// Groups implements fleet.Scaling.
func (s *scaling) Groups(_ context.Context, _ string, names []string) ([]fleet.Group, error) {
	var out []fleet.Group
	for _, name := range names {
		g, ok := s.groups[name]
		if !ok {
			continue
		}
		group := fleet.Group{Name: name, Desired: g.desired}
		for _, host := range g.order {
			m := fleet.Member{Instance: fleet.Instance{Name: host, ARN: host, Host: host}, State: fleet.MemberPending}
			if !g.members[host].After(s.w.now) {
				m.State = fleet.MemberInService
			}
			group.Members = append(group.Members, m)
		}
		out = append(out, group)
	}
	return out, nil
}

// Copy implements fleet.Scaling.
func (s *scaling) Copy(_ context.Context, _, source, name string, size int) error {
	if s.groups[source] == nil {
		return fleet.ErrUnknownGroup
	}
	if s.groups[name] != nil {
		return nil
	}
	if s.w.opt.Faults && s.w.chance(0.1) {
		return errors.New("the fleet is not to be reached")
	}
	s.add(name)
	for i := range size {
		host := fmt.Sprintf("green-%d", i)
		s.w.addHost(host, "green")
		s.join(name, host, s.w.now.Add(s.w.between(0, 5*time.Minute)))
	}
	return nil
}

// Delete implements fleet.Scaling.
func (s *scaling) Delete(_ context.Context, _, name string) (bool, error) {
	g := s.groups[name]
	if g == nil {
		return true, nil
	}
	if g.gone.IsZero() {
		s.w.onTerminate(g.order)
		g.gone = s.w.now.Add(s.w.between(0, time.Minute))
	}
	if g.gone.After(s.w.now) {
		return false, nil
	}
	delete(s.groups, name)
	return true, nil
}

// alarms are the same two for every deployment.
type alarms struct {
	w                      *world
	raisedAt, unreadableAt time.Time // zero: never
}

// States implements alarm.Source.
func (a *alarms) States(context.Context, []string) (map[string]alarm.State, error) {
	come := func(at time.Time) bool { return !at.IsZero() && !at.After(a.w.now) }
	if come(a.unreadableAt) {
		return nil, errors.New("the alarms are not to be reached")
	}
	states := map[string]alarm.State{"errors": alarm.StateOK, "latency": alarm.StateInsufficient}
	if come(a.raisedAt) {
		states["errors"] = alarm.StateAlarm
	}
	return states, nil
}

// inGroups finds the hosts of the Auto Scaling groups that a selection names.
func (s *scaling) inGroups(selection deploy.Selection) map[string]bool {
	in := map[string]bool{}
	for _, name := range selection.AutoScalingGroups {
		if g := s.groups[name]; g != nil {
			for host, at := range g.members {
				in[host] = !at.After(s.w.now)
			}
		}
	}
	return in
}
