package server

import (
	"context"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet/autoscaling"
	"crossfade/internal/store"
)

// oneTarget is a store with one registered host and one target of an unfinished deployment.
type oneTarget struct {
	store.Store
	registered deploy.Instance
	target     deploy.Target
}

func (s oneTarget) InstanceByHost(_ context.Context, host string) (deploy.Instance, error) {
	if host != s.registered.Host() {
		return deploy.Instance{}, store.ErrNotFound
	}
	return s.registered, nil
}

func (s oneTarget) UnfinishedTargets(_ context.Context, _, instance string) ([]deploy.Target, error) {
	if instance != s.target.ID {
		return nil, nil
	}
	return []deploy.Target{s.target}, nil
}

func (s oneTarget) Deployment(context.Context, string, string) (deploy.Deployment, error) {
	return deploy.Deployment{Spec: deploy.Spec{Revision: deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "k.zip", Version: "7"}}}}, nil
}

// TestHostsReadTheirDeploymentsRevisions holds that a host reads its revision under whichever name the deployment knows it.
func TestHostsReadTheirDeploymentsRevisions(t *testing.T) {
	t.Parallel()
	const user, ec2, id = "arn:aws:iam::000000000000:user/host/web", "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0", "i-0123456789abcdef0"
	for _, c := range []struct {
		name         string
		host         deploy.Instance
		target, sent string // the target's id and host
		key, version string
		want         bool
	}{
		{"a registered host", deploy.Instance{Name: "web", IAMUserARN: user}, "web", user, "k.zip", "", true},
		{"the deployment's version", deploy.Instance{Name: "web", IAMUserARN: user}, "web", user, "k.zip", "7", true},
		{"another version", deploy.Instance{Name: "web", IAMUserARN: user}, "web", user, "k.zip", "6", false},
		{"another object", deploy.Instance{Name: "web", IAMUserARN: user}, "web", user, "other.zip", "", false},
		{"another host's deployment", deploy.Instance{Name: "web", IAMUserARN: user}, "db", "arn:aws:iam::000000000000:user/host/db", "k.zip", "", false},
		{"the name's host before", deploy.Instance{Name: "web", IAMUserARN: user}, "web", "arn:aws:iam::000000000000:user/host/old", "k.zip", "", false},
		{"an EC2 instance by its tag", deploy.Instance{Name: "web", IAMUserARN: user, Tags: map[string]string{autoscaling.InstanceTag: id}}, id, user, "k.zip", "", true},
		{"an EC2 instance by its identity", deploy.Instance{Name: "web", IAMUserARN: ec2}, id, ec2, "k.zip", "", true},
		{"another EC2 instance", deploy.Instance{Name: "web", IAMUserARN: ec2}, "i-00000000000000000", ec2, "k.zip", "", false},
	} {
		h := hosts{oneTarget{registered: c.host, target: deploy.Target{ID: c.target, Host: c.sent}}}
		if got, err := h.MayRead(t.Context(), c.host.Host(), "b", c.key, c.version); err != nil || got != c.want {
			t.Errorf("%s: may read: %v, %v", c.name, got, err)
		}
	}
	if got, err := (hosts{oneTarget{}}).MayRead(t.Context(), "arn:nobody", "b", "k.zip", ""); err != nil || got {
		t.Errorf("nobody: may read: %v, %v", got, err)
	}
}
