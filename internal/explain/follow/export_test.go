package follow

import (
	"errors"

	"crossfade/internal/awsjson/client"
)

// Passing makes an error as Client returns it when a later try may have another end.
func Passing(err error) error { return &client.Trouble{Err: err} }

// MayPass reports whether the error is one that the follower waits out.
func MayPass(err error) bool {
	var may *client.Trouble
	return errors.As(err, &may)
}

// Ended is closed when the listener listens no more.
func Ended(l *Listener) <-chan struct{} { return l.done }
