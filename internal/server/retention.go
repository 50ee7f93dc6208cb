package server

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"crossfade/internal/config"
	"crossfade/internal/deploy"
	"crossfade/internal/retention"
	"crossfade/internal/revision"
	"crossfade/internal/revision/s3store"
	"crossfade/internal/telemetry"
)

// cleaning is the server's rounds of cleaning up. Every server cleans up when it is asked to; the one that has the duty does so by itself.
type cleaning struct {
	*retention.Rounds
	mine atomic.Bool
}

func newCleaning(o Options, kept *database, bundles *s3store.Store, metrics *telemetry.Metrics) *cleaning {
	c := &cleaning{}
	c.Rounds = retention.New(retention.Config{
		Store: kept, Bundles: builtinBundles{bundles}, Policy: keptFor(o.Config.Retention), Interval: o.Config.Retention.Interval, Mine: c.mine.Load,
		Clock: systemClock(o.Now), Observe: metrics.Retention(), Log: o.Log.With("part", "retention"),
	})
	return c
}

// keptFor is the configuration as the rounds take it.
func keptFor(c config.Retention) retention.Policy {
	return retention.Policy{
		Deployments: retention.Limit{Age: c.Deployments.Age, Count: c.Deployments.Count},
		Logs:        retention.LogLimit{Age: c.Logs.Age, Bytes: int64(c.Logs.Megabytes) << 20},
		Revisions:   retention.Limit{Age: c.Revisions.Age, Count: c.Revisions.Count},
	}
}

// begin takes the duty, until the end that it returns.
func (c *cleaning) begin(context.Context) (end func(), err error) {
	c.mine.Store(true)
	return func() { c.mine.Store(false) }, nil
}

// builtinBundles are the bundles in the built-in store.
type builtinBundles struct{ store *s3store.Store }

// Remove implements retention.Bundles. A revision may name any bucket; only one of its own account's is touched.
func (b builtinBundles) Remove(account string, r deploy.Revision, unwrittenSince time.Time) (int64, error) {
	var at revision.Location
	switch {
	case r.S3 != nil:
		at = revision.Location{Bucket: r.S3.Bucket, Key: r.S3.Key}
	case r.GitHub != nil:
		at = revision.GitHubBundle(account, r.GitHub.Repository, r.GitHub.CommitID)
	default:
		return 0, nil
	}
	bucket, err := b.store.Bucket(at.Bucket)
	if err == nil && bucket.Account == account {
		size, gone, err := b.store.DeleteUnwritten(at.Bucket, at.Key, unwrittenSince)
		if gone || err != nil {
			return size, err
		}
		return 0, nil
	}
	var refused *s3store.Error
	if errors.As(err, &refused) { // it is in an external bucket, or was never in one of these
		return 0, nil
	}
	return 0, err
}
