package upkeep

// BesideID is the id of a deployment to an instance that waits.
var BesideID = besideID

// Remembers counts what is kept between passes: hooks that were set, and instances that waited.
func (u *Upkeep) Remembers() (hooks, instances int) { return len(u.set), len(u.beats) + len(u.gone) }
