package deploy

import "time"

// Deployment is a deployment's fixed part and its progress. It does not hold the targets: they are rows of their own, so that an event's
// cost does not grow with the fleet.
type Deployment struct {
	Spec  Spec
	State State
}

// Spec is what a deployment was created with. It never changes, so a deployment keeps the group's settings as they were.
type Spec struct {
	ID            string    `json:"id"`
	Account       string    `json:"account"`
	ApplicationID string    `json:"applicationId"`
	Application   string    `json:"application"`
	GroupID       string    `json:"groupId"`
	Group         string    `json:"group"`
	Kind          Kind      `json:"kind"`
	Creator       string    `json:"creator"`
	CreatedAt     time.Time `json:"createdAt"`
	Description   string    `json:"description,omitempty"`
	ExternalID    string    `json:"externalId,omitempty"`

	Revision Revision  `json:"revision"`
	Previous *Previous `json:"previous,omitempty"` // nil: the group had no successful deployment

	Config         string       `json:"config"`
	MinimumHealthy HealthyHosts `json:"minimumHealthy"`

	Style        Style              `json:"style"`
	BlueGreen    *BlueGreenSettings `json:"blueGreen,omitempty"`
	LoadBalancer *LoadBalancer      `json:"loadBalancer,omitempty"`
	AutoRollback *AutoRollback      `json:"autoRollback,omitempty"` // in force: the deployment's own, else the group's
	Alarms       *AlarmSettings     `json:"alarms,omitempty"`       // the deployment's own override

	// GroupSelection selects the originals (or, in place, the targets) unless Environment names the deployment whose replacements they are now.
	GroupSelection  Selection  `json:"groupSelection"`
	Environment     string     `json:"environment,omitempty"`
	TargetInstances *Selection `json:"targetInstances,omitempty"` // the replacement environment

	IgnoreApplicationStopFailures bool   `json:"ignoreApplicationStopFailures,omitempty"`
	UpdateOutdatedOnly            bool   `json:"updateOutdatedOnly,omitempty"`
	FileExists                    string `json:"fileExists,omitempty"` // DISALLOW, OVERWRITE or RETAIN; empty: DISALLOW

	// RollbackID is the id that the deployment's rollback will have, should there be one. It is drawn when the deployment is created
	// because the state machine draws no random number, and so that carrying a rollback out twice makes one.
	RollbackID string `json:"rollbackId,omitempty"`
	RollbackOf string `json:"rollbackOf,omitempty"` // the deployment that this one rolls back
}

// Previous is the group's last successful deployment before this one.
type Previous struct {
	DeploymentID string   `json:"deploymentId"`
	Revision     Revision `json:"revision"`
	FileExists   string   `json:"fileExists,omitempty"`
}

// The creators of a deployment.
const (
	CreatorUser     = "user"
	CreatorRollback = "codeDeployRollback"
)

// State is a deployment's progress: one small row, whatever the fleet's size.
type State struct {
	Version     int64     `json:"-"` // the store's: counts the transitions applied; a transition applies only to the version it came from
	Status      Status    `json:"status"`
	Turn        int       `json:"turn"` // the row of the kind's plan
	Phase       Phase     `json:"phase"`
	StartedAt   time.Time `json:"startedAt,omitzero"`
	CompletedAt time.Time `json:"completedAt,omitzero"`

	Originals    int    `json:"originals,omitempty"` // targets of LaneOriginal
	Replacements int    `json:"replacements,omitempty"`
	Tally        tally  `json:"tally,omitzero"` // of the present stage
	Overview     Counts `json:"overview,omitzero"`

	// WaitUntil ends the present wait; zero in other phases.
	WaitUntil time.Time `json:"waitUntil,omitzero"`
	// Pump asks for a Wake at once, to start targets or to go on with the plan.
	Pump bool `json:"pump,omitempty"`
	// WakeAt is when the deployment wants a Wake event; zero: never.
	WakeAt time.Time `json:"wakeAt,omitzero"`

	TerminationWaitStarted bool `json:"terminationWaitStarted,omitempty"`
	// Rerouted is set once the replacement environment is in traffic.
	Rerouted bool `json:"rerouted,omitempty"`
	// Touched is set once a target was started: before that there is nothing to roll back.
	Touched bool `json:"touched,omitempty"`

	Ending   *Ending       `json:"ending,omitempty"` // set when the deployment is to end as soon as nothing is in flight
	Failures []Failure     `json:"failures,omitempty"`
	Error    *ErrorInfo    `json:"error,omitempty"`
	Rollback *RollbackInfo `json:"rollback,omitempty"`
	Messages []string      `json:"messages,omitempty"` // deploymentStatusMessages

	Journal int64 `json:"journal"` // number of the last journal line
	Orders  int64 `json:"orders"`  // counts traffic orders
}

// Ending is why and how a deployment ends once nothing is in flight.
type Ending struct {
	Status   Status    `json:"status"` // Failed or Stopped
	Error    ErrorInfo `json:"error"`
	Rollback bool      `json:"rollback,omitempty"`
}

// Failure is one failed lifecycle event, kept in the deployment's own row (at most maxFailures of them) so that it can say why it failed
// without reading its targets.
type Failure struct {
	Target  string    `json:"target"`
	Event   EventName `json:"event"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
}

const maxFailures = 5

// ErrorInfo is errorInformation.
type ErrorInfo struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The error codes that this package raises.
const (
	CodeHealthConstraints        = "HEALTH_CONSTRAINTS"
	CodeHealthConstraintsInvalid = "HEALTH_CONSTRAINTS_INVALID"
	CodeManualStop               = "MANUAL_STOP"
	CodeNoInstances              = "NO_INSTANCES"
	CodeOverMaxInstances         = "OVER_MAX_INSTANCES"
	CodeTimeout                  = "TIMEOUT"
	CodeInternal                 = "INTERNAL_ERROR"
	CodeNoBalancer               = "MISSING_ELB_INFORMATION"
	CodeBalancerInvalid          = "ELASTIC_LOAD_BALANCING_INVALID"
	CodeNoBlueGreen              = "MISSING_BLUE_GREEN_DEPLOYMENT_CONFIGURATION"
	CodeApplicationMissing       = "APPLICATION_MISSING"
	CodeGroupMissing             = "DEPLOYMENT_GROUP_MISSING"
)

// RollbackInfo is rollbackInfo.
type RollbackInfo struct {
	DeploymentID string `json:"deploymentId,omitempty"` // the rollback, on the deployment that ended
	TriggeredBy  string `json:"triggeredBy,omitempty"`  // the deployment that ended, on the rollback
	Message      string `json:"message"`
}

// stageRow is the present row of the plan.
func (d Deployment) stageRow() stage { return plans[d.Spec.Kind][d.State.Turn] }

// Generation numbers a traffic order so that a later one, also of a later deployment, always has the higher number: the milliseconds of
// the deployment's creation above a counter. Deployments of a group never overlap, and a group's next one is created later.
func (d Deployment) generation() int64 {
	return d.Spec.CreatedAt.UnixMilli()<<20 | d.State.Orders&(1<<20-1)
}

// Ready reports whether ContinueDeployment READY_WAIT would be accepted.
func (d Deployment) Ready() bool {
	return d.State.Phase == PhaseReadyWait && d.State.Ending == nil && !d.State.Status.Terminal()
}
