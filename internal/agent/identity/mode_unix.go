//go:build unix

package identity

// onlyOwnerMatters says that a file's mode tells who can read it.
const onlyOwnerMatters = true
