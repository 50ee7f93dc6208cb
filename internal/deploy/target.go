package deploy

import "time"

// Target is one instance's part in a deployment.
type Target struct {
	DeploymentID string       `json:"deploymentId"`
	ID           string       `json:"id"` // the instance's name
	ARN          string       `json:"arn"`
	Host         string       `json:"host"` // the identity that the instance's agent signs with
	Account      string       `json:"account"`
	Zone         string       `json:"zone,omitempty"`
	Lane         Lane         `json:"lane"`
	Rank         int          `json:"rank"`   // targets of a lower rank start first
	Status       TargetStatus `json:"status"` // the store keeps it as a column; see Transition.SkipRest
	UpdatedAt    time.Time    `json:"updatedAt"`

	// Turn is the row of the plan that the target was last started for; 0: none yet.
	Turn int `json:"turn"`
	// Running says that the event at Cursor is under way.
	Running bool `json:"running,omitempty"`
	Cursor  int  `json:"cursor"` // index in Events of the event that runs or runs next
	// Attempt numbers the commands and traffic orders given to the target; an answer to another number is stale.
	Attempt      int  `json:"attempt"`
	Acknowledged bool `json:"acknowledged,omitempty"` // the agent has taken the running command
	// Delivery is the handing-out of the running command that the agent took; an answer from another one is a double.
	Delivery int64 `json:"delivery,omitempty"`
	// Order is the generation of the outstanding traffic order; 0: none.
	Order  int64            `json:"order,omitempty"`
	DueAt  time.Time        `json:"dueAt,omitzero"` // when the running event is given up; zero: nothing runs
	Events []LifecycleEvent `json:"events"`
}

// LifecycleEvent is the progress of one lifecycle event of a target.
type LifecycleEvent struct {
	Name        EventName    `json:"name"`
	Status      EventStatus  `json:"status"`
	StartedAt   time.Time    `json:"startedAt,omitzero"`
	EndedAt     time.Time    `json:"endedAt,omitzero"`
	Diagnostics *Diagnostics `json:"diagnostics,omitempty"`
}

// Diagnostics says how an event ended.
type Diagnostics struct {
	ErrorCode  string `json:"errorCode"` // Success, ScriptMissing, ScriptNotExecutable, ScriptTimedOut, ScriptFailed or UnknownError
	ScriptName string `json:"scriptName,omitempty"`
	Message    string `json:"message,omitempty"`
	LogTail    string `json:"logTail,omitempty"` // at most 4 KiB
}

// The error codes of Diagnostics.
const (
	DiagnosticsSuccess      = "Success"
	DiagnosticsUnknownError = "UnknownError"
)

// Current is the event at the cursor, or nil when the target is through.
func (t *Target) Current() *LifecycleEvent {
	if t.Cursor >= len(t.Events) {
		return nil
	}
	return &t.Events[t.Cursor]
}

// LifecycleEvents is the target's events as a reader sees them. A target that takes no further part skips what it has not begun; that is
// derived here, so that ending a deployment over ten thousand targets is one statement and not ten thousand documents.
func (t Target) LifecycleEvents() []LifecycleEvent {
	if t.Status != TargetSkipped && t.Status != TargetFailed {
		return t.Events
	}
	events := append([]LifecycleEvent(nil), t.Events...)
	for i := range events {
		if events[i].Status == EventPending {
			events[i].Status = EventSkipped
		}
	}
	return events
}

// Selected is an instance that the fleet found for a deployment.
type Selected struct {
	ID      string
	ARN     string
	Host    string
	Zone    string // empty: none
	Rank    int    // by InstanceState.Rank
	Current bool   // it has the revision that is deployed
	Failed  bool   // the last deployment of the group to it failed
}

func newTarget(d Deployment, lane Lane, s Selected, at time.Time) Target {
	names := eventsOf(d.Spec.Kind, lane)
	t := Target{
		DeploymentID: d.Spec.ID, ID: s.ID, ARN: s.ARN, Host: s.Host, Account: d.Spec.Account, Zone: s.Zone, Lane: lane, Rank: s.Rank,
		Status: TargetPending, UpdatedAt: at, Events: make([]LifecycleEvent, len(names)),
	}
	for i, n := range names {
		t.Events[i] = LifecycleEvent{Name: n, Status: EventPending}
	}
	return t
}
