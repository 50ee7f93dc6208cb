package fleet_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
)

// some is a fleet in memory: its groups, and the groups that it remembers. Hooks are noted in calls.
type some struct {
	name   string
	groups map[string][]string
	gone   []string
	calls  []string
	fails  error
}

func (s *some) Groups(_ context.Context, _ string, names []string) (out []fleet.Group, err error) {
	for _, n := range names {
		if members, ok := s.groups[n]; ok {
			g := fleet.Group{Name: n}
			for _, m := range members {
				g.Members = append(g.Members, fleet.Member{Instance: fleet.Instance{Name: m, ARN: s.name}, State: fleet.MemberInService})
			}
			out = append(out, g)
		}
	}
	return out, s.fails
}

func (s *some) Find(ctx context.Context, account string, sel deploy.Selection) (out []fleet.Instance, err error) {
	names := sel.AutoScalingGroups
	for _, f := range sel.OnPremFilters { // here the tags of instances are the groups' names
		names = append(names, f.Key)
	}
	found, err := s.Groups(ctx, account, names)
	for _, g := range found {
		for _, m := range g.Members {
			out = append(out, m.Instance)
		}
	}
	return out, err
}

func (s *some) Lookup(_ context.Context, _ string, names []string) (out []fleet.Instance, err error) {
	for _, n := range names {
		for _, members := range s.groups {
			if slices.Contains(members, n) {
				out = append(out, fleet.Instance{Name: n, ARN: s.name})
			}
		}
	}
	return out, s.fails
}

func (s *some) Address(_ context.Context, _, name string) (string, error) {
	return s.name + " " + name, nil
}

func (s *some) note(call ...string) error {
	s.calls = append(s.calls, strings.Join(call, " "))
	return nil
}

func (s *some) Terminate(_ context.Context, _ string, names []string) ([]string, error) {
	return []string{s.name + " ends " + strings.Join(names, " ")}, s.fails
}

func (s *some) unknown(group string) error {
	if _, there := s.groups[group]; there || s.fails != nil {
		return s.fails
	}
	return fleet.ErrUnknownGroup
}

func (s *some) Copy(_ context.Context, _, source, name string, _ int) error {
	if err := s.unknown(source); err != nil {
		return err
	}
	return s.note("copy", source, name)
}

func (s *some) Delete(_ context.Context, _, name string) (bool, error) {
	if _, there := s.groups[name]; there {
		delete(s.groups, name)
		s.gone = append(s.gone, name)
	}
	return true, errors.Join(s.fails, s.note("delete", name))
}

func (s *some) Remembers(_ context.Context, _, name string) (bool, error) {
	return slices.Contains(s.gone, name), nil
}

func (s *some) SetHook(_ context.Context, _, group string, h fleet.Hook) error {
	if err := s.unknown(group); err != nil {
		return err
	}
	return s.note("hook", group, h.Name)
}

func (s *some) RemoveHook(_ context.Context, _, group, hook string) error {
	if s.fails != nil {
		return s.fails
	}
	return s.note("unhook", group, hook)
}

func (s *some) Waiting(_ context.Context, _ string, groups []string) (out []fleet.Waiting, err error) {
	for _, g := range groups {
		for _, m := range s.groups[g] {
			out = append(out, fleet.Waiting{Group: g, Instance: fleet.Instance{Name: m}})
		}
	}
	return out, nil
}

func (s *some) Heartbeat(_ context.Context, _ string, w fleet.Waiting) error {
	return s.note("heartbeat", w.Group)
}

func (s *some) Complete(_ context.Context, _ string, w fleet.Waiting, _ bool) error {
	return s.note("complete", w.Group)
}

func (s *some) Changes() <-chan struct{} { return make(chan struct{}) }

func joined() (own, cloud, rest *some, j fleet.Joined) {
	own = &some{name: "own", groups: map[string][]string{"web": {"w2", "w1"}, "both": {"b"}}}
	cloud = &some{name: "cloud", groups: map[string][]string{"api": {"i-1"}, "both": {"i-2"}}}
	rest = &some{name: "rest", groups: map[string][]string{"web": {"w1", "h1"}}} // w1's agent is registered too
	return own, cloud, rest, fleet.Joined{Drivers: []fleet.Driver{own, cloud}, Rest: rest}
}

func TestTheFirstFleetThatKnowsAnInstanceAnswersForIt(t *testing.T) {
	t.Parallel()
	_, _, _, j := joined()
	found, err := j.Find(t.Context(), "a", deploy.Selection{
		AutoScalingGroups: []string{"both", "api"}, OnPremFilters: []deploy.TagFilter{{Key: "web"}},
	})
	want := []fleet.Instance{{Name: "b", ARN: "own"}, {Name: "h1", ARN: "rest"}, {Name: "i-1", ARN: "cloud"}, {Name: "w1", ARN: "own"}, {Name: "w2", ARN: "own"}}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("found %+v, %v", found, err)
	}
	found, err = j.Lookup(t.Context(), "a", []string{"h1", "nope", "w1", "i-1"})
	want = []fleet.Instance{{Name: "h1", ARN: "rest"}, {Name: "w1", ARN: "own"}, {Name: "i-1", ARN: "cloud"}}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("looked up %+v, %v", found, err)
	}
	for name, want := range map[string]string{"w1": "own w1", "i-1": "cloud i-1", "h1": "rest h1", "nope": "rest nope"} {
		if a, err := j.Address(t.Context(), "a", name); err != nil || a != want {
			t.Errorf("the address of %s is %q, %v", name, a, err)
		}
	}
	notes, err := j.Terminate(t.Context(), "a", []string{"h1", "w1", "i-1", "nope", "w2"})
	if err != nil || !slices.Equal(notes, []string{"own ends w1 w2", "cloud ends i-1", "rest ends h1"}) {
		t.Errorf("terminated with %v, %v", notes, err)
	}
}

func TestAGroupIsOfTheFirstDriverThatHasIt(t *testing.T) {
	t.Parallel()
	own, cloud, _, j := joined()
	found, err := j.Groups(t.Context(), "a", []string{"both", "nope", "api", "web"})
	if err != nil || len(found) != 3 || found[0].Members[0].Name != "b" || found[1].Name != "api" || found[2].Name != "web" {
		t.Errorf("groups %+v, %v", found, err)
	}
	for _, g := range []string{"both", "api"} {
		w := fleet.Waiting{Group: g}
		for _, err := range []error{
			j.Copy(t.Context(), "a", g, "c", 1), j.SetHook(t.Context(), "a", g, fleet.Hook{Name: "h"}), j.RemoveHook(t.Context(), "a", g, "h"),
			j.Heartbeat(t.Context(), "a", w), j.Complete(t.Context(), "a", w, true),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	for s, g := range map[*some]string{own: "both", cloud: "api"} {
		if want := []string{"copy " + g + " c", "hook " + g + " h", "unhook " + g + " h", "heartbeat " + g, "complete " + g}; !slices.Equal(s.calls, want) {
			t.Errorf("%s is called %v", s.name, s.calls)
		}
	}
	waiting, err := j.Waiting(t.Context(), "a", []string{"web", "api", "both"})
	if err != nil || len(waiting) != 4 {
		t.Errorf("waiting %+v, %v", waiting, err)
	}
	nobody := fleet.Waiting{Group: "nope"}
	for _, err := range []error{j.Copy(t.Context(), "a", "nope", "c", 1), j.SetHook(t.Context(), "a", "nope", fleet.Hook{})} {
		if !errors.Is(err, fleet.ErrUnknownGroup) {
			t.Errorf("an unknown group: %v", err)
		}
	}
	for _, err := range []error{j.RemoveHook(t.Context(), "a", "nope", "h"), j.Heartbeat(t.Context(), "a", nobody), j.Complete(t.Context(), "a", nobody, true)} {
		if err != nil {
			t.Errorf("an unknown group: %v", err)
		}
	}
}

// TestADeletedGroupIsNotDeletedAgainElsewhere asks again for the deletion of a group that another driver has one of the same name of.
func TestADeletedGroupIsNotDeletedAgainElsewhere(t *testing.T) {
	t.Parallel()
	own, cloud, _, j := joined()
	for range 3 {
		if gone, err := j.Delete(t.Context(), "a", "both"); err != nil || !gone {
			t.Errorf("gone %v, %v", gone, err)
		}
	}
	if len(own.calls) != 3 || len(cloud.calls) != 0 {
		t.Errorf("calls %v and %v", own.calls, cloud.calls)
	}
	if found, err := j.Groups(t.Context(), "a", []string{"both"}); err != nil || len(found) != 0 {
		t.Errorf("the other one is taken for it: %+v, %v", found, err)
	}
	if gone, err := j.Delete(t.Context(), "a", "nope"); err != nil || !gone {
		t.Errorf("no group is gone: %v, %v", gone, err)
	}
}

func TestADriverThatFailsIsNotTakenForOneThatKnowsNothing(t *testing.T) {
	t.Parallel()
	_, cloud, _, j := joined()
	cloud.fails = errors.New("throttled")
	_, find := j.Find(t.Context(), "a", deploy.Selection{AutoScalingGroups: []string{"web"}})
	_, lookup := j.Lookup(t.Context(), "a", []string{"h1"})
	_, groups := j.Groups(t.Context(), "a", []string{"web", "nope"})
	_, deletion := j.Delete(t.Context(), "a", "nope")
	_, termination := j.Terminate(t.Context(), "a", []string{"h1"})
	for i, err := range []error{find, lookup, groups, deletion, termination, j.Copy(t.Context(), "a", "nope", "c", 1), j.RemoveHook(t.Context(), "a", "nope", "h")} {
		if !errors.Is(err, cloud.fails) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if j.Changes() != nil {
		t.Error("two drivers must be polled")
	}
	j.Drivers = j.Drivers[:1]
	if j.Changes() == nil {
		t.Error("a single driver wakes")
	}
}
