package deploy

// EffectKind says what an effect does. Together with the deployment and the target it is the effect's key: a newer effect of the same key
// replaces the older one.
type EffectKind string

// The kinds of effects.
const (
	EffectResolve   EffectKind = "resolve"   // ask the fleet which instances take part; answered by Resolved
	EffectCommand   EffectKind = "command"   // give the target's agent a command; answered by Acknowledged and Completed
	EffectTraffic   EffectKind = "traffic"   // make the load balancer so and watch until it is; answered by TrafficSettled or TrafficRefused
	EffectTerminate EffectKind = "terminate" // terminate the originals; answered by Terminated
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
	In           bool     `json:"in"` // register, else deregister
	Generation   int64    `json:"generation"`
}
