package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// RunTogether has several servers of one database move a deployment, each for some events and never the same for long, so that none may go by what it knew.
func RunTogether(t *testing.T, servers ...store.Store) {
	t.Helper()
	_, g := seeded(t, servers[0])
	in := &inTurn{Store: servers[0], t: t, servers: servers}
	w := newWorld(t, in, func(deploy.Group) {})
	id := w.create(g, deploy.KindBlueGreen)
	w.resolve(id, 5, 5)
	w.drive(id)
	w.step(id, deploy.Continue{Wait: deploy.ReadyWait, By: "me"})
	w.drive(id)
	w.step(id, deploy.Continue{Wait: deploy.TerminationWait, By: "me"})
	w.drive(id)
	if d := w.read(id); d.State.Status != deploy.StatusSucceeded {
		t.Fatalf("the deployment is %s: %+v", d.State.Status, d.State.Error)
	}
	if in.turns < 60 || in.failed < 10 {
		t.Errorf("only %d batches, of which %d were taken back", in.turns, in.failed)
	}
	stopped := w.other(g, id)
	w.step(stopped, deploy.Stop{By: "me"})
	for _, s := range servers {
		equal(t, "the deployment that was stopped", must1[deploy.Deployment](t)(s.Deployment(t.Context(), account, stopped)).State.Status, deploy.StatusStopped)
	}
}

// inTurn is servers that write batches in turn, two in a row each. Now and then one of them fails after all was written, and is tried again.
type inTurn struct {
	store.Store
	t             *testing.T
	servers       []store.Store
	turns, failed int
}

var errOnPurpose = errors.New("on purpose")

// Batch implements store.Deployments.
func (i *inTurn) Batch(ctx context.Context, fn func(store.Batch) error) error {
	for {
		n := i.turns / 2 % len(i.servers)
		fails := i.turns%7 == 3
		i.turns++
		_, err := replicasOf(i.t, i.servers[n]).SharedBatch(ctx, fmt.Sprintf("r-%d", n), time.Now(), func(b store.SharedBatch) error {
			err := fn(b)
			if err == nil && fails {
				err = errOnPurpose
			}
			return err
		})
		if !errors.Is(err, errOnPurpose) {
			return err
		}
		i.failed++
	}
}
