package server

import (
	"crypto/rand"

	"github.com/google/uuid"
)

// identifiers draws identifiers from the system's randomness.
type identifiers struct{}

// UUID implements api.IDs.
func (identifiers) UUID() string { return uuid.NewString() }

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// Letters implements api.IDs, every character equally likely.
func (identifiers) Letters(n int) string {
	const fair = 256 - 256%len(letters)
	out := make([]byte, 0, n)
	var b [32]byte
	for len(out) < n {
		rand.Read(b[:]) // never fails
		for _, r := range b {
			if int(r) < fair && len(out) < n {
				out = append(out, letters[int(r)%len(letters)])
			}
		}
	}
	return string(out)
}
