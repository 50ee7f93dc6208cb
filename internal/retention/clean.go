package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"crossfade/internal/store"
)

// deployments removes deployments that are over a bound, group by group.
func (r *round) deployments(ctx context.Context) error {
	var errs []error
	err := r.eachGroup(ctx, func(group string) error {
		if err := r.group(ctx, group); err != nil {
			if ctx.Err() != nil {
				return err
			}
			errs = append(errs, fmt.Errorf("clean up the deployments of group %s: %w", group, err))
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// eachGroup visits the groups that have deployments, if deployments are bounded.
func (r *round) eachGroup(ctx context.Context, visit func(group string) error) error {
	if !r.Policy.Deployments.bounded() {
		return nil
	}
	return pages(func(after string) ([]string, error) {
		return r.Store.HistoryGroups(ctx, store.Page{After: after, Limit: page})
	},
		func(group string) string { return group }, visit)
}

// pages visits the entries of a paged list. A page is not read before the one before it was visited, so that what goes meanwhile is not read.
func pages[T any](read func(after string) ([]T, error), cursor func(T) string, visit func(T) error) error {
	after := ""
	for {
		entries, err := read(after)
		if err != nil {
			return err
		}
		for _, e := range entries {
			after = cursor(e)
			if err := visit(e); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
	}
}

// eachDeployment visits the deployments of a group that may be over a bound, with the verdict.
func (r *round) eachDeployment(ctx context.Context, group string, visit func(store.OldDeployment, Verdict) error) error {
	bounds := r.Policy.Deployments
	return pages(func(after string) ([]store.OldDeployment, error) {
		return r.Store.OldDeployments(ctx, group, before(r.now, bounds.Age), bounds.Count, store.Page{After: after, Limit: page})
	}, func(d store.OldDeployment) string { return d.Cursor }, func(d store.OldDeployment) error { return visit(d, r.Policy.Deployment(r.now, d)) })
}

func (r *round) group(ctx context.Context, group string) error {
	var ids []string
	err := r.eachDeployment(ctx, group, func(d store.OldDeployment, v Verdict) error {
		if v.Goes == "" {
			return nil
		}
		ids = append(ids, d.ID)
		if len(ids) < removeMost {
			return nil
		}
		err := r.remove(ctx, group, ids)
		ids = ids[:0]
		return err
	})
	if err == nil && len(ids) > 0 {
		err = r.remove(ctx, group, ids)
	}
	return err
}

// remove removes deployments of a group, and what is left of them.
func (r *round) remove(ctx context.Context, group string, ids []string) error {
	for done := false; !done; {
		err := r.batch(ctx, func(rows int) error {
			went, err := r.Store.RemoveDeployments(ctx, group, ids, rows)
			r.sum.Deployments += went.Deployments
			r.sum.Rows += went.Rows
			r.sum.LogBytes += went.LogBytes
			done = went.Done
			return err
		})
		if err != nil {
			return err
		}
	}
	return r.sweep(ctx)
}

// logs removes the logs of deployments that ended long ago, and the oldest while all together are too large.
func (r *round) logs(ctx context.Context) error {
	err := r.eachLog(ctx, func(l store.OldLog, v Verdict) (freed int64, err error) {
		if v.Goes == "" {
			return 0, nil
		}
		return r.removeLogs(ctx, l.DeploymentID)
	})
	if err != nil {
		return fmt.Errorf("clean up logs: %w", err)
	}
	return nil
}

// eachLog visits the logs of deployments, the oldest first, until no later one can be over a bound. visit returns how many bytes less there are.
func (r *round) eachLog(ctx context.Context, visit func(store.OldLog, Verdict) (freed int64, err error)) error {
	bounds := r.Policy.Logs
	var total int64
	if bounds.Bytes > 0 {
		var err error
		if total, err = r.Store.LogBytes(ctx); err != nil {
			return err
		}
	}
	if bounds.Age <= 0 && total <= bounds.Bytes {
		return nil
	}
	cut := before(r.now, bounds.Age)
	seen := map[string]bool{}
	for position := int64(0); ; {
		logs, next, err := r.Store.OldLogs(ctx, position, page)
		if err != nil {
			return err
		}
		for _, l := range logs {
			// Chunks come in the order of time, and none before its deployment was created: what follows is younger than that.
			if !l.CreatedAt.Before(cut) && (bounds.Bytes == 0 || total <= bounds.Bytes) {
				return nil
			}
			if seen[l.DeploymentID] {
				continue
			}
			seen[l.DeploymentID] = true
			freed, err := visit(l, r.Policy.Log(r.now, l, total))
			if err != nil {
				return err
			}
			total -= freed
		}
		if next == position {
			return nil
		}
		position = next
	}
}

func (r *round) removeLogs(ctx context.Context, id string) (freed int64, err error) {
	for {
		n := 0
		err := r.batch(ctx, func(rows int) error {
			removed, bytes, err := r.Store.RemoveLogs(ctx, id, rows)
			n, freed = removed, freed+bytes
			r.sum.Rows += removed
			r.sum.LogBytes += bytes
			return err
		})
		if err != nil || n == 0 {
			return freed, err
		}
	}
}

// revisions removes revisions that are over a bound, application by application, each with its bundle.
func (r *round) revisions(ctx context.Context) error {
	var errs []error
	err := r.eachApplication(ctx, func(application string) error {
		if err := r.application(ctx, application); err != nil {
			if ctx.Err() != nil {
				return err
			}
			errs = append(errs, fmt.Errorf("clean up the revisions of application %s: %w", application, err))
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

func (r *round) eachApplication(ctx context.Context, visit func(application string) error) error {
	if !r.Policy.Revisions.bounded() {
		return nil
	}
	return pages(func(after string) ([]string, error) {
		return r.Store.RevisionApplications(ctx, store.Page{After: after, Limit: page})
	},
		func(application string) string { return application }, visit)
}

func (r *round) eachRevision(ctx context.Context, application string, visit func(store.OldRevision, Verdict) error) error {
	bounds := r.Policy.Revisions
	return pages(func(after string) ([]store.OldRevision, error) {
		return r.Store.OldRevisions(ctx, application, before(r.now, bounds.Age), bounds.Count, store.Page{After: after, Limit: page})
	}, func(v store.OldRevision) string { return v.Cursor }, func(v store.OldRevision) error { return visit(v, r.Policy.Revision(r.now, v)) })
}

func (r *round) application(ctx context.Context, application string) error {
	var going []store.OldRevision
	err := r.eachRevision(ctx, application, func(v store.OldRevision, verdict Verdict) error {
		if verdict.Goes != "" {
			going = append(going, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(going, removeMost) {
		if err := r.removeRevisions(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// removeRevisions removes revisions first and their bundles then: a bundle too many does less harm than one that is missing.
func (r *round) removeRevisions(ctx context.Context, some []store.OldRevision) error {
	return r.batch(ctx, func(int) error {
		went, err := r.Store.RemoveRevisions(ctx, some)
		r.sum.Revisions += len(went)
		if err != nil || r.Bundles == nil {
			return err
		}
		var errs []error
		for _, v := range went {
			known, err := r.Store.RevisionKnown(ctx, v.Revision)
			bytes := int64(0)
			if err == nil && !known {
				bytes, err = r.Bundles.Remove(v.Account, v.Revision, r.unwritten())
			}
			if err != nil {
				errs = append(errs, err)
			}
			if bytes > 0 {
				r.sum.Bundles++
				r.sum.BundleBytes += bytes
			}
		}
		return errors.Join(errs...)
	})
}

// bundleRest is how long a bundle is left alone after it was written, when no age is given: it may be about to be registered.
const bundleRest = 24 * time.Hour

// unwritten is the time since which nothing may have been written to a bundle that goes.
func (r *round) unwritten() time.Time {
	if r.Policy.Revisions.Age > 0 {
		return r.now.Add(-r.Policy.Revisions.Age)
	}
	return r.now.Add(-bundleRest)
}
