package local

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// life is a group with what the driver remembers, moved by chance.
type life struct {
	group    *group
	attempts map[string]attempt
	now      time.Time
	names    int
	started  map[string]bool // a start command succeeded
	stopped  map[string]bool // a stop command succeeded
}

func newLife(size int, t Template) *life {
	return &life{
		group: &group{Account: "a", Name: "web", Origin: "web", Template: t, Desired: size}, attempts: map[string]attempt{},
		now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), started: map[string]bool{}, stopped: map[string]bool{},
	}
}

func (l *life) advance() time.Time {
	return l.group.advance(l.now, func() string { l.names++; return fmt.Sprintf("web-%04d", l.names) })
}

// act carries out whatever is due for a member, with an outcome.
func (l *life) act(m *member, ok bool) (did bool) {
	what, at := l.group.due(m, l.attempts[m.Name], l.now)
	if what == "" || at.After(l.now) {
		return false
	}
	o := outcome{ok: ok}
	if !ok {
		o.problem = "broken"
	}
	switch {
	case what == actStart && ok:
		l.started[m.Name] = true
	case what == actStop && ok:
		l.stopped[m.Name] = true
	}
	l.attempts[m.Name] = l.group.settle(m.Name, what, o, l.attempts[m.Name], l.now)
	l.advance()
	return true
}

// quiet lets everything succeed until nothing is due, and time pass until it will be.
func (l *life) quiet(t *rapid.T) {
	for range 10_000 {
		l.advance()
		did := false
		for _, m := range append([]*member(nil), l.group.members...) {
			if w := m.Waits; len(w) > 0 {
				m.Waits, did = nil, true
			}
			if m.State != inService {
				did = l.act(m, true) || did
			}
		}
		if !did && len(l.group.members) == l.want() && l.allServe() {
			return
		}
		l.now = l.now.Add(time.Second)
	}
	t.Fatalf("it never becomes quiet: %+v", l.group)
}

func (l *life) want() int {
	if l.group.Deleted {
		return 0
	}
	return l.group.Desired
}

func (l *life) allServe() bool {
	for _, m := range l.group.members {
		if m.State != inService {
			return false
		}
	}
	return true
}

// check holds what must hold after every step.
func (l *life) check(t *rapid.T) {
	live, known := 0, map[string]bool{}
	for _, m := range l.group.members {
		if known[m.Name] {
			t.Fatalf("%s is there twice", m.Name)
		}
		known[m.Name] = true
		if m.live() {
			live++
		}
		if (len(m.Waits) > 0) && m.State != waiting && m.State != endWaiting {
			t.Fatalf("%s is %s and waits", m.Name, m.State)
		}
		if m.State == inService && !l.started[m.Name] {
			t.Fatalf("%s serves and was not started", m.Name)
		}
	}
	if live > l.want() {
		t.Fatalf("%d live, and %d are wanted", live, l.want())
	}
	for name := range l.started {
		if !known[name] && !l.stopped[name] {
			t.Fatalf("%s was started, is no member, and was not stopped", name)
		}
	}
}

// TestAGroupComesToItsSizeWhateverHappens moves a group by chance: commands fail, hooks come and go, sizes change, time passes. No instance is lost,
// none is too many, and once nothing goes wrong any more the group is as it is to be.
func TestAGroupComesToItsSizeWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tpl := Template{Zones: []string{"a", "b"}}
		if rapid.Bool().Draw(t, "checked") {
			tpl.Check = []string{"check"}
		}
		l := newLife(rapid.IntRange(0, 4).Draw(t, "size"), tpl)
		l.advance()
		hooks := []fleet.Hook{{Name: "in"}, {Name: "in2"}, {Name: "out", Termination: true}}
		t.Repeat(map[string]func(*rapid.T){
			"act": func(t *rapid.T) {
				if len(l.group.members) > 0 {
					l.act(l.group.members[rapid.IntRange(0, len(l.group.members)-1).Draw(t, "member")], rapid.IntRange(0, 3).Draw(t, "ok") > 0)
				}
			},
			"time": func(t *rapid.T) {
				l.now = l.now.Add(time.Duration(rapid.SampledFrom([]int{1, 5, 60, 700}).Draw(t, "seconds")) * time.Second)
				l.advance()
			},
			"size":   func(t *rapid.T) { l.group.Desired = rapid.IntRange(0, 5).Draw(t, "size"); l.advance() },
			"delete": func(t *rapid.T) { l.group.Deleted = rapid.Bool().Draw(t, "deleted"); l.advance() },
			"hook": func(t *rapid.T) {
				l.group.Hooks = nil
				for _, h := range hooks {
					if rapid.Bool().Draw(t, h.Name) {
						l.group.Hooks = append(l.group.Hooks, h)
					}
				}
				l.advance()
			},
			"complete": func(t *rapid.T) {
				for _, m := range l.group.members {
					switch {
					case len(m.Waits) == 0:
					case rapid.Bool().Draw(t, "proceed"):
						m.Waits = m.Waits[1:]
					case m.State == waiting:
						l.group.fail(m, l.now)
					}
				}
				l.advance()
			},
			"restart": func(t *rapid.T) {
				var kept store.FleetGroup
				if err := l.group.encode(&kept); err != nil {
					t.Fatal(err)
				}
				kept.Account, kept.Name = l.group.Account, l.group.Name
				again, err := decodeGroup(kept)
				if err != nil || !reflect.DeepEqual(again, l.group) && len(again.members)+len(l.group.members) > 0 {
					t.Fatalf("kept %+v as %+v, %v", l.group, again, err)
				}
				again.resume(l.now)
				l.group, l.attempts = again, map[string]attempt{}
				l.advance()
			},
			"": l.check,
		})
		l.quiet(t)
		l.check(t)
	})
}

func TestEveryStateHasItsMovesAndIsSeen(t *testing.T) {
	t.Parallel()
	for s, to := range moves {
		if _, ok := seen[s]; !ok {
			t.Errorf("%s is not seen", s)
		}
		for _, next := range to {
			if _, ok := moves[next]; !ok {
				t.Errorf("%s moves to %s, which is no state", s, next)
			}
		}
	}
}

func TestAWaitAfterFailuresGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{-1: 0, 0: 0, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1 << 40: 5 * time.Minute} {
		if got := backoff(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}

func TestNamesOfInstancesAreNamesOfFiles(t *testing.T) {
	t.Parallel()
	d := &Driver{Options: Options{NewID: func() string { return "id" }}}
	for group, want := range map[string]string{
		"web": "web-id", "CodeDeploy_my group/../x_d-1": "CodeDeploy_my-group----x_d-1-id", "groß": "gro--id", strings.Repeat("a", 300): strings.Repeat("a", 80) + "-id",
	} {
		if got := d.nameFor(group)(); got != want {
			t.Errorf("%s gives %s, want %s", group, got, want)
		}
	}
}

// FuzzDecodeGroup holds that whatever the store has is a group that can be moved, or an error.
func FuzzDecodeGroup(f *testing.F) {
	f.Add(`{"origin":"web","desired":1}`, `{"state":"booting"}`)
	f.Add(`{"hooks":[{"Name":"a"}]}`, `{"state":"waiting","waits":[{"hook":"a","until":"2026-01-01T00:00:00Z"}]}`)
	f.Fuzz(func(t *testing.T, doc, member string) {
		g, err := decodeGroup(store.FleetGroup{Account: "a", Name: "web", Doc: []byte(doc), Instances: []store.FleetInstance{{Name: "m", Doc: []byte(member)}}})
		if err != nil || g == nil || g.Desired > 100 {
			return
		}
		g.advance(time.Unix(0, 0), func() string { return "n" })
		var kept store.FleetGroup
		if err := g.encode(&kept); err != nil {
			t.Error(err)
		}
	})
}
