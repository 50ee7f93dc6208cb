package deploy

import "time"

// EffectKind says what an effect does. Together with the deployment and the target it is the effect's key: a newer effect of the same key
// replaces the older one.
type EffectKind string

// The kinds of effects.
const (
	EffectResolve   EffectKind = "resolve"   // ask the fleet which instances take part; answered by Resolved
	EffectCommand   EffectKind = "command"   // give the target's agent a command; answered by Acknowledged and Completed
	EffectTraffic   EffectKind = "traffic"   // make the load balancer so and watch until it is; answered by TrafficSettled or TrafficRefused
	EffectTerminate EffectKind = "terminate" // terminate the originals; answered by Terminated
	EffectSplit     EffectKind = "split"     // share the requests out between the environments; answered by SplitSettled or SplitRefused
	EffectWatch     EffectKind = "watch"     // look at alarms until one is raised; answered by AlarmRaised or AlarmUnreadable, perhaps never
	EffectHold      EffectKind = "hold"      // keep the target's host for this deployment, in turn with others that want it; never answered
)

// EffectKey names an effect.
type EffectKey struct {
	DeploymentID string
	Target       string // empty: of the whole deployment
	Kind         EffectKind
}

// Effect is something to be carried out after its transition is durable. It may be carried out twice and is outstanding until a later
// transition clears its key, so a crash is only an unfinished effect.
type Effect struct {
	Key     EffectKey
	Command *Command `json:"command,omitempty"`
	Traffic *Traffic `json:"traffic,omitempty"`
	Split   *Split   `json:"split,omitempty"`
	Watch   *Watch   `json:"watch,omitempty"`
	Hold    *Hold    `json:"hold,omitempty"`
}

// Command is a lifecycle event for an agent.
type Command struct {
	Account string    `json:"account"`
	Host    string    `json:"host"`
	Event   EventName `json:"event"`
	Attempt int       `json:"attempt"`
	// Acknowledged commands are kept until they complete but are never offered again.
	Acknowledged bool `json:"acknowledged,omitempty"`
}

// Traffic is an order to the load balancer about one instance.
type Traffic struct {
	Account      string   `json:"account"`
	Instance     string   `json:"instance"`
	TargetGroups []string `json:"targetGroups"`
	In           bool     `json:"in"`                    // register, else deregister
	Environment  string   `json:"environment,omitempty"` // that the instance serves for, where the deployment shifts traffic in steps
	Generation   int64    `json:"generation"`
}

// Split is an order to the load balancer to give the environment a share of the requests.
type Split struct {
	TargetGroups []string `json:"targetGroups"`
	Environment  string   `json:"environment"` // empty: all targets are equal again
	Percent      int      `json:"percent"`
	Generation   int64    `json:"generation"`
}

// Watch is the alarms that stop a deployment.
type Watch struct {
	Names             []string `json:"names"`
	IgnorePollFailure bool     `json:"ignorePollFailure,omitempty"` // alarms that can't be read stop nothing
}

// Hold keeps a host for one deployment at a time, so that the scripts of two applications never interleave on it. Whoever wants it first has it
// until the effect is cleared; commands of others wait.
type Hold struct {
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}
