package follow

// Passing makes an error as Client returns it when a later try may have another end.
func Passing(err error) error { return &passing{err} }
