package deploy

import (
	"fmt"
	"slices"
	"time"
)

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

	Revision Revision `json:"revision"`
	// Follows says that the revision is the group's, whichever that is when the deployment's turn comes.
	Follows  bool      `json:"follows,omitempty"`
	Previous *Previous `json:"previous,omitempty"` // nil: the group had no successful deployment

	Config         string          `json:"config"`
	MinimumHealthy HealthyHosts    `json:"minimumHealthy"`
	Zonal          *Zonal          `json:"zonal,omitempty"`   // in place only: one zone at a time
	Routing        *TrafficRouting `json:"routing,omitempty"` // of a kind that shifts traffic in steps

	Style        Style              `json:"style"`
	BlueGreen    *BlueGreenSettings `json:"blueGreen,omitempty"`
	LoadBalancer *LoadBalancer      `json:"loadBalancer,omitempty"`
	AutoRollback *AutoRollback      `json:"autoRollback,omitempty"` // in force: the deployment's own, else the group's
	Alarms       *AlarmSettings     `json:"alarms,omitempty"`       // the deployment's own override
	Watch        *AlarmSettings     `json:"watch,omitempty"`        // in force: the deployment's own, else the group's
	Triggers     []Trigger          `json:"triggers,omitempty"`     // the group's

	// GroupSelection selects the originals (or, in place, the targets) unless Environment names the deployment whose replacements they are now.
	GroupSelection  Selection  `json:"groupSelection"`
	Environment     string     `json:"environment,omitempty"`
	TargetInstances *Selection `json:"targetInstances,omitempty"` // the replacement environment
	// Hooks are those of the Auto Scaling groups in GroupSelection.
	Hooks []ScalingHook `json:"hooks,omitempty"`
	// Only names the instances of the group that the deployment is for; empty: all of them. A deployment that brings single instances up to
	// date is made so.
	Only []string `json:"only,omitempty"`
	// Root is the deployment whose revision this one brings to instances that joined meanwhile (autoUpdateOutdatedInstancesRootDeploymentId).
	Root string `json:"root,omitempty"`
	// Queue lets the deployment wait its turn when the group has an unfinished one, instead of being refused.
	Queue bool `json:"queue,omitempty"`

	IgnoreApplicationStopFailures bool   `json:"ignoreApplicationStopFailures,omitempty"`
	UpdateOutdatedOnly            bool   `json:"updateOutdatedOnly,omitempty"`
	FileExists                    string `json:"fileExists,omitempty"` // DISALLOW, OVERWRITE or RETAIN; empty: DISALLOW

	// RollbackID is the id that the deployment's rollback will have, should there be one. It is drawn when the deployment is created
	// because the state machine draws no random number, and so that carrying a rollback out twice makes one.
	RollbackID string `json:"rollbackId,omitempty"`
	RollbackOf string `json:"rollbackOf,omitempty"` // the deployment that this one rolls back
}

// Copies reports whether the replacement environment is a copy of the group's Auto Scaling group.
func (s Spec) Copies() bool {
	return s.Kind.Replaces() && s.BlueGreen != nil && s.BlueGreen.Provisioning == ProvisionCopyAutoScaler
}

// Keeps reports whether the original environment is left alive.
func (s Spec) Keeps() bool {
	return s.BlueGreen != nil && s.BlueGreen.TerminationAction != TerminationTerminate
}

// CopyName is the name of the Auto Scaling group that is made for the replacement environment, as CodeDeploy makes it.
func (s Spec) CopyName() string { return "CodeDeploy_" + s.Group + "_" + s.ID }

// Previous is the group's last successful deployment before this one.
type Previous struct {
	DeploymentID string   `json:"deploymentId"`
	Revision     Revision `json:"revision"`
	FileExists   string   `json:"fileExists,omitempty"`
}

// The creators of a deployment.
const (
	CreatorUser        = "user"
	CreatorRollback    = "codeDeployRollback"
	CreatorAutoUpdate  = "CodeDeployAutoUpdate"   // brings instances that joined meanwhile up to date
	CreatorAutoScaling = "autoscaling"            // for one instance that an Auto Scaling group launched
	CreatorAutoRetire  = "autoscalingTermination" // for one instance that an Auto Scaling group ends
)

// Beside reports whether the deployment runs beside the group's own: it is for one instance that came or goes by itself, takes no turn, and the
// group remembers nothing of it.
func (s Spec) Beside() bool { return s.Creator == CreatorAutoScaling || s.Creator == CreatorAutoRetire }

// State is a deployment's progress: one small row, whatever the fleet's size.
type State struct {
	Version     int64     `json:"-"` // the store's: counts the transitions applied; a transition applies only to the version it came from
	Status      Status    `json:"status"`
	Turn        int       `json:"turn"` // the row of the kind's plan
	Phase       Phase     `json:"phase"`
	StartedAt   time.Time `json:"startedAt,omitzero"`
	CompletedAt time.Time `json:"completedAt,omitzero"`

	// Waiting says that the deployment waits its turn in the group.
	Waiting bool `json:"waiting,omitempty"`
	// AdmittedAt is when its turn came; zero when it never waited.
	AdmittedAt time.Time `json:"admittedAt,omitzero"`

	Originals    int    `json:"originals,omitempty"` // targets of LaneOriginal
	Spared       int    `json:"spared,omitempty"`    // instances of the group that have the revision and are left alone
	Replacements int    `json:"replacements,omitempty"`
	Tally        tally  `json:"tally,omitzero"`     // of the present stage
	Zones        []Zone `json:"zones,omitempty"`    // of a zonal deployment, in their order
	Zone         int    `json:"zone,omitempty"`     // index in Zones of the one that is being deployed to
	ZoneTally    tally  `json:"zoneTally,omitzero"` // of that zone
	Overview     Counts `json:"overview,omitzero"`
	// Percent is the share of requests that the replacement environment has been given, of a deployment that shifts traffic in steps.
	Percent int `json:"percent,omitempty"`
	// SplitOrder is the generation of the outstanding order to share requests out, given at SplitAt; 0: none.
	SplitOrder int64     `json:"splitOrder,omitempty"`
	SplitAt    time.Time `json:"splitAt,omitzero"`

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
	Delay    string        `json:"delay,omitempty"`    // why its instances or its revision could not be found out yet

	// SlowTraffic is the traffic order that has been waited for longer than usual, the newest that was told of; nil: none is.
	SlowTraffic *SlowTraffic `json:"slowTraffic,omitempty"`

	Journal int64 `json:"journal"` // number of the last journal line
	Orders  int64 `json:"orders"`  // the generation of the last traffic order
}

// SlowTraffic is a lifecycle event of the load balancer that takes longer than usual, and why.
type SlowTraffic struct {
	Target string    `json:"target"`
	Event  EventName `json:"event"`
	Why    string    `json:"why"`
}

func (s *SlowTraffic) text() string { return fmt.Sprintf("%s waits: %s", s.Event, s.Why) }

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
	CodeAlarmActive              = "ALARM_ACTIVE"
	CodeAutoScaling              = "AUTO_SCALING_CONFIGURATION"
	CodeRolePermissions          = "IAM_ROLE_PERMISSIONS"
	CodeThrottled                = "THROTTLED"
	CodeApplicationMissing       = "APPLICATION_MISSING"
	CodeGroupMissing             = "DEPLOYMENT_GROUP_MISSING"
	CodeRevisionMissing          = "REVISION_MISSING"     // the bundle or commit is not there, or is another than the one registered
	CodeInvalidRevision          = "INVALID_REVISION"     // it is there and can't be deployed
	CodeNoGitHubToken            = "MISSING_GITHUB_TOKEN" // or it is refused
)

// RollbackInfo is rollbackInfo.
type RollbackInfo struct {
	DeploymentID string `json:"deploymentId,omitempty"` // the rollback, on the deployment that ended
	TriggeredBy  string `json:"triggeredBy,omitempty"`  // the deployment that ended, on the rollback
	Message      string `json:"message"`
}

// stageRow is the present row of the plan.
func (d Deployment) stageRow() stage { return plans[d.Spec.Kind][d.State.Turn] }

// FirstGeneration is below the generation of every traffic order of the deployment, and above those of the group's earlier ones: the
// milliseconds of its creation, or of its admission when it waited its turn, above room for a counter. Deployments of a group never overlap.
func (d Deployment) FirstGeneration() int64 { return GenerationAt(d.begun()) }

// GenerationAt is the least generation of a traffic order that is given at the time.
func GenerationAt(at time.Time) int64 { return at.UnixMilli() << 20 }

// generation numbers a traffic order so that a later one always has the higher number, also among those of other deployments to the same
// instances: of another group on the same hosts, or of one that runs beside.
func (m *machine) generation() int64 {
	st := &m.d.State
	st.Orders = max(st.Orders+1, m.d.FirstGeneration()+1, GenerationAt(m.at))
	return st.Orders
}

// begun is when the deployment's time began to run.
func (d Deployment) begun() time.Time {
	if !d.State.AdmittedAt.IsZero() {
		return d.State.AdmittedAt
	}
	return d.Spec.CreatedAt
}

// Messages says in sentences what a reader of the deployment's status should know beside it: what was said on the way, and what it does now
// where its status does not show that.
func (d Deployment) Messages() []string {
	st := d.State
	all := slices.Clone(st.Messages)
	if st.Status.Terminal() {
		return all
	}
	if st.Delay != "" {
		all = append(all, st.Delay)
	}
	if st.SlowTraffic != nil {
		all = append(all, st.SlowTraffic.text()+".")
	}
	switch {
	case st.Ending != nil:
		all = append(all, fmt.Sprintf("It is ending as %s once the lifecycle events under way are over: %s", st.Ending.Status, st.Ending.Error.Message))
	case st.Waiting:
		all = append(all, "It waits for its turn in the deployment group.")
	case st.Phase == PhaseShift:
		text := fmt.Sprintf("%d %% of the requests go to the replacement environment", st.Percent)
		if !st.WaitUntil.IsZero() {
			text += fmt.Sprintf(" until %s", st.WaitUntil.UTC().Format(time.RFC3339))
		}
		all = append(all, text+".")
	case d.zoned() && st.Phase == PhaseDeploy && !st.WaitUntil.IsZero():
		all = append(all, fmt.Sprintf("It is %s until %s.", d.where(), st.WaitUntil.UTC().Format(time.RFC3339)))
	case d.zoned() && st.Phase == PhaseDeploy:
		all = append(all, fmt.Sprintf("It is deploying to %s (%d of %d).", st.Zones[st.Zone], st.Zone+1, len(st.Zones)))
	}
	return all
}

// Ready reports whether ContinueDeployment READY_WAIT would be accepted.
func (d Deployment) Ready() bool {
	return d.State.Phase == PhaseReadyWait && d.State.Ending == nil && !d.State.Status.Terminal()
}
