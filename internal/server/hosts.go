package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/auth"
	"crossfade/internal/deploy"
	"crossfade/internal/fleet/autoscaling"
	"crossfade/internal/revision"
	"crossfade/internal/store"
)

// hosts tells the authorizer of registered instances and what they may read.
type hosts struct{ store store.Store }

var _ auth.Hosts = hosts{}

// IsHost implements auth.Hosts.
func (h hosts) IsHost(ctx context.Context, arn string) (bool, error) {
	_, err := h.store.InstanceByHost(ctx, arn)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// MayRead implements auth.Hosts: the bundle must be that of a deployment that is under way and that the host takes part in. Another version of the object
// is another revision.
func (h hosts) MayRead(ctx context.Context, arn, bucket, key, version string) (bool, error) {
	i, err := h.store.InstanceByHost(ctx, arn)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var targets []deploy.Target
	for _, name := range namesOf(i) {
		found, err := h.store.UnfinishedTargets(ctx, i.Account, name)
		if err != nil {
			return false, err
		}
		targets = append(targets, found...)
	}
	for _, t := range targets {
		if t.Host != arn {
			continue // the instance was registered anew since
		}
		d, err := h.store.Deployment(ctx, t.Account, t.DeploymentID)
		if err != nil {
			return false, fmt.Errorf("read deployment %s: %w", t.DeploymentID, err)
		}
		if b, k, v := bundleOf(d.Spec); b == bucket && k == key && (version == "" || version == v) {
			return true, nil
		}
	}
	return false, nil
}

// namesOf are the names under which a registered host takes part in deployments: its own, and in Auto Scaling groups of AWS that of the EC2 instance
// that its tag or its identity says it is.
func namesOf(i deploy.Instance) []string {
	names := []string{i.Name}
	if id := i.Tags[autoscaling.InstanceTag]; id != "" {
		names = append(names, id)
	}
	if _, id, ok := strings.Cut(i.Host(), ":instance/"); ok {
		names = append(names, id)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// bundleOf is where hosts get a deployment's revision. The version is empty when the deployment names none.
func bundleOf(spec deploy.Spec) (bucket, key, version string) {
	switch r := spec.Revision; {
	case r.S3 != nil:
		return r.S3.Bucket, r.S3.Key, r.S3.Version
	case r.GitHub != nil:
		l := revision.GitHubBundle(spec.Account, r.GitHub.Repository, r.GitHub.CommitID)
		return l.Bucket, l.Key, ""
	default:
		return "", "", ""
	}
}
