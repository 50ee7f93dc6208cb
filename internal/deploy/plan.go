package deploy

// Kind says which plan a deployment follows.
type Kind string

// The kinds of Server deployments. The two in-place kinds differ in the traffic events only.
const (
	KindInPlace           Kind = "InPlace"
	KindInPlaceTraffic    Kind = "InPlaceTraffic"
	KindBlueGreen         Kind = "BlueGreen"
	KindBlueGreenRollback Kind = "BlueGreenRollback"
	// KindBlueGreenShift gives the replacement its share of the requests in steps.
	KindBlueGreenShift         Kind = "BlueGreenShift"
	KindBlueGreenShiftRollback Kind = "BlueGreenShiftRollback"
	// KindRetire stops the application on an instance that an Auto Scaling group is about to end.
	KindRetire        Kind = "Retire"
	KindRetireTraffic Kind = "RetireTraffic"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		KindInPlace, KindInPlaceTraffic, KindBlueGreen, KindBlueGreenRollback, KindBlueGreenShift, KindBlueGreenShiftRollback, KindRetire, KindRetireTraffic,
	}
}

// Lane says to which environment of a deployment a target belongs.
type Lane string

// The lanes. An in-place deployment has one without a label.
const (
	LaneInPlace     Lane = "InPlace"
	LaneOriginal    Lane = "Blue"
	LaneReplacement Lane = "Green"
)

// EventName names a lifecycle event.
type EventName string

// The lifecycle events of the Server platform.
const (
	BeforeBlockTraffic EventName = "BeforeBlockTraffic"
	BlockTraffic       EventName = "BlockTraffic"
	AfterBlockTraffic  EventName = "AfterBlockTraffic"
	ApplicationStop    EventName = "ApplicationStop"
	DownloadBundle     EventName = "DownloadBundle"
	BeforeInstall      EventName = "BeforeInstall"
	Install            EventName = "Install"
	AfterInstall       EventName = "AfterInstall"
	ApplicationStart   EventName = "ApplicationStart"
	ValidateService    EventName = "ValidateService"
	BeforeAllowTraffic EventName = "BeforeAllowTraffic"
	AllowTraffic       EventName = "AllowTraffic"
	AfterAllowTraffic  EventName = "AfterAllowTraffic"
)

// doer says who carries a lifecycle event out.
type doer int

const (
	byAgent doer = iota
	byBalancer
)

// doers names the events that the service carries out against the load balancer; all others are commands for the agent.
func (e EventName) doer() doer {
	if e == BlockTraffic || e == AllowTraffic {
		return byBalancer
	}
	return byAgent
}

// toleratedByStopFailures are the events whose failure ignoreApplicationStopFailures lets pass: those that run the previous revision's
// scripts.
func (e EventName) toleratedByStopFailures() bool {
	return e == ApplicationStop || e == BeforeBlockTraffic || e == AfterBlockTraffic
}

// Phase is where a deployment stands in its plan.
type Phase string

// The phases, in no deployment all of them.
const (
	PhaseResolve         Phase = "Resolve"         // the fleet is asked which instances take part
	PhaseDeploy          Phase = "Deploy"          // in place: every event of every target
	PhaseInstall         Phase = "Install"         // the replacement environment gets the revision
	PhaseReadyWait       Phase = "ReadyWait"       // the replacement is Ready, traffic waits for ContinueDeployment or the timer
	PhaseHoldBack        Phase = "HoldBack"        // the load balancer is to send the replacement nothing
	PhaseReroute         Phase = "Reroute"         // the replacement is registered with the load balancer
	PhaseShift           Phase = "Shift"           // the replacement is given its share of the requests, in steps
	PhaseSettle          Phase = "Settle"          // the replacement has all requests
	PhaseMerge           Phase = "Merge"           // the load balancer stops telling the environments apart
	PhaseBlock           Phase = "Block"           // the original is deregistered
	PhaseTerminationWait Phase = "TerminationWait" // the original lives on, out of traffic
	PhaseTerminate       Phase = "Terminate"       // the original is being terminated
	PhaseRestore         Phase = "Restore"         // rollback: the original gets its traffic back
	PhaseWithdraw        Phase = "Withdraw"        // rollback: the replacement is taken out of traffic
	PhaseRetire          Phase = "Retire"          // the application is stopped for good
	PhaseDone            Phase = "Done"
)

// rule says how many failures a stage takes and how many targets run at once.
type rule int

const (
	// ruleMinimum keeps the deployment config's minimum of healthy hosts.
	ruleMinimum rule = iota
	// ruleAll runs all targets at once and takes no failure: one failed deregistration of an original fails the deployment.
	ruleAll
	// ruleRestore runs all targets at once and tries every one; the minimum must succeed before a rollback takes the replacement out.
	ruleRestore
	// ruleWithdraw runs all targets at once and tries every one; afterwards none may have failed.
	ruleWithdraw
)

// stage is one row of a plan: in this phase, the targets of this lane go through these events.
type stage struct {
	phase  Phase
	lane   Lane
	rule   rule
	events []EventName
	after  TargetStatus // the status of a target that finished the stage
}

var (
	blockEvents   = []EventName{BeforeBlockTraffic, BlockTraffic, AfterBlockTraffic}
	installEvents = []EventName{ApplicationStop, DownloadBundle, BeforeInstall, Install, AfterInstall, ApplicationStart, ValidateService}
	allowEvents   = []EventName{BeforeAllowTraffic, AllowTraffic, AfterAllowTraffic}
	inPlaceEvents = join(blockEvents, installEvents, allowEvents)
	retireEvents  = []EventName{ApplicationStop}
)

func join(lists ...[]EventName) []EventName {
	var all []EventName
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// plans is the order of phases of each kind; a phase without events is a wait or an effect. Every plan begins with PhaseResolve and ends,
// when its last row is done, in PhaseDone.
var plans = map[Kind][]stage{
	KindInPlace: {
		{phase: PhaseResolve},
		{phase: PhaseDeploy, lane: LaneInPlace, rule: ruleMinimum, events: installEvents, after: TargetSucceeded},
	},
	KindInPlaceTraffic: {
		{phase: PhaseResolve},
		{phase: PhaseDeploy, lane: LaneInPlace, rule: ruleMinimum, events: inPlaceEvents, after: TargetSucceeded},
	},
	KindBlueGreen: {
		{phase: PhaseResolve},
		{phase: PhaseInstall, lane: LaneReplacement, rule: ruleMinimum, events: installEvents, after: TargetReady},
		{phase: PhaseReadyWait},
		{phase: PhaseReroute, lane: LaneReplacement, rule: ruleMinimum, events: allowEvents, after: TargetSucceeded},
		{phase: PhaseBlock, lane: LaneOriginal, rule: ruleAll, events: blockEvents, after: TargetSucceeded},
		{phase: PhaseTerminationWait},
		{phase: PhaseTerminate},
	},
	KindBlueGreenRollback: {
		{phase: PhaseResolve},
		{phase: PhaseRestore, lane: LaneOriginal, rule: ruleRestore, events: allowEvents, after: TargetSucceeded},
		{phase: PhaseWithdraw, lane: LaneReplacement, rule: ruleWithdraw, events: blockEvents, after: TargetSucceeded},
	},
	KindBlueGreenShift: {
		{phase: PhaseResolve},
		{phase: PhaseInstall, lane: LaneReplacement, rule: ruleMinimum, events: installEvents, after: TargetReady},
		{phase: PhaseReadyWait},
		{phase: PhaseHoldBack},
		{phase: PhaseReroute, lane: LaneReplacement, rule: ruleMinimum, events: allowEvents[:2], after: TargetReady},
		{phase: PhaseShift},
		{phase: PhaseSettle, lane: LaneReplacement, rule: ruleMinimum, events: allowEvents[2:], after: TargetSucceeded},
		{phase: PhaseBlock, lane: LaneOriginal, rule: ruleAll, events: blockEvents, after: TargetSucceeded},
		{phase: PhaseMerge},
		{phase: PhaseTerminationWait},
		{phase: PhaseTerminate},
	},
	KindBlueGreenShiftRollback: {
		{phase: PhaseResolve},
		{phase: PhaseHoldBack},
		{phase: PhaseRestore, lane: LaneOriginal, rule: ruleRestore, events: allowEvents, after: TargetSucceeded},
		{phase: PhaseWithdraw, lane: LaneReplacement, rule: ruleWithdraw, events: blockEvents, after: TargetSucceeded},
		{phase: PhaseMerge},
	},
	KindRetire: {
		{phase: PhaseResolve},
		{phase: PhaseRetire, lane: LaneInPlace, rule: ruleMinimum, events: retireEvents, after: TargetSucceeded},
	},
	KindRetireTraffic: {
		{phase: PhaseResolve},
		{phase: PhaseRetire, lane: LaneInPlace, rule: ruleMinimum, events: join(blockEvents, retireEvents), after: TargetSucceeded},
	},
}

// turnOf is the number of the row of kind's plan that has the phase, or -1.
func turnOf(kind Kind, phase Phase) int {
	for i, s := range plans[kind] {
		if s.phase == phase {
			return i
		}
	}
	return -1
}

// eventsOf is every lifecycle event that a target of the lane goes through in a deployment of the kind, in order.
func eventsOf(kind Kind, lane Lane) []EventName {
	var all []EventName
	for _, s := range plans[kind] {
		if s.lane == lane {
			all = append(all, s.events...)
		}
	}
	return all
}

// firstEvent is the index, in the target's own list, of the first event of the row `turn` of kind's plan.
func firstEvent(kind Kind, turn int) int {
	n := 0
	lane := plans[kind][turn].lane
	for _, s := range plans[kind][:turn] {
		if s.lane == lane {
			n += len(s.events)
		}
	}
	return n
}

// BlueGreen reports whether the kind has two environments.
func (k Kind) BlueGreen() bool { return k.Replaces() || k.routesBack() }

// Replaces reports whether the kind brings a replacement environment into service. Only such deployments wait.
func (k Kind) Replaces() bool { return k == KindBlueGreen || k == KindBlueGreenShift }

// Shifts reports whether the kind gives the replacement environment its share of the requests in steps, or takes it away.
func (k Kind) Shifts() bool { return k == KindBlueGreenShift || k == KindBlueGreenShiftRollback }

// routesBack reports whether the kind gives the original environment its traffic back.
func (k Kind) routesBack() bool {
	return k == KindBlueGreenRollback || k == KindBlueGreenShiftRollback
}

// installs reports whether the kind brings a revision to its targets.
func (k Kind) installs() bool { return k == KindInPlace || k == KindInPlaceTraffic || k.Replaces() }

// Traffic reports whether the kind moves traffic and so needs a load balancer.
func (k Kind) Traffic() bool { return k != KindInPlace && k != KindRetire }

// rollbackOf is the kind that routes the traffic of a blue/green deployment back.
var rollbackOf = map[Kind]Kind{KindBlueGreen: KindBlueGreenRollback, KindBlueGreenShift: KindBlueGreenShiftRollback}
