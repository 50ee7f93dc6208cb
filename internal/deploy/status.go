package deploy

// Status is a deployment's status as the API shows it.
type Status string

// The statuses of a deployment. Baking is legal in the API and never produced here.
const (
	StatusCreated    Status = "Created"
	StatusQueued     Status = "Queued"
	StatusInProgress Status = "InProgress"
	StatusBaking     Status = "Baking"
	StatusReady      Status = "Ready"
	StatusSucceeded  Status = "Succeeded"
	StatusFailed     Status = "Failed"
	StatusStopped    Status = "Stopped"
)

// Statuses lists every status in the order of a deployment's life.
func Statuses() []Status {
	return []Status{StatusCreated, StatusQueued, StatusInProgress, StatusBaking, StatusReady, StatusSucceeded, StatusFailed, StatusStopped}
}

// Terminal reports whether the status can never change again.
func (s Status) Terminal() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusStopped
}

// statusMoves is the table of allowed moves of a deployment's status (API status machine). A move that is not in it is a defect of this
// package and panics.
var statusMoves = map[Status][]Status{
	StatusCreated:    {StatusInProgress, StatusFailed, StatusStopped, StatusQueued},
	StatusQueued:     {StatusInProgress, StatusFailed, StatusStopped},
	StatusInProgress: {StatusReady, StatusSucceeded, StatusFailed, StatusStopped},
	StatusBaking:     {},
	StatusReady:      {StatusInProgress, StatusFailed, StatusStopped},
	StatusSucceeded:  {},
	StatusFailed:     {},
	StatusStopped:    {},
}

// TargetStatus is the status of one target of a deployment.
type TargetStatus string

// The statuses of a target. Unknown has no counter in the overview.
const (
	TargetPending    TargetStatus = "Pending"
	TargetInProgress TargetStatus = "InProgress"
	TargetReady      TargetStatus = "Ready"
	TargetSucceeded  TargetStatus = "Succeeded"
	TargetFailed     TargetStatus = "Failed"
	TargetSkipped    TargetStatus = "Skipped"
	TargetUnknown    TargetStatus = "Unknown"
)

// TargetStatuses lists every status of a target.
func TargetStatuses() []TargetStatus {
	return []TargetStatus{TargetPending, TargetInProgress, TargetReady, TargetSucceeded, TargetFailed, TargetSkipped, TargetUnknown}
}

// Over reports whether the target takes no further part in its deployment. A target that is Succeeded is over too: a replacement target
// becomes Succeeded only after its last event.
func (s TargetStatus) Over() bool {
	return s == TargetSucceeded || s == TargetFailed || s == TargetSkipped
}

// targetMoves is the table of allowed moves of a target's status.
var targetMoves = map[TargetStatus][]TargetStatus{
	TargetPending:    {TargetInProgress, TargetSkipped},
	TargetInProgress: {TargetReady, TargetSucceeded, TargetFailed, TargetSkipped},
	TargetReady:      {TargetInProgress, TargetSkipped},
	TargetSucceeded:  {},
	TargetFailed:     {},
	TargetSkipped:    {},
	TargetUnknown:    {},
}

// EventStatus is the status of one lifecycle event of one target.
type EventStatus string

// The statuses of a lifecycle event.
const (
	EventPending    EventStatus = "Pending"
	EventInProgress EventStatus = "InProgress"
	EventSucceeded  EventStatus = "Succeeded"
	EventFailed     EventStatus = "Failed"
	EventSkipped    EventStatus = "Skipped"
	EventUnknown    EventStatus = "Unknown"
)

// Counts tallies the targets of a deployment by status (deploymentOverview). Blue and green are counted together.
type Counts struct {
	Pending    int `json:"pending,omitempty"`
	InProgress int `json:"inProgress,omitempty"`
	Succeeded  int `json:"succeeded,omitempty"`
	Failed     int `json:"failed,omitempty"`
	Skipped    int `json:"skipped,omitempty"`
	Ready      int `json:"ready,omitempty"`
}

// Total is the number of targets counted.
func (c Counts) Total() int {
	return c.Pending + c.InProgress + c.Succeeded + c.Failed + c.Skipped + c.Ready
}

func (c *Counts) add(s TargetStatus, n int) {
	switch s {
	case TargetPending:
		c.Pending += n
	case TargetInProgress:
		c.InProgress += n
	case TargetSucceeded:
		c.Succeeded += n
	case TargetFailed:
		c.Failed += n
	case TargetSkipped:
		c.Skipped += n
	case TargetReady:
		c.Ready += n
	case TargetUnknown:
	}
}
