package deploy

import "time"

// The compute platforms.
const (
	PlatformServer = "Server"
	PlatformLambda = "Lambda"
	PlatformECS    = "ECS"
)

// Application is a name under which deployment groups and revisions are kept.
type Application struct {
	ID        string            `json:"id"` // UUID, kept by a rename
	Account   string            `json:"account"`
	Name      string            `json:"name"` // unique in the account, case-sensitive
	Platform  string            `json:"platform"`
	Tags      map[string]string `json:"tags,omitempty"`
	CreatedAt time.Time         `json:"createdAt"`
}

// Config is a deployment config: built in (Account empty) or an account's own.
type Config struct {
	ID             string          `json:"id"`
	Account        string          `json:"account,omitempty"`
	Name           string          `json:"name"`
	Platform       string          `json:"platform"`
	MinimumHealthy *HealthyHosts   `json:"minimumHealthy,omitempty"` // Server only
	Routing        *TrafficRouting `json:"routing,omitempty"`
	Zonal          *Zonal          `json:"zonal,omitempty"`
	CreatedAt      time.Time       `json:"createdAt"`
}

// TrafficRouting is how a deployment shifts traffic. In a config for servers it is ours: there it shifts between the two environments of
// a blue/green deployment.
type TrafficRouting struct {
	Type            string `json:"type"` // AllAtOnce, TimeBasedCanary or TimeBasedLinear
	Percentage      int    `json:"percentage,omitempty"`
	IntervalMinutes int    `json:"intervalMinutes,omitempty"`
}

// Zonal is a deployment one availability zone at a time. Nil members were not given.
type Zonal struct {
	FirstZoneMonitorSeconds *int64        `json:"firstZoneMonitorSeconds,omitempty"`
	MonitorSeconds          *int64        `json:"monitorSeconds,omitempty"`
	MinimumHealthyPerZone   *HealthyHosts `json:"minimumHealthyPerZone,omitempty"`
}

// Group is a deployment group: what is deployed where, and how.
type Group struct {
	ID            string            `json:"id"` // UUID, kept by a rename
	Account       string            `json:"account"`
	ApplicationID string            `json:"applicationId"`
	Application   string            `json:"application"` // the application's present name, filled in on reading
	Name          string            `json:"name"`        // unique in the application
	Settings      GroupSettings     `json:"settings"`
	Tags          map[string]string `json:"tags,omitempty"`
	CreatedAt     time.Time         `json:"createdAt"`

	// What follows is written by deployments only (see GroupChange).

	TargetRevision *Revision      `json:"targetRevision,omitempty"` // of the last successful deployment
	LastSuccessful *DeploymentRef `json:"lastSuccessful,omitempty"`
	LastAttempted  *DeploymentRef `json:"lastAttempted,omitempty"`
	// Environment is the blue/green deployment whose replacement targets are the group's instances now. Empty: the group's own filters say.
	Environment string `json:"environment,omitempty"`
	// Active is the group's unfinished deployment, filled in on reading.
	Active string `json:"active,omitempty"`
}

// Previous is the group's last successful deployment as the next one takes note of it; nil when there is none. last is its spec, zero when it is
// not known any more.
func (g Group) Previous(last Spec) *Previous {
	if g.LastSuccessful == nil || g.TargetRevision == nil {
		return nil
	}
	return &Previous{DeploymentID: g.LastSuccessful.ID, Revision: *g.TargetRevision, FileExists: last.FileExists}
}

// DeploymentRef is what a group remembers of a deployment.
type DeploymentRef struct {
	ID          string    `json:"id"`
	Status      Status    `json:"status"`
	CreatedAt   time.Time `json:"createdAt"`
	CompletedAt time.Time `json:"completedAt,omitzero"`
}

// GroupSettings is what the user of the API says of a group.
type GroupSettings struct {
	Config            string             `json:"config"`
	ServiceRoleARN    string             `json:"serviceRoleArn"`
	Selection         Selection          `json:"selection"`
	Triggers          []Trigger          `json:"triggers,omitempty"`
	Alarms            *AlarmSettings     `json:"alarms,omitempty"`
	AutoRollback      *AutoRollback      `json:"autoRollback,omitempty"`
	OutdatedInstances string             `json:"outdatedInstances,omitempty"` // UPDATE or IGNORE
	Style             Style              `json:"style"`
	BlueGreen         *BlueGreenSettings `json:"blueGreen,omitempty"`
	LoadBalancer      *LoadBalancer      `json:"loadBalancer,omitempty"`
	ECSServices       []ECSService       `json:"ecsServices,omitempty"`
	TerminationHook   bool               `json:"terminationHook,omitempty"`
	Hooks             []ScalingHook      `json:"hooks,omitempty"` // one for each of the Auto Scaling groups
}

// Selection says which instances belong to an environment: the union of what its parts select.
type Selection struct {
	EC2Filters        []TagFilter `json:"ec2Filters,omitempty"`
	EC2TagSet         TagSet      `json:"ec2TagSet,omitempty"`
	OnPremFilters     []TagFilter `json:"onPremFilters,omitempty"`
	OnPremTagSet      TagSet      `json:"onPremTagSet,omitempty"`
	AutoScalingGroups []string    `json:"autoScalingGroups,omitempty"`
}

// Empty reports whether the selection selects nothing because it says nothing.
func (s Selection) Empty() bool {
	return len(s.EC2Filters) == 0 && len(s.EC2TagSet) == 0 && len(s.OnPremFilters) == 0 && len(s.OnPremTagSet) == 0 && len(s.AutoScalingGroups) == 0
}

// Style is a group's deploymentStyle.
type Style struct {
	Type   string `json:"type"`   // IN_PLACE or BLUE_GREEN
	Option string `json:"option"` // WITH_TRAFFIC_CONTROL or WITHOUT_TRAFFIC_CONTROL
}

// The values of a style.
const (
	StyleInPlace        = "IN_PLACE"
	StyleBlueGreen      = "BLUE_GREEN"
	WithTrafficControl  = "WITH_TRAFFIC_CONTROL"
	WithoutTrafficCntrl = "WITHOUT_TRAFFIC_CONTROL"
)

// BlueGreenSettings is a group's blueGreenDeploymentConfiguration. Waits are in minutes.
type BlueGreenSettings struct {
	ReadyAction            string `json:"readyAction"` // CONTINUE_DEPLOYMENT or STOP_DEPLOYMENT
	ReadyWaitMinutes       int    `json:"readyWaitMinutes"`
	TerminationAction      string `json:"terminationAction"` // TERMINATE or KEEP_ALIVE
	TerminationWaitMinutes int    `json:"terminationWaitMinutes"`
	Provisioning           string `json:"provisioning"` // DISCOVER_EXISTING or COPY_AUTO_SCALING_GROUP
}

// The actions of BlueGreenSettings.
const (
	ReadyContinue           = "CONTINUE_DEPLOYMENT"
	ReadyStop               = "STOP_DEPLOYMENT"
	TerminationTerminate    = "TERMINATE"
	TerminationKeepAlive    = "KEEP_ALIVE"
	ProvisionDiscover       = "DISCOVER_EXISTING"
	ProvisionCopyAutoScaler = "COPY_AUTO_SCALING_GROUP"
)

// LoadBalancer is a group's loadBalancerInfo.
type LoadBalancer struct {
	Balancers    []string          `json:"balancers,omitempty"`    // elbInfoList
	TargetGroups []string          `json:"targetGroups,omitempty"` // targetGroupInfoList
	Pairs        []TargetGroupPair `json:"pairs,omitempty"`
}

// Names is every target group and balancer that an instance is registered with.
func (l *LoadBalancer) Names() []string {
	if l == nil {
		return nil
	}
	return append(append([]string(nil), l.TargetGroups...), l.Balancers...)
}

// TargetGroupPair is the two target groups and the listeners of an ECS deployment.
type TargetGroupPair struct {
	TargetGroups  []string `json:"targetGroups"`
	ProdListeners []string `json:"prodListeners"`
	TestListeners []string `json:"testListeners,omitempty"`
}

// ECSService names a service of a cluster.
type ECSService struct {
	Cluster string `json:"cluster"`
	Service string `json:"service"`
}

// AutoRollback says on which events a deployment is rolled back.
type AutoRollback struct {
	Enabled bool     `json:"enabled"`
	Events  []string `json:"events,omitempty"`
}

// The events of an AutoRollback.
const (
	RollbackOnFailure = "DEPLOYMENT_FAILURE"
	RollbackOnAlarm   = "DEPLOYMENT_STOP_ON_ALARM"
	RollbackOnRequest = "DEPLOYMENT_STOP_ON_REQUEST"
)

// On reports whether the event rolls back. A nil AutoRollback never does.
func (a *AutoRollback) On(event string) bool {
	if a == nil || !a.Enabled {
		return false
	}
	for _, e := range a.Events {
		if e == event {
			return true
		}
	}
	return false
}

// Trigger sends a group's events to a topic.
type Trigger struct {
	Name   string   `json:"name"`
	Target string   `json:"target"`
	Events []string `json:"events"`
}

// AlarmSettings is a group's alarmConfiguration.
type AlarmSettings struct {
	Enabled           bool     `json:"enabled"`
	IgnorePollFailure bool     `json:"ignorePollFailure"`
	Names             []string `json:"names,omitempty"`
}

// Instance is a registered on-premises instance.
type Instance struct {
	Account        string            `json:"account"`
	Name           string            `json:"name"`
	ARN            string            `json:"arn"`
	IAMUserARN     string            `json:"iamUserArn,omitempty"` // exactly one of the two ARNs
	IAMSessionARN  string            `json:"iamSessionArn,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	RegisteredAt   time.Time         `json:"registeredAt"`
	DeregisteredAt time.Time         `json:"deregisteredAt,omitzero"` // zero while registered
	// Address is where the host's polls last came from, without a port. Empty until the first poll.
	Address string `json:"address,omitempty"`
}

// Host is the identity with which the instance's agent signs.
func (i Instance) Host() string {
	if i.IAMUserARN != "" {
		return i.IAMUserARN
	}
	return i.IAMSessionARN
}

// AddressTag is the tag that overrides the address at which an instance serves: an IP, or IP:port.
const AddressTag = "crossfade:address"

// ZoneTag is the tag that names the availability zone of a registered instance.
const ZoneTag = "crossfade:zone"

// WhenBusyTag is the tag of a deployment group that says what becomes of a deployment that is created while the group has an unfinished one.
// With the value WhenBusyQueue it waits its turn; otherwise it is refused, as CodeDeploy does.
const (
	WhenBusyTag   = "crossfade:when-busy"
	WhenBusyQueue = "queue"
)

// Queues reports whether the group's deployments wait their turn.
func (g Group) Queues() bool { return g.Tags[WhenBusyTag] == WhenBusyQueue }

// ServingAddress is where the load balancer finds the instance: the tag's value, else where its polls come from. Empty when unknown.
func (i Instance) ServingAddress() string {
	if a := i.Tags[AddressTag]; a != "" {
		return a
	}
	return i.Address
}
