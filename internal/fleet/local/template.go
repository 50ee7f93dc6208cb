package local

import (
	"time"
)

// Template is how the instances of a group are made. Commands are a program with its arguments; no shell reads them.
type Template struct {
	Start []string `json:"start"` // required
	Stop  []string `json:"stop"`  // required
	// Address prints where the load balancer finds the instance, IP or IP:port. Empty: where its polls come from, or its tag says.
	Address []string `json:"address,omitempty"`
	// Health ends with 0 when the instance is ready for deployments. Empty: it is once its agent has polled.
	Health []string `json:"health,omitempty"`
	// Check ends with 0 while the instance lives; two failures in a row replace it. Empty: instances are not looked at.
	Check []string `json:"check,omitempty"`
	// Environment is given to the commands beside the variables of the package.
	Environment map[string]string `json:"environment,omitempty"`
	// Tags are put on each instance, beside TagGroup and the zone.
	Tags map[string]string `json:"tags,omitempty"`
	// Zones are what the instances are spread over. Empty: none.
	Zones []string `json:"zones,omitempty"`
	// CommandTimeout bounds each command; StartTimeout is how long an instance may take to be ready after its start; CheckInterval is the time
	// between checks. Zero: ten minutes, ten minutes, fifteen seconds.
	CommandTimeout time.Duration `json:"commandTimeout,omitempty"`
	StartTimeout   time.Duration `json:"startTimeout,omitempty"`
	CheckInterval  time.Duration `json:"checkInterval,omitempty"`
}

// TagGroup is the tag of each instance that names its Auto Scaling group.
const TagGroup = "crossfade:fleet"

// Configured is a group of the configuration.
type Configured struct {
	Name     string
	Size     int // applied when it is new or changed; in between, SetSize counts
	Template Template
}

// MaxSize bounds a group.
const MaxSize = 1000

const (
	defaultCommandTimeout = 10 * time.Minute
	defaultStartTimeout   = 10 * time.Minute
	defaultCheckInterval  = 15 * time.Second
	// hookTimeout is how long an instance waits at a hook without a heartbeat.
	hookTimeout = 10 * time.Minute
	// probeInterval is the time between looks at an instance that is not ready yet.
	probeInterval = time.Second
	// missesMost is how many checks in a row an instance may fail before it is replaced.
	missesMost = 2
	// backoffLeast and backoffMost bound the wait after a failure; it doubles with each in a row.
	backoffLeast = time.Second
	backoffMost  = 5 * time.Minute
)

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (t Template) commandTimeout() time.Duration { return or(t.CommandTimeout, defaultCommandTimeout) }
func (t Template) startTimeout() time.Duration   { return or(t.StartTimeout, defaultStartTimeout) }
func (t Template) checkInterval() time.Duration  { return or(t.CheckInterval, defaultCheckInterval) }

// backoff is the wait after so many failures in a row.
func backoff(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	return min(backoffMost, backoffLeast<<min(failures-1, 20))
}
