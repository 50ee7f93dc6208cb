//go:build unix

package enroll

// othersMatter says that a directory's mode tells who can write to it.
const othersMatter = true
