package server

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/upkeep"
)

// passes is a store without groups, which tells when they are read.
type passes struct {
	upkeep.Store
	read chan struct{}
}

func (p passes) AllGroups(context.Context, store.Page) ([]deploy.Group, error) {
	p.read <- struct{}{}
	return nil, nil
}

// TestAChangedGroupIsLookedAtSoon holds that hooks need not wait for the next round, an hour from now, and that other calls cause none.
func TestAChangedGroupIsLookedAtSoon(t *testing.T) {
	t.Parallel()
	p := passes{read: make(chan struct{})}
	u := upkeep.New(upkeep.Config{Store: p, Fleet: (&fleets{}).over, Clock: systemClock(time.Now), Interval: time.Hour, Log: slog.New(slog.DiscardHandler)})
	r := &rounds{}
	var seen []string
	observe := r.observing(func(_, operation, _ string, _ time.Duration) { seen = append(seen, operation) })
	observe("codedeploy", "CreateDeploymentGroup", "", 0) // before the start it changes nothing
	r.upkeep.Store(u)
	u.Start(t.Context())
	<-p.read
	for _, operation := range []string{"CreateDeploymentGroup", "UpdateDeploymentGroup"} {
		observe("codedeploy", operation, "", 0)
		<-p.read
	}
	observe("codedeploy", "CreateDeploymentGroup", "DeploymentGroupAlreadyExistsException", 0)
	observe("codedeploy", "ListDeployments", "", 0)
	u.Stop()
	if len(seen) != 5 {
		t.Errorf("it observed %v", seen)
	}
	select {
	case <-p.read:
		t.Error("a call that changed no group caused a round")
	default:
	}
}
