package deploy

import "time"

// Event is something that happened, with the time at which it did. The engine stamps the time.
type Event struct {
	At   time.Time
	What What
}

// What is one of the kinds of events below.
type What interface{ what() }

// Wait names what ContinueDeployment ends.
type Wait string

// The waits of the API.
const (
	ReadyWait       Wait = "READY_WAIT"
	TerminationWait Wait = "TERMINATION_WAIT"
)

type (
	// Resolved answers the Resolve effect.
	Resolved struct {
		Originals    []Selected // or, in place, the targets
		Replacements []Selected
		Problem      *ErrorInfo // set: the deployment can't start
	}

	// Delayed says that the Resolve effect can't be carried out yet, and why; it is being tried again.
	Delayed struct{ Why string }

	// Wake says that the deployment's WakeAt has come. A Wake too early changes nothing.
	Wake struct{}

	// TargetDue says that a target's DueAt has come. One too early changes nothing. HeldBy is the deployment that has the target's host when
	// this one's command waits for it; empty: nothing keeps the command from its agent.
	TargetDue struct{ Target, HeldBy string }

	// Recall takes back a command that no agent has taken yet, because the deployment is ending.
	Recall struct{ Target string }

	// Acknowledged says that a host's agent takes a command. A command may have been handed out more than once; Delivery says which
	// handing-out this is, and only the first one acknowledged may run.
	Acknowledged struct {
		Target   string
		Attempt  int
		Delivery int64
	}

	// Completed is an agent's report on a command. It may come without an acknowledgement before it.
	Completed struct {
		Target      string
		Attempt     int
		Delivery    int64
		Succeeded   bool
		Diagnostics Diagnostics
	}

	// TrafficSettled says that the load balancer was seen to be as ordered.
	TrafficSettled struct {
		Target     string
		Generation int64
	}

	// TrafficRefused says that a traffic order can't be carried out, and why.
	TrafficRefused struct {
		Target     string
		Generation int64
		Reason     string
	}

	// TrafficDelayed says what keeps a traffic order from being fulfilled for longer than usual. It is still being waited for.
	TrafficDelayed struct {
		Target     string
		Generation int64
		Why        string // one sentence, without a full stop
	}

	// SplitSettled says that the load balancer shares the requests out as ordered.
	SplitSettled struct{ Generation int64 }

	// SplitRefused says that it can't, and why.
	SplitRefused struct {
		Generation int64
		Reason     string
	}

	// AlarmRaised says that alarms are active.
	AlarmRaised struct{ Names []string }

	// AlarmUnreadable says that the state of the alarms can't be found out.
	AlarmUnreadable struct{ Error ErrorInfo }

	// Admit says that the turn of a deployment has come that waited for it, and what its group has become meanwhile.
	Admit struct {
		Environment       string
		AutoScalingGroups []string // of the group's settings, where it has any
		Previous          *Previous
	}

	// Terminated answers the Terminate effect; notes say which originals could not be terminated and why.
	Terminated struct{ Notes []string }

	// Continue is ContinueDeployment.
	Continue struct {
		Wait Wait
		By   string // the caller's ARN
	}

	// Stop is StopDeployment. A nil Rollback leaves it to the deployment's autoRollbackConfiguration.
	Stop struct {
		Rollback *bool
		By       string
	}

	// Abandon ends a deployment whose application or group was deleted: Failed with the error when it has not started, else stopped.
	Abandon struct{ Error ErrorInfo }
)

func (Resolved) what()        {}
func (Delayed) what()         {}
func (Wake) what()            {}
func (TargetDue) what()       {}
func (Recall) what()          {}
func (Acknowledged) what()    {}
func (Completed) what()       {}
func (TrafficSettled) what()  {}
func (TrafficRefused) what()  {}
func (TrafficDelayed) what()  {}
func (SplitSettled) what()    {}
func (SplitRefused) what()    {}
func (AlarmRaised) what()     {}
func (AlarmUnreadable) what() {}
func (Admit) what()           {}
func (Terminated) what()      {}
func (Continue) what()        {}
func (Stop) what()            {}
func (Abandon) what()         {}

// TargetOf is the target that an event concerns, or empty.
func TargetOf(w What) string {
	switch e := w.(type) {
	case TargetDue:
		return e.Target
	case Recall:
		return e.Target
	case Acknowledged:
		return e.Target
	case Completed:
		return e.Target
	case TrafficSettled:
		return e.Target
	case TrafficRefused:
		return e.Target
	case TrafficDelayed:
		return e.Target
	default:
		return ""
	}
}
