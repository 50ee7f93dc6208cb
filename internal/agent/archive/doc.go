// Package archive unpacks a revision's bundle (zip, tar, tgz) into a new directory that nothing in the bundle can leave.
//
// It owns the rules of what a bundle may contain. Refused, with the entry and the reason: absolute paths and "..", symbolic and hard links
// that lead out, entries that would be written through a link, devices, pipes and sockets, an entry that is a file here and a directory
// there, and bundles that unpack to more than the limits. Modes and times are kept; owners, set-id and sticky bits are not, because they say
// something about the machine that packed. It either makes the whole directory or leaves nothing. It fetches nothing and reads no AppSpec.
//
// All functions may be called concurrently for different directories.
package archive

import (
	"errors"
	"fmt"
)

// Kind is the format of a bundle.
type Kind string

// The kinds. A tar may be gzipped, as what GitHub calls a tarball is.
const (
	Tar Kind = "tar"
	Tgz Kind = "tgz"
	Zip Kind = "zip"
)

// Limits bound what a bundle may unpack to. A zero field means its default.
type Limits struct {
	Bytes   int64 // of all files together, hard links counted as files; default 8 GiB
	Entries int   // default one million
	// Ratio is how many times larger than the bundle its files may be once they are past RatioFrom bytes; default 200. Text compresses
	// twenty-fold at the best of times, a bomb a thousand-fold.
	Ratio     int64
	RatioFrom int64 // default 256 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 8 << 30
	}
	if l.Entries <= 0 {
		l.Entries = 1_000_000
	}
	if l.Ratio <= 0 {
		l.Ratio = 200
	}
	if l.RatioFrom <= 0 {
		l.RatioFrom = 256 << 20
	}
	return l
}

// ErrRefused is behind every refusal of a bundle for what it contains.
var ErrRefused = errors.New("the bundle is refused")

// refuse names the entry and the reason.
func refuse(entry, format string, args ...any) error {
	return fmt.Errorf("%w: entry %.200q %s", ErrRefused, entry, fmt.Sprintf(format, args...))
}
