package server

import (
	"context"
	"sync/atomic"

	"crossfade/internal/api"
	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/upkeep"
)

// rounds is the server's own looking after groups. It can be woken while it does not run, which then changes nothing: its first pass sees all.
type rounds struct{ upkeep atomic.Pointer[upkeep.Upkeep] }

// begin starts the rounds and returns what ends them.
func (r *rounds) begin(ctx context.Context, o Options, kept *database, deployments *engine.Service, instances *fleets) (end func()) {
	u := upkeep.New(upkeep.Config{
		Store: kept, Engine: deployments, Fleet: instances.over, Scaling: instances,
		Configs: func(ctx context.Context, account, name string) (deploy.Config, error) {
			return api.ConfigOf(ctx, kept, account, name)
		},
		NewID: func() string { return api.DeploymentID(identifiers{}) }, Clock: systemClock(o.Now), Log: o.Log.With("part", "upkeep"),
	})
	r.upkeep.Store(u)
	u.Start(ctx)
	return func() {
		r.upkeep.Store(nil)
		u.Stop()
	}
}

// wake asks for a round soon.
func (r *rounds) wake() {
	if u := r.upkeep.Load(); u != nil {
		u.Wake()
	}
}

// told is what the engine calls after notices were committed: an instance that joined in the middle of a deployment waits for its end.
func (r *rounds) told(n *notifications) func(ended bool) {
	return func(ended bool) {
		n.told()
		if ended {
			r.wake()
		}
	}
}

// over is the fleets with other registered instances in the place of the store's.
func (f *fleets) over(registered fleet.Instances) fleet.Fleet {
	joined := f.Joined
	joined.Rest = fleet.Registered{Instances: registered}
	return joined
}
