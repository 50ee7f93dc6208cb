package relational

// remembered is the unfinished deployments that the last batches left, and those of their targets that they read or wrote: an event of one of them then reads
// nothing. It is used under the writer's lock, and forgets everything when the database takes anything back, and when another server has changed any
// deployment, which the feed of changes tells.
//
// Deployments and targets are values that nobody changes in place: deploy.Step copies what it changes.
type remembered struct {
	deployments map[string]*known
	targets     int   // of all of them
	position    int64 // of the feed, where other servers write too
}

// rememberedMost bounds the targets that are remembered: those of two deployments of ten thousand instances.
const rememberedMost = 20_000

// upTo forgets everything unless the feed ends where it did after the last batch.
func (r *remembered) upTo(position int64) {
	if r.position != position {
		r.forget()
		r.position = position
	}
}

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
			r.empty()
		}
		k.changed = nil
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

func (r *remembered) empty() {
	r.deployments = map[string]*known{}
	r.targets = 0
}

// forget forgets everything, also where the feed was: no position is negative.
func (r *remembered) forget() {
	r.empty()
	r.position = -1
}
