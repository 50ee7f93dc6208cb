package deploy

import (
	"slices"
	"time"
)

// Moment is a change of a deployment or of one of its targets that others are told of: the group's triggers, and whoever follows the stream of
// state changes. Package notify says what each of them is called there.
type Moment string

// The moments.
const (
	MomentCreated   Moment = "Created"
	MomentQueued    Moment = "Queued"
	MomentStarted   Moment = "Started" // InProgress for the first time
	MomentReady     Moment = "Ready"
	MomentSucceeded Moment = "Succeeded"
	MomentFailed    Moment = "Failed"
	MomentStopped   Moment = "Stopped"
	// MomentRollback follows the end of the deployment whose end brings the rollback about.
	MomentRollback Moment = "Rollback"

	MomentInstanceStarted   Moment = "InstanceStarted"
	MomentInstanceReady     Moment = "InstanceReady"
	MomentInstanceSucceeded Moment = "InstanceSucceeded"
	MomentInstanceFailed    Moment = "InstanceFailed"
)

// triggerEvents is what a group's trigger calls a moment; a moment without an entry triggers nothing.
var triggerEvents = map[Moment]string{
	MomentCreated:           "DeploymentStart",
	MomentReady:             "DeploymentReady",
	MomentSucceeded:         "DeploymentSuccess",
	MomentFailed:            "DeploymentFailure",
	MomentStopped:           "DeploymentStop",
	MomentRollback:          "DeploymentRollback",
	MomentInstanceStarted:   "InstanceStart",
	MomentInstanceReady:     "InstanceReady",
	MomentInstanceSucceeded: "InstanceSuccess",
	MomentInstanceFailed:    "InstanceFailure",
}

// TriggerEvent is what a group's trigger calls the moment, or empty when no trigger can ask for it.
func (m Moment) TriggerEvent() string { return triggerEvents[m] }

// Notice is what others are told of one moment. It holds everything that is said, as it was then, so that telling it later, or twice, tells
// the same.
type Notice struct {
	Moment        Moment    `json:"moment"`
	At            time.Time `json:"at"`
	Account       string    `json:"account"`
	ApplicationID string    `json:"applicationId"`
	Application   string    `json:"application"`
	GroupID       string    `json:"groupId"`
	Group         string    `json:"group"`

	DeploymentID string        `json:"deploymentId"`
	CreatedAt    time.Time     `json:"createdAt"`
	CompletedAt  time.Time     `json:"completedAt,omitzero"`
	Status       Status        `json:"status"`
	BlueGreen    bool          `json:"blueGreen,omitempty"`
	Overview     Counts        `json:"overview,omitzero"`
	Error        *ErrorInfo    `json:"error,omitempty"`
	Rollback     *RollbackInfo `json:"rollback,omitempty"`

	Instance *NoticeInstance `json:"instance,omitempty"` // of an instance's moment
	// Triggers are those of the group's triggers that ask for the moment, as they were when the deployment was created.
	Triggers []Trigger `json:"triggers,omitempty"`
}

// NoticeInstance is an instance as a Notice shows it.
type NoticeInstance struct {
	ID        string       `json:"id"`
	ARN       string       `json:"arn"`
	Status    TargetStatus `json:"status"`
	UpdatedAt time.Time    `json:"updatedAt"`
	// Events are the lifecycle events, without diagnostics; left out when no trigger asks for the moment, since only triggers show them.
	Events []LifecycleEvent `json:"events,omitempty"`
}

// statusMoments and targetMoments are what is told when a deployment, or a target, comes into a status.
var (
	statusMoments = map[Status]Moment{
		StatusQueued: MomentQueued, StatusInProgress: MomentStarted, StatusReady: MomentReady,
		StatusSucceeded: MomentSucceeded, StatusFailed: MomentFailed, StatusStopped: MomentStopped,
	}
	targetMoments = map[TargetStatus]Moment{
		TargetInProgress: MomentInstanceStarted, TargetReady: MomentInstanceReady, TargetSucceeded: MomentInstanceSucceeded, TargetFailed: MomentInstanceFailed,
	}
)

// telling is a notice in the making: what it shows is what is so at the end of the step.
type telling struct {
	moment Moment
	target *Target
}

func (m *machine) tell(moment Moment, t *Target) { m.tellings = append(m.tellings, telling{moment, t}) }

// notices makes the notices of the step.
func (m *machine) notices() []Notice {
	spec, st := m.d.Spec, m.d.State
	var all []Notice
	for _, tell := range m.tellings {
		n := Notice{
			Moment: tell.moment, At: m.at, Account: spec.Account, ApplicationID: spec.ApplicationID, Application: spec.Application,
			GroupID: spec.GroupID, Group: spec.Group, DeploymentID: spec.ID, CreatedAt: spec.CreatedAt, CompletedAt: st.CompletedAt,
			Status: st.Status, BlueGreen: spec.Kind.BlueGreen(), Overview: st.Overview, Error: st.Error, Rollback: st.Rollback,
		}
		if event := tell.moment.TriggerEvent(); event != "" {
			for _, t := range spec.Triggers {
				if slices.Contains(t.Events, event) {
					n.Triggers = append(n.Triggers, t)
				}
			}
		}
		if t := tell.target; t != nil {
			n.Error, n.Rollback = nil, nil
			n.Instance = &NoticeInstance{ID: t.ID, ARN: t.ARN, Status: t.Status, UpdatedAt: t.UpdatedAt}
			if len(n.Triggers) > 0 {
				n.Instance.Events = t.progress()
			}
		}
		all = append(all, n)
	}
	return all
}

// progress is the target's lifecycle events without diagnostics.
func (t *Target) progress() []LifecycleEvent {
	events := slices.Clone(t.LifecycleEvents())
	for i := range events {
		events[i].Diagnostics = nil
	}
	return events
}
