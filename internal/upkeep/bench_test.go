package upkeep_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/upkeep"
)

// settledStore has a thousand groups of ten instances each, all up to date.
type settledStore struct {
	upkeep.Store
	groups    []deploy.Group
	instances []deploy.Instance
	byGroup   map[string][]deploy.Instance
	states    map[string][]deploy.InstanceState
}

func (s *settledStore) AllGroups(_ context.Context, p store.Page) ([]deploy.Group, error) {
	from := 0
	for from < len(s.groups) && s.groups[from].ID <= p.After {
		from++
	}
	return s.groups[from:min(from+p.Limit, len(s.groups))], nil
}

func (s *settledStore) Instances(_ context.Context, _ string, f store.InstanceFilter, _ store.Page) ([]deploy.Instance, error) {
	if len(f.Tags) == 0 {
		return s.instances, nil
	}
	return s.byGroup[f.Tags[0].Value], nil
}

func (s *settledStore) InstanceStates(_ context.Context, groupID string) ([]deploy.InstanceState, error) {
	return s.states[groupID], nil
}

// BenchmarkPass is a pass with nothing to do over 1,000 groups and 10,000 instances, without the database's part.
func BenchmarkPass(b *testing.B) {
	s := &settledStore{states: map[string][]deploy.InstanceState{}, byGroup: map[string][]deploy.Instance{}}
	v1 := deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "v1", BundleType: "zip"}}
	for i := range 1000 {
		id := fmt.Sprintf("g-%04d", i)
		g := deploy.Group{ID: id, Account: account, TargetRevision: &v1, LastSuccessful: &deploy.DeploymentRef{ID: "d-1"}}
		g.Settings.Selection.OnPremFilters = []deploy.TagFilter{{Key: "group", Value: id, Type: deploy.KeyAndValue}}
		s.groups = append(s.groups, g)
		from := len(s.instances)
		for j := range 10 {
			name := fmt.Sprintf("%s-%d", id, j)
			s.instances = append(s.instances, deploy.Instance{Account: account, Name: name, IAMUserARN: "host:" + name, Address: "127.0.0.1", Tags: map[string]string{"group": id}})
			s.states[id] = append(s.states[id], deploy.InstanceState{Instance: name, Revision: v1.Key(), Attempted: v1.Key(), Healthy: true, At: time.Now()})
		}
		s.byGroup[id] = s.instances[from:]
	}
	u := upkeep.New(upkeep.Config{
		Store: s, Clock: &clock{}, Log: slog.New(slog.DiscardHandler),
		Fleet: func(registered fleet.Instances) fleet.Fleet { return fleet.Registered{Instances: registered} },
	})
	for b.Loop() {
		if acted, err := u.RunOnce(b.Context()); err != nil || acted {
			b.Fatal(acted, err)
		}
	}
}
