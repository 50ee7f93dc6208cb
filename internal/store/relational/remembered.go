package relational

// remembered is the unfinished deployments that the last batches left and those of their targets that they read or wrote, for a store that nobody else writes
// to: an event of a deployment then reads nothing. It is used under the writer's lock, and forgets everything when the database takes anything back.
//
// Deployments and targets are values that nobody changes in place: deploy.Step copies what it changes.
type remembered struct {
	deployments map[string]*known
	targets     int // of all of them
}

// rememberedMost bounds the targets that are remembered: those of two deployments of ten thousand instances.
const rememberedMost = 20_000

func newRemembered() *remembered { return &remembered{deployments: map[string]*known{}} }

// deployment is a deployment for a batch, or nil. The batch has it for itself: until it is kept again it is not here.
func (r *remembered) deployment(id string) *known {
	k := r.deployments[id]
	if k != nil {
		r.remove(id)
	}
	return k
}

// keep takes what a batch knows at its end.
func (r *remembered) keep(all map[string]*known) {
	for id, k := range all {
		r.remove(id)
		if k.d.State.Status.Terminal() {
			continue
		}
		if r.targets+len(k.targets) > rememberedMost || len(r.deployments) >= rememberedMost {
			r.forget()
		}
		r.deployments[id] = k
		r.targets += len(k.targets)
	}
}

func (r *remembered) remove(id string) {
	if k := r.deployments[id]; k != nil {
		r.targets -= len(k.targets)
		delete(r.deployments, id)
	}
}

// forget forgets everything.
func (r *remembered) forget() {
	clear(r.deployments)
	r.targets = 0
}
