package deploy

import "time"

// InstanceState is what a deployment group knows of one of its instances: which revision it has, and how the last deployment to it went (user
// guide, instance health). The zero value is an instance to which nothing was deployed yet, which counts as unhealthy.
type InstanceState struct {
	GroupID  string `json:"groupId"`
	Instance string `json:"instance"`
	// Revision is the key of the revision that was installed last with success; empty: not known.
	Revision string `json:"revision,omitempty"`
	// Attempted is the key of the revision that was deployed last, with success or without.
	Attempted    string    `json:"attempted,omitempty"`
	Healthy      bool      `json:"healthy"` // the last deployment to it succeeded
	DeploymentID string    `json:"deploymentId,omitempty"`
	At           time.Time `json:"at,omitzero"`
}

// The ranks of instances, in the order in which a deployment takes them (user guide, deployment order).
const (
	RankUnhealthy = iota
	RankUnknown
	RankOld
	RankCurrent

	ranks
)

// Rank is when a deployment takes the instance; current is the key of the group's target revision, empty when it has none.
func (s InstanceState) Rank(current string) int {
	switch {
	case !s.Healthy:
		return RankUnhealthy
	case s.Revision == "":
		return RankUnknown
	case s.Revision != current:
		return RankOld
	default:
		return RankCurrent
	}
}

// Current reports whether the instance has the group's target revision.
func (s InstanceState) Current(current string) bool { return current != "" && s.Revision == current }

// InstanceChange is what a deployment found out about an instance of its group. The store keeps it as an InstanceState: a success makes the
// instance healthy with the revision; a failure makes it unhealthy and leaves the revision that it had, unless that was the group's target
// revision, which is then no longer certain.
type InstanceChange struct {
	GroupID      string
	Instance     string
	DeploymentID string
	Revision     string // key of what was deployed
	Succeeded    bool
	At           time.Time
}

// After is the state of the instance after the change; current is the key of the group's target revision.
func (c InstanceChange) After(was InstanceState, current string) InstanceState {
	s := InstanceState{
		GroupID: c.GroupID, Instance: c.Instance, Revision: c.Revision, Attempted: c.Revision, Healthy: c.Succeeded, DeploymentID: c.DeploymentID, At: c.At,
	}
	if !c.Succeeded {
		s.Revision = was.Revision
		if was.Current(current) {
			s.Revision = ""
		}
	}
	return s
}

// learn records how the deployment to a target went, where it is one that installs.
func (m *machine) learn(t *Target, ok bool) {
	k := m.d.Spec.Kind
	if !k.installs() || t.Lane == LaneOriginal {
		return
	}
	m.t.instances = append(m.t.instances, InstanceChange{
		GroupID: m.d.Spec.GroupID, Instance: t.ID, DeploymentID: m.d.Spec.ID, Revision: m.d.Spec.Revision.Key(), Succeeded: ok, At: m.at,
	})
}
