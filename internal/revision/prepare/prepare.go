// Package prepare makes a revision ready for hosts to fetch before a deployment of it begins, and says what is wrong with it in the words of
// errorInformation.
//
// It owns the check of S3 locations (the built-in store's and those of configured endpoints: there, in that version, with that ETag), and that
// a commit is downloaded, repacked and kept once for each account. Which code stands for which fault is decided here and nowhere else. It opens
// no bundle (see package inspect) and knows nothing of deployments but their revision. A [Preparer] is safe for concurrent use and owns no
// goroutine.
package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/revision"
	"crossfade/internal/revision/github"
	"crossfade/internal/revision/repack"
	"crossfade/internal/revision/s3store"
)

// Commits is where commits are downloaded from.
type Commits interface {
	// Archive begins a download; see github.Client.
	Archive(ctx context.Context, c github.Commit, token github.Token) (io.ReadCloser, error)
	// Host names the source host, for messages.
	Host() string
}

// Tokens gives out the secret of an account's token by name.
type Tokens interface {
	// Token answers false when there is none of the name, and ErrSealed when it is there and can't be read.
	Token(ctx context.Context, account, name string) (secret string, ok bool, err error)
}

// ErrSealed is behind a token that can't be opened: it was sealed under another key file.
var ErrSealed = errors.New("the token can't be opened")

// Options are what a Preparer works with. Store, Commits, Tokens and Log are required.
type Options struct {
	Store    *s3store.Store
	External map[string]revision.Source // by bucket
	Commits  Commits
	Tokens   Tokens
	Limits   repack.Limits // of commits
	Log      *slog.Logger
}

// Preparer prepares revisions.
type Preparer struct {
	o    Options
	busy turns
}

// New makes a Preparer.
func New(o Options) *Preparer { return &Preparer{o: o} }

// Prepare makes the revision ready for hosts to fetch, and says what is wrong with it, or nil. An error means that it is worth trying again; one
// with a method RetryAt() time.Time says when. It may take as long as a download; ctx ends it. A revision without a bundle is ready as it is.
func (p *Preparer) Prepare(ctx context.Context, account string, r deploy.Revision) (*deploy.ErrorInfo, error) {
	switch {
	case r.S3 != nil:
		return p.checkS3(ctx, account, *r.S3)
	case r.GitHub != nil:
		return p.fetchCommit(ctx, account, *r.GitHub)
	default:
		return nil, nil
	}
}

// locate says where the bundle of a revision is and of what type it is; false: it has none.
func locate(account string, r deploy.Revision) (l revision.Location, bundleType string, ok bool) {
	switch {
	case r.S3 != nil:
		return location(*r.S3), r.S3.BundleType, true
	case r.GitHub != nil:
		return revision.GitHubBundle(account, r.GitHub.Repository, r.GitHub.CommitID), "tgz", true
	default:
		return revision.Location{}, "", false
	}
}

func location(l deploy.S3Location) revision.Location {
	return revision.Location{Bucket: l.Bucket, Key: l.Key, Version: l.Version, ETag: l.ETag}
}

// source finds who has a bucket, or says what is wrong with asking for it.
func (p *Preparer) source(account, bucket string) (revision.Source, *deploy.ErrorInfo) {
	// In this order the server answers hosts, too.
	if s, ok := p.o.External[bucket]; ok {
		return s, nil
	}
	b, err := p.o.Store.Bucket(bucket)
	if err != nil {
		return nil, missing("The bucket %s is neither in the built-in store nor configured under revisions.external; create it and upload the bundle, or configure where it is.", bucket)
	}
	if b.Account != account {
		return nil, missing("The bucket %s of the built-in store is another account's; upload the bundle to a bucket of this account.", bucket)
	}
	return p.o.Store, nil
}

// Open reads the bundle of a revision that Prepare found nothing wrong with, for its account. The caller closes it.
func (p *Preparer) Open(ctx context.Context, account string, r deploy.Revision) (_ io.ReadCloser, _ revision.Info, bundleType string, err error) {
	l, bundleType, ok := locate(account, r)
	if !ok {
		return nil, revision.Info{}, "", fmt.Errorf("open a revision of the type %s: it has no bundle", r.Type)
	}
	source, wrong := p.source(account, l.Bucket)
	if wrong != nil {
		return nil, revision.Info{}, "", fmt.Errorf("%s: %w", wrong.Message, revision.ErrNotFound)
	}
	content, info, err := source.Open(ctx, l)
	return content, info, bundleType, err
}

func (p *Preparer) checkS3(ctx context.Context, account string, s deploy.S3Location) (*deploy.ErrorInfo, error) {
	l := location(s)
	source, wrong := p.source(account, l.Bucket)
	if wrong != nil {
		return wrong, nil
	}
	// Without the ETag: it is judged here, so that the message can name both.
	want := revision.Unquote(l.ETag)
	l.ETag = ""
	found, err := source.Stat(ctx, l)
	switch {
	case errors.Is(err, revision.ErrNotFound) && l.Version != "":
		return missing("The bundle %s is not there in version %s; upload it, and register the revision with the version that the upload answers.", l, l.Version), nil
	case errors.Is(err, revision.ErrNotFound):
		return missing("The bundle %s is not there; upload it, or register the revision where it is.", l), nil
	case errors.Is(err, revision.ErrDenied):
		return missing("The bundle %s can't be looked at, since the endpoint of its bucket refuses it or has no such bundle; give the configured key s3:GetObject and s3:ListBucket there.", l), nil
	case err != nil:
		return nil, fmt.Errorf("look at %s: %w", l, err)
	}
	if have := revision.Unquote(found.ETag); want != "" && want != have {
		return missing("The bundle %s has the eTag %s, but the revision was registered with %s; register it again as it is, or upload the bundle that was registered.", l, have, want), nil
	}
	return nil, nil
}

func missing(format string, args ...any) *deploy.ErrorInfo {
	return &deploy.ErrorInfo{Code: deploy.CodeRevisionMissing, Message: fmt.Sprintf(format, args...)}
}

// ownerOf is the account that a repository belongs to at its source host.
func ownerOf(repository string) string {
	owner, _, _ := strings.Cut(repository, "/")
	return owner
}
