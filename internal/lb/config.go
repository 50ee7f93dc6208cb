package lb

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Config says what a Balancer listens on and which target groups it has. Targets are not part of it: they come and go through
// Register and Deregister. In JSON durations are in nanoseconds.
type Config struct {
	Listeners    []ListenerConfig    `json:"listeners,omitzero"`
	TargetGroups []TargetGroupConfig `json:"targetGroups,omitzero"`
	Limits       Limits              `json:"limits,omitzero"`
}

// ListenerConfig is one address that takes HTTP requests.
type ListenerConfig struct {
	// Name is unique among listeners and used in logs and metrics. Empty means the address.
	Name string `json:"name,omitzero"`
	// Address is host:port; port 0 takes a free one (see Balancer.ListenerAddress).
	Address string `json:"address,omitzero"`
	// Forward names the target groups that share the requests, at least one.
	Forward []Forward `json:"forward,omitzero"`
}

// Forward is a target group's share of a listener's requests.
type Forward struct {
	TargetGroup string `json:"targetGroup,omitzero"`
	// Weight is the share relative to the other groups of the listener, 0 to 999 as in Elastic Load Balancing. A group with
	// weight 0 gets none; when all weights are 0, all groups share equally.
	Weight int `json:"weight,omitzero"`
}

// TargetGroupConfig is a named set of targets with a common health check.
type TargetGroupConfig struct {
	Name string `json:"name,omitzero"`
	// Port is used for targets that are registered with an IP address alone. 0 means each registration must name its port.
	Port int `json:"port,omitzero"`
	// HealthCheck decides which targets get requests.
	HealthCheck HealthCheck `json:"healthCheck,omitzero"`
	// DeregistrationDelay is how long the requests in flight of a deregistered target may go on before they are cut. 0 means 30 s;
	// negative means cut at once.
	DeregistrationDelay time.Duration `json:"deregistrationDelay,omitzero"`
}

// HealthCheck is how targets of a group are probed: GET Path, expecting a status that Matcher accepts.
type HealthCheck struct {
	Path string `json:"path,omitzero"` // default "/"
	// Interval is the time from the end of a probe to the start of the next, once there is a first verdict. Default 5 s.
	// Before the first verdict a target is probed every few milliseconds, slowing down to a second.
	Interval           time.Duration `json:"interval,omitzero"`
	Timeout            time.Duration `json:"timeout,omitzero"`            // of one probe; default 2 s
	HealthyThreshold   int           `json:"healthyThreshold,omitzero"`   // passes in a row that make an unhealthy target healthy; default 2. The first verdict needs one.
	UnhealthyThreshold int           `json:"unhealthyThreshold,omitzero"` // failures in a row that make a target unhealthy; default 2
	Matcher            string        `json:"matcher,omitzero"`            // status codes such as "200", "200,301" or "200-399"; default "200"
}

// Limits are the bounds that keep one client or target from holding the balancer's resources. The zero value of each means its
// default.
type Limits struct {
	MaxConnections  int           // client connections per listener; default 20000; more wait in the kernel's queue
	MaxHeaderBytes  int           // request or answer head; default 32 KiB
	MaxHeaderFields int           // default 128
	MaxBodyBytes    int64         // request body; default unlimited
	HeaderTimeout   time.Duration // from a request's first byte to the end of its head; default 10 s
	IdleTimeout     time.Duration // between requests on a client connection; default 75 s
	BodyTimeout     time.Duration // between two reads or writes that move a body; default 60 s
	DialTimeout     time.Duration // to a target; default 3 s
	// ResponseTimeout is how long a target may take from the end of the request to the head of its answer; default 60 s.
	ResponseTimeout time.Duration
	// TargetIdleTimeout is how long an unused connection to a target is kept; default 30 s.
	TargetIdleTimeout time.Duration
	// FirstVerdictWait is how long after its registration a target without verdict may hold requests back; default 2 s.
	FirstVerdictWait time.Duration
}

// ErrConfig is wrapped by every error that New returns about its Config.
var ErrConfig = errors.New("load balancer configuration")

func (l Limits) withDefaults() Limits {
	set(&l.MaxConnections, 20000)
	set(&l.MaxHeaderBytes, 32<<10)
	set(&l.MaxHeaderFields, 128)
	set(&l.HeaderTimeout, 10*time.Second)
	set(&l.IdleTimeout, 75*time.Second)
	set(&l.BodyTimeout, 60*time.Second)
	set(&l.DialTimeout, 3*time.Second)
	set(&l.ResponseTimeout, 60*time.Second)
	set(&l.TargetIdleTimeout, 30*time.Second)
	set(&l.FirstVerdictWait, 2*time.Second)
	return l
}

func (h HealthCheck) withDefaults() HealthCheck {
	set(&h.Path, "/")
	set(&h.Interval, 5*time.Second)
	set(&h.Timeout, 2*time.Second)
	set(&h.HealthyThreshold, 2)
	set(&h.UnhealthyThreshold, 2)
	set(&h.Matcher, "200")
	return h
}

// set gives v its default when it has none.
func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// check refuses what New cannot work with.
func (c Config) check() error {
	groups := make(map[string]bool, len(c.TargetGroups))
	for i, g := range c.TargetGroups {
		where := fmt.Sprintf("target group %q", g.Name)
		switch {
		case g.Name == "":
			return fmt.Errorf("target group number %d has no name; give it one", i+1)
		case groups[g.Name]:
			return fmt.Errorf("%s is there twice; names must be unique", where)
		case g.Port < 0 || g.Port > 65535:
			return fmt.Errorf("%s: port %d is not between 1 and 65535", where, g.Port)
		}
		if err := g.HealthCheck.check(); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		groups[g.Name] = true
	}
	names := make(map[string]bool, len(c.Listeners))
	for _, l := range c.Listeners {
		where := fmt.Sprintf("listener %q", l.name())
		if names[l.name()] {
			return fmt.Errorf("%s is there twice; names must be unique", where)
		}
		names[l.name()] = true
		if _, _, err := net.SplitHostPort(l.Address); err != nil {
			return fmt.Errorf("%s: address %q is not host:port: %w", where, l.Address, err)
		}
		if len(l.Forward) == 0 {
			return fmt.Errorf("%s forwards to no target group; name at least one", where)
		}
		for i, f := range l.Forward {
			if !groups[f.TargetGroup] {
				return fmt.Errorf("%s forwards to target group %q, which is not configured", where, f.TargetGroup)
			}
			if f.Weight < 0 || f.Weight > maxWeight {
				return fmt.Errorf("%s: weight %d of target group %q is not between 0 and %d", where, f.Weight, f.TargetGroup, maxWeight)
			}
			if slices.ContainsFunc(l.Forward[:i], func(o Forward) bool { return o.TargetGroup == f.TargetGroup }) {
				return fmt.Errorf("%s names target group %q twice; give it one weight", where, f.TargetGroup)
			}
		}
	}
	return nil
}

func (l ListenerConfig) name() string {
	if l.Name == "" {
		return l.Address
	}
	return l.Name
}

func (h HealthCheck) check() error {
	if h.Path != "" && !strings.HasPrefix(h.Path, "/") {
		return fmt.Errorf("health check path %q does not start with a slash", h.Path)
	}
	if strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("health check path %q has a space or control character; write it percent-encoded", h.Path)
	}
	if h.Interval < 0 || h.Timeout < 0 || h.HealthyThreshold < 0 || h.UnhealthyThreshold < 0 {
		return errors.New("health check interval, timeout and thresholds must not be negative")
	}
	if h.Matcher == "" {
		return nil
	}
	_, err := parseMatcher(h.Matcher)
	return err
}
