package outbox

// Spawn has a test carry out the pieces of work.
func (o *Outbox) Spawn(spawn func(func())) { o.spawn = spawn }
