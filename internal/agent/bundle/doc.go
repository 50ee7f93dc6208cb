// Package bundle fetches a revision's bundle to the host's disk: from an S3 store, from GitHub, or from the host itself.
//
// It owns the requests, the check of what arrived (length, ETag) and the patience with sources that are down. It unpacks nothing. A file
// appears under its final name only when it is whole. A [Fetcher] is safe for concurrent use.
package bundle

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"crossfade/internal/agent/archive"
	"crossfade/internal/envelope"
)

// Sign signs a request of the given service; the payload is the hexadecimal SHA-256 of the body.
type Sign func(ctx context.Context, req *http.Request, service, payload string) error

// Fetcher fetches bundles.
type Fetcher struct {
	HTTP       *http.Client
	Sign       Sign
	S3Endpoint string // base URL; the bucket is addressed by path
	GitHubURL  string // base URL of GitHub's API
	UserAgent  string
	MaxBytes   int64           // of a bundle
	Waits      []time.Duration // before each further attempt at a source that is down
	Silence    time.Duration   // after which a source that has begun to send is given up; default 80 s, as with the official agent
	Log        *slog.Logger
}

// DefaultWaits are the pauses between attempts. The official agent waits 10, 30 and 90 s; most trouble is shorter.
func DefaultWaits() []time.Duration {
	return []time.Duration{500 * time.Millisecond, 2 * time.Second, 10 * time.Second, 30 * time.Second}
}

// emptyPayload is the SHA-256 of no body.
const emptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Fetch writes the revision's bundle to dest and says what kind it is. A local directory has no bundle: see [Fetcher.CopyDirectory].
func (f *Fetcher) Fetch(ctx context.Context, spec envelope.Specification, dest string) (archive.Kind, error) {
	switch r := spec.Revision; r.RevisionType {
	case envelope.RevisionS3:
		return kindOf(r.S3Revision.BundleType), f.fromS3(ctx, *r.S3Revision, dest)
	case envelope.RevisionGitHub:
		return f.fromGitHub(ctx, *r.GitHubRevision, spec.GitHubAccessToken, dest)
	default:
		return kindOf(r.LocalRevision.BundleType), f.fromDisk(ctx, r.LocalRevision.Location, dest)
	}
}

// kindOf takes what is not known for a tar, as the official agent does.
func kindOf(bundleType string) archive.Kind {
	switch k := archive.Kind(bundleType); k {
	case archive.Zip, archive.Tgz:
		return k
	default:
		return archive.Tar
	}
}
