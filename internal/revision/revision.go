// Package revision is the port to where bundles are: an S3 location can be looked at and read, and is what it was registered as or an error.
//
// It owns the port and the check of a location's version and ETag; the drivers are s3store (built in, files under the data directory) and
// s3client (any S3 endpoint), both held to revisiontest. It unpacks nothing and knows nothing of deployments. A Source is safe for concurrent use.
package revision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// NullVersion is the version id of every object in a bucket without versioning.
const NullVersion = "null"

// Location names a bundle. Bucket and Key are required.
type Location struct {
	Bucket string
	Key    string
	// Version is the object's version id; empty: the present one.
	Version string
	// ETag is what the object's ETag must be, with or without quotes; empty: anything.
	ETag string
}

// String is the location as the AWS tools write it.
func (l Location) String() string { return "s3://" + l.Bucket + "/" + l.Key }

// Info is what a Source says of a bundle.
type Info struct {
	Size     int64
	ETag     string // without quotes
	Version  string // empty where there is no versioning
	Modified time.Time
}

// Source is where bundles are read from. Errors wrap ErrNotFound, ErrDenied or ErrChanged where they say so.
type Source interface {
	// Stat looks at a bundle: ErrNotFound when it, its version or its bucket is not there, ErrDenied when it may not be read, ErrChanged when
	// its ETag is another than the location's.
	Stat(ctx context.Context, l Location) (Info, error)
	// Open reads a bundle, under the same conditions. The caller closes it. What is read is one object throughout, also when it is replaced
	// meanwhile.
	Open(ctx context.Context, l Location) (io.ReadCloser, Info, error)
}

// What a Source refuses for.
var (
	ErrNotFound = errors.New("no such bundle")
	ErrDenied   = errors.New("not allowed to read the bundle")
	ErrChanged  = errors.New("another bundle than the one registered")
)

// Verify holds what was found against the location. Drivers call it; the error wraps ErrChanged.
func Verify(l Location, found Info) error {
	if want := Unquote(l.ETag); want != "" && want != Unquote(found.ETag) {
		return fmt.Errorf("%s has the ETag %s but the revision says %s: register the revision again, or upload the registered bundle: %w", l, found.ETag, want, ErrChanged)
	}
	return nil
}

// Unquote is an ETag without the quotes that HTTP puts around it.
func Unquote(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }
