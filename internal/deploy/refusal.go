package deploy

// Reason is why an event was refused. Each door turns it into its own answer: the API into an exception, the agent protocol into a status.
type Reason string

// The reasons of a refusal.
const (
	ReasonCompleted     Reason = "completed"      // the deployment is Succeeded, Failed or Stopped, or past the point where it can stop
	ReasonStopped       Reason = "stopped"        // StopDeployment of a deployment that is Stopped already
	ReasonNotReady      Reason = "not ready"      // ContinueDeployment in a state that has no such wait
	ReasonInvalidStatus Reason = "invalid status" // ContinueDeployment of the other wait, or of a deployment whose state can't be read
	ReasonUnsupported   Reason = "unsupported"    // ContinueDeployment of a deployment that never waits
	ReasonStale         Reason = "stale"          // an answer to something that is over; nothing to do
)

// Refusal is the error with which Step refuses an event. Nothing has changed.
type Refusal struct {
	Reason Reason
	Text   string // one sentence for the caller
}

func (r *Refusal) Error() string { return r.Text }

func refuse(reason Reason, text string) (Transition, error) {
	return Transition{}, &Refusal{Reason: reason, Text: text}
}
