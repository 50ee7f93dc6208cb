package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// RegisterApplicationRevision implements control.Service. It does not look whether the bundle is there.
func (s *Service) RegisterApplicationRevision(ctx context.Context, in *control.RegisterApplicationRevisionInput) error {
	p := s.check("RegisterApplicationRevision", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	p.description(in.Description)
	location := p.revision("revision", in.Revision)
	if err := p.err(); err != nil {
		return err
	}
	app, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return err
	}
	if err := fits(location, app.Platform); err != nil {
		return err
	}
	if location.Content != nil && location.Content.Content == "" {
		known, err := s.cfg.Store.Revision(ctx, app.ID, location)
		if errors.Is(err, store.ErrNotFound) {
			return wire.Errorf(control.InvalidRevisionException, "revision gives only a sha256, and the application %s knows no content with it.", app.Name)
		}
		if err != nil {
			return fmt.Errorf("read a revision of %s: %w", app.Name, err)
		}
		location = known.Revision
	}
	err = s.cfg.Store.RegisterRevision(ctx, app.Account, deploy.RegisteredRevision{
		ApplicationID: app.ID, Revision: location, Description: value(in.Description), RegisteredAt: s.now(),
	})
	if errors.Is(err, store.ErrNotFound) {
		return noApplication(app.Name) // deleted meanwhile
	}
	if err != nil {
		return fmt.Errorf("register a revision of %s: %w", app.Name, err)
	}
	return nil
}

// GetApplicationRevision implements control.Service.
func (s *Service) GetApplicationRevision(ctx context.Context, in *control.GetApplicationRevisionInput) (*control.GetApplicationRevisionOutput, error) {
	p := s.check("GetApplicationRevision", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	location := p.revision("revision", in.Revision)
	if err := p.err(); err != nil {
		return nil, err
	}
	app, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	r, info, err := s.revision(ctx, app, location)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noRevision(app.Name)
	}
	if err != nil {
		return nil, err
	}
	return &control.GetApplicationRevisionOutput{ApplicationName: &app.Name, Revision: revisionOut(r.Revision, true), RevisionInfo: info}, nil
}

func noRevision(application string) error {
	return wire.Errorf(control.RevisionDoesNotExistException, "The application %s knows no such revision; version and eTag must be given as they were registered.", application)
}

// revision reads a revision with what is known of it; store.ErrNotFound is passed on.
func (s *Service) revision(ctx context.Context, app deploy.Application, location deploy.Revision) (deploy.RegisteredRevision, *control.GenericRevisionInfo, error) {
	r, err := s.cfg.Store.Revision(ctx, app.ID, location)
	if err != nil {
		return r, nil, fmt.Errorf("read a revision of %s: %w", app.Name, err)
	}
	groups, err := s.cfg.Store.RevisionGroups(ctx, app.ID, location)
	if err != nil {
		return r, nil, fmt.Errorf("read the groups of a revision of %s: %w", app.Name, err)
	}
	return r, &control.GenericRevisionInfo{
		Description: optional(r.Description), DeploymentGroups: some(groups), RegisterTime: wire.At(r.RegisteredAt),
		FirstUsedTime: wire.At(r.FirstUsedAt), LastUsedTime: wire.At(r.LastUsedAt),
	}, nil
}

// BatchGetApplicationRevisions implements control.Service. Unknown revisions are left out and named in errorMessage.
func (s *Service) BatchGetApplicationRevisions(ctx context.Context, in *control.BatchGetApplicationRevisionsInput) (*control.BatchGetApplicationRevisionsOutput, error) {
	p := s.check("BatchGetApplicationRevisions", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	p.atMost(control.BatchLimitExceededException, "revisions", len(in.Revisions), 25)
	locations := make([]deploy.Revision, len(in.Revisions))
	for i := range in.Revisions {
		locations[i] = p.revision(fmt.Sprintf("revisions[%d]", i), &in.Revisions[i])
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	app, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	out := &control.BatchGetApplicationRevisionsOutput{ApplicationName: &app.Name, Revisions: []control.RevisionInfo{}}
	var unknown []string
	for i, l := range locations {
		r, info, err := s.revision(ctx, app, l)
		if errors.Is(err, store.ErrNotFound) {
			unknown = append(unknown, fmt.Sprintf("revisions[%d]", i))
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Revisions = append(out.Revisions, control.RevisionInfo{RevisionLocation: revisionOut(r.Revision, false), GenericRevisionInfo: info})
	}
	if len(unknown) > 0 {
		out.ErrorMessage = new(fmt.Sprintf("The application %s does not know %s.", app.Name, strings.Join(unknown, ", ")))
	}
	return out, nil
}

var bucketPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$`) })

// ListApplicationRevisions implements control.Service.
func (s *Service) ListApplicationRevisions(ctx context.Context, in *control.ListApplicationRevisionsInput) (*control.ListApplicationRevisionsOutput, error) {
	p := s.check("ListApplicationRevisions", in)
	p.name(control.InvalidApplicationNameException, "applicationName", in.ApplicationName)
	bucket, prefix := value(in.S3Bucket), value(in.S3KeyPrefix)
	if in.SortOrder != nil && in.SortBy == nil {
		p.add(control.InvalidSortByException, "sortOrder is given without sortBy.")
	}
	if prefix != "" && bucket == "" {
		p.add(control.BucketNameFilterRequiredException, "s3KeyPrefix is given without s3Bucket.")
	}
	if bucket != "" && !bucketPattern().MatchString(bucket) {
		p.add(control.InvalidBucketNameFilterException, "s3Bucket %s is not the name of a bucket.", quote(bucket))
	}
	if len(prefix) > maxKey {
		p.add(control.InvalidKeyPrefixFilterException, "s3KeyPrefix is longer than %d bytes.", maxKey)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	order := store.RevisionOrder{
		By: string(value(in.SortBy)), Descending: value(in.SortOrder) == control.SortOrderDescending,
		Bucket: bucket, KeyPrefix: prefix, Deployed: string(value(in.Deployed)),
	}
	l, err := s.list(ctx, "ListApplicationRevisions", *in.ApplicationName, order)
	if err != nil {
		return nil, err
	}
	page, err := l.page(in.NextToken)
	if err != nil {
		return nil, err
	}
	app, err := s.application(ctx, *in.ApplicationName)
	if err != nil {
		return nil, err
	}
	entries, err := s.cfg.Store.Revisions(ctx, app.ID, order, page)
	if err != nil {
		return nil, fmt.Errorf("list the revisions of %s: %w", app.Name, err)
	}
	entries, next := cut(l, entries, func(e store.RevisionEntry) string { return e.Cursor })
	out := &control.ListApplicationRevisionsOutput{Revisions: make([]control.RevisionLocation, len(entries)), NextToken: next}
	for i, e := range entries {
		out.Revisions[i] = *revisionOut(e.Revision, false)
	}
	return out, nil
}
