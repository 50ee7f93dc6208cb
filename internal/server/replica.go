package server

import (
	"strings"

	"crossfade/internal/engine"
	"crossfade/internal/telemetry"
)

// replicate makes an engine one of several on the store, where there may be several. It returns the name by which this server is known among them,
// which is new at each start; empty: it is alone.
func replicate(c *engine.Config, d *database, metrics *telemetry.Metrics, sole *duties) (name string) {
	if d.sharing == nil {
		return ""
	}
	name = strings.ToLower(identifiers{}.Letters(10))
	c.Replicas, c.Replica = metrics.Replicas(d.sharing), name
	c.Duties, c.OnDuty = dutyNames(), sole.hold
	c.Log = c.Log.With("replica", name)
	return name
}
