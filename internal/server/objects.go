package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"crossfade/internal/auth"
	"crossfade/internal/edge"
	"crossfade/internal/revision/s3store"
	"crossfade/internal/revision/s3store/s3api"
)

// openBundles opens the revision store, in the directory that servers share or in this one's own, and makes the configured buckets.
func openBundles(o Options, log *slog.Logger) (*s3store.Store, error) {
	shared := o.Config.Revisions.Directory
	store, err := s3store.Open(s3store.Options{Dir: cmp.Or(shared, filepath.Join(o.Config.Data, objectDirectory)), Shared: shared != "", Log: log, Now: o.Now, NewID: identifiers{}.UUID})
	if err != nil {
		return nil, fmt.Errorf("open the revision store: %w", err)
	}
	for _, bucket := range o.Config.Revisions.Buckets {
		if err := store.EnsureBucket(o.Config.Account, bucket); err != nil {
			return nil, fmt.Errorf("make the bucket %s: %w", bucket, err)
		}
	}
	return store, nil
}

// newObjects puts its S3 in front of the revision store. Under the server's own names a bucket may be addressed as bucket.NAME, which is how the official
// agent does it.
func newObjects(o Options, names []string, store *s3store.Store, decide *auth.Authorizer, log *slog.Logger) edge.Objects {
	return s3api.New(s3api.Options{
		Store: store, Region: o.Config.Region, Hosts: names, Authorize: decide.Authorize, Log: log,
		Account: func(ctx context.Context) string {
			c, _ := auth.FromContext(ctx)
			return c.Account
		},
	})
}
