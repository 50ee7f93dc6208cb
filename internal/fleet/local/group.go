package local

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// group is an Auto Scaling group as the store has it.
type group struct {
	Account string `json:"-"`
	Name    string `json:"-"`
	// Origin is the configured group that Template is from: the group itself, unless it is a copy.
	Origin   string   `json:"origin"`
	Template Template `json:"template"`
	Desired  int      `json:"desired"`
	// Configured is the size of the configuration that Desired was last set from.
	Configured int          `json:"configured"`
	Hooks      []fleet.Hook `json:"hooks,omitempty"`
	// Deleted groups start nothing and end what they have. Then a copy is forgotten; a configured one is remembered, because the configuration
	// would bring it back at the next start.
	Deleted bool `json:"deleted,omitempty"`
	// Failures counts launches in a row that came to nothing; the next waits until NotBefore.
	Failures  int       `json:"failures,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"`

	members []*member // by name
}

// member is an instance of a group.
type member struct {
	Name    string    `json:"-"`
	State   state     `json:"state"`
	Zone    string    `json:"zone,omitempty"`
	Since   time.Time `json:"since"`             // when it came into State
	Made    time.Time `json:"made"`              // when it was decided on
	Served  bool      `json:"served,omitempty"`  // it was in service
	Waits   []wait    `json:"waits,omitempty"`   // in waiting and endWaiting only
	Address string    `json:"address,omitempty"` // that the address command said
	Problem string    `json:"problem,omitempty"` // what hinders it
}

// wait is a hook that a member waits at.
type wait struct {
	Hook  string    `json:"hook"`
	Until time.Time `json:"until"` // when the wait ends by itself: a launch is then abandoned, an end goes on
}

// state is where a member is in its life.
type state string

const (
	starting   state = "starting"   // its start command is to succeed
	booting    state = "booting"    // started, not ready for deployments yet
	waiting    state = "waiting"    // ready, waits at launch hooks
	inService  state = "inService"  //
	endWaiting state = "endWaiting" // waits at termination hooks
	stopping   state = "stopping"   // its stop command is to succeed; then it is gone
)

// moves are the changes of state that there are. A stopped member is no member.
var moves = map[state][]state{
	starting:   {booting, stopping},
	booting:    {waiting, inService, stopping},
	waiting:    {inService, stopping},
	inService:  {endWaiting, stopping},
	endWaiting: {stopping},
	stopping:   {},
}

// seen is the state as deployments see it.
var seen = map[state]fleet.MemberState{
	starting: fleet.MemberPending, booting: fleet.MemberPending, waiting: fleet.MemberPendingWait, inService: fleet.MemberInService,
	endWaiting: fleet.MemberEndWait, stopping: fleet.MemberTerminating,
}

// live reports whether the member counts to the group's size.
func (m *member) live() bool { return m.State != endWaiting && m.State != stopping }

// enter moves the member into a state.
func (m *member) enter(s state, now time.Time) {
	if !slices.Contains(moves[m.State], s) {
		panic(fmt.Sprintf("local: instance %s moves from %s to %s", m.Name, m.State, s))
	}
	m.State, m.Since, m.Waits, m.Problem = s, now, nil, ""
}

// exists reports whether the group is there, not only remembered.
func (g *group) exists() bool { return g != nil && (!g.Deleted || len(g.members) > 0) }

func (g *group) member(name string) *member {
	for _, m := range g.members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// copied reports whether the group is a copy of another one.
func (g *group) copied() bool { return g.Origin != g.Name }

// decodeGroup reads what encode wrote; nil when there is no group.
func decodeGroup(kept store.FleetGroup) (*group, error) {
	if kept.Doc == nil {
		return nil, nil
	}
	g := &group{Account: kept.Account, Name: kept.Name}
	if err := json.Unmarshal(kept.Doc, g); err != nil {
		return nil, fmt.Errorf("decode the Auto Scaling group %s: %w", kept.Name, err)
	}
	for _, i := range kept.Instances {
		m := &member{Name: i.Name}
		if err := json.Unmarshal(i.Doc, m); err != nil {
			return nil, fmt.Errorf("decode instance %s: %w", i.Name, err)
		}
		if _, ok := moves[m.State]; !ok {
			return nil, fmt.Errorf("decode instance %s: unknown state %q", i.Name, m.State)
		}
		g.members = append(g.members, m)
	}
	return g, nil
}

// encode writes the group into what the store keeps; a nil group is none.
func (g *group) encode(into *store.FleetGroup) error {
	into.Doc, into.Instances = nil, nil
	if g == nil {
		return nil
	}
	var err error
	if into.Doc, err = json.Marshal(g); err != nil {
		return fmt.Errorf("encode the Auto Scaling group %s: %w", g.Name, err)
	}
	slices.SortFunc(g.members, func(a, b *member) int { return cmp.Compare(a.Name, b.Name) })
	for _, m := range g.members {
		doc, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encode instance %s: %w", m.Name, err)
		}
		into.Instances = append(into.Instances, store.FleetInstance{Name: m.Name, Doc: doc})
	}
	return nil
}
