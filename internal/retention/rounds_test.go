package retention_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/retention"
	"crossfade/internal/store"
)

func TestARoundRemovesWhatIsOverAndNothingElse(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		var ids []string
		for n := range 8 {
			ids = append(ids, w.deployment(time.Duration(100-10*n)*day, false))
		}
		running := w.deployment(5*day, true)
		r := w.rounds(retention.Policy{Deployments: retention.Limit{Age: 65 * day}})
		plan, err := r.Plan(t.Context(), account)
		want := []retention.Share{{ID: "g", Name: "shop/web", Count: 4, Why: map[retention.Reason]int{retention.OverAge: 4}, Examples: ids[:4]}}
		if err != nil || !reflect.DeepEqual(plan.Deployments, want) || plan.More {
			t.Errorf("the plan is %+v, %v", plan, err)
		}
		if other, err := r.Plan(t.Context(), "another"); err != nil || len(other.Deployments) != 0 {
			t.Errorf("another account's plan is %+v, %v", other, err)
		}
		if len(w.left()) != 9 {
			t.Fatalf("a plan has removed something: %v", w.left())
		}
		sum, err := r.RunOnce(t.Context())
		if err != nil || sum.Deployments != 4 || sum.Rows < 16 || sum.LogBytes == 0 {
			t.Errorf("%+v, %v", sum, err)
		}
		stays := slices.Concat([]string{running}, reversed(ids[4:]))
		if got := w.left(); !slices.Equal(got, stays) {
			t.Errorf("left: %v, want %v", got, stays)
		}
		if w.pauses < 2 || w.told[retention.KindDeployment] != 4 || w.told[retention.KindRow] != int64(sum.Rows) {
			t.Errorf("%d pauses, told %v", w.pauses, w.told)
		}
		if again, err := r.RunOnce(t.Context()); err != nil || !again.Empty() {
			t.Errorf("the next round: %+v, %v", again, err)
		}

		// Two are left by count. The running one counts, and the last success is needed, as is the last attempt.
		r = w.rounds(retention.Policy{Deployments: retention.Limit{Count: 1}})
		if sum, err := r.RunOnce(t.Context()); err != nil || sum.Deployments != 3 {
			t.Errorf("%+v, %v", sum, err)
		}
		if got := w.left(); !slices.Equal(got, []string{running, ids[7]}) {
			t.Errorf("left: %v", got)
		}
		plan, err = r.Plan(t.Context(), account)
		if err != nil || len(plan.Deployments) != 1 || plan.Deployments[0].Count != 0 || plan.Deployments[0].Held[store.HeldByGroup] != 1 {
			t.Errorf("the plan then is %+v, %v", plan, err)
		}
	})
}

func reversed(ids []string) []string {
	out := slices.Clone(ids)
	slices.Reverse(out)
	return out
}

func TestLogsGoBeforeTheirDeployments(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		ids := []string{w.deployment(50*day, false), w.deployment(40*day, false), w.deployment(20*day, false)}
		running := w.deployment(60*day, true)
		w.step(running, now.Add(-60*day), deploy.Resolved{Originals: []deploy.Selected{{ID: "i-1", Host: "h"}}})
		all := slices.Concat(ids, []string{running})
		r := w.rounds(retention.Policy{Logs: retention.LogLimit{Age: 45 * day}})
		if sum, err := r.RunOnce(t.Context()); err != nil || sum.LogBytes != 3*(5+store.LogLineCost) || sum.Deployments != 0 {
			t.Errorf("%+v, %v", sum, err)
		}
		if got := w.logged(all...); !slices.Equal(got, []int{0, 3, 3, 3}) {
			t.Errorf("by age, logs are left: %v", got)
		}
		// Room for two: the oldest of those that have ended goes.
		r = w.rounds(retention.Policy{Logs: retention.LogLimit{Bytes: 2 * 3 * (5 + store.LogLineCost)}})
		plan, err := r.Plan(t.Context(), account)
		if err != nil || plan.Logs.Count != 1 || plan.Logs.Examples[0] != ids[1] || plan.Logs.Why[retention.OverBytes] != 1 || plan.Logs.Bytes != 63 {
			t.Errorf("the plan is %+v, %v", plan.Logs, err)
		}
		if sum, err := r.RunOnce(t.Context()); err != nil || sum.LogBytes == 0 {
			t.Errorf("%+v, %v", sum, err)
		}
		if got := w.logged(all...); !slices.Equal(got, []int{0, 0, 3, 3}) {
			t.Errorf("by bytes, logs are left: %v", got)
		}
		if got := len(w.left()); got != 4 {
			t.Errorf("%d deployments are left", got)
		}
	})
}

func TestRevisionsGoWithTheirBundles(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		for n := range 4 {
			w.deployment(time.Duration(90-10*n)*day, false)
		}
		r := w.rounds(retention.Policy{Revisions: retention.Limit{Age: 10 * day}})
		plan, err := r.Plan(t.Context(), account)
		want := []retention.Share{{
			ID: "a", Name: "shop", Count: 3, Why: map[retention.Reason]int{retention.OverAge: 3}, Held: map[store.Hold]int{store.HeldByGroup: 1},
			Examples: []string{"s3://releases/v1.zip", "s3://releases/v2.zip", "s3://releases/v3.zip"},
		}}
		if err != nil || !reflect.DeepEqual(plan.Revisions, want) {
			t.Errorf("the plan is %+v, %v", plan.Revisions, err)
		}
		sum, err := r.RunOnce(t.Context())
		if err != nil || sum.Revisions != 3 || sum.Bundles != 3 || sum.BundleBytes != 21 {
			t.Errorf("%+v, %v", sum, err)
		}
		if want := []string{account + " v1.zip 240h0m0s", account + " v2.zip 240h0m0s", account + " v3.zip 240h0m0s"}; !slices.Equal(w.bundles, want) {
			t.Errorf("bundles: %q", w.bundles)
		}
		if len(w.left()) != 4 {
			t.Error("a deployment went with its revision")
		}
	})
}

func TestABundleThatAnotherRevisionHasStays(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		w.deployment(90*day, false) // of v1
		w.deployment(80*day, false)
		again := bundle(1)
		again.S3.ETag = "an-etag"
		if err := w.s.RegisterRevision(t.Context(), account, deploy.RegisteredRevision{ApplicationID: "a", Revision: again, RegisteredAt: now}); err != nil {
			t.Fatal(err)
		}
		sum, err := w.rounds(retention.Policy{Revisions: retention.Limit{Age: 10 * day}}).RunOnce(t.Context())
		if err != nil || sum.Revisions != 1 || sum.Bundles != 0 || len(w.bundles) != 0 {
			t.Errorf("%+v, %v, %v", sum, err, w.bundles)
		}
	})
}

// broken is a store that fails at deployments.
type broken struct{ store.Retention }

func (broken) OldDeployments(context.Context, string, time.Time, int, store.Page) ([]store.OldDeployment, error) {
	return nil, errors.New("the disk is gone")
}

func TestWhatFailsHindersNothingElse(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		for range 3 {
			w.deployment(90*day, false)
		}
		c := w.rounds(retention.Policy{Deployments: retention.Limit{Count: 1}, Revisions: retention.Limit{Age: 10 * day}}).Config
		c.Store = broken{w.s}
		r := retention.New(c)
		sum, err := r.RunOnce(t.Context())
		if err == nil || sum.Deployments != 0 || sum.Revisions == 0 {
			t.Errorf("%+v, %v", sum, err)
		}
		if !r.Last().Began.IsZero() {
			t.Error("a round that failed counts")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.RunOnce(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestRoundsRunWhenAskedToAlsoWhereTheyAreAnothersDuty(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		for range 3 {
			w.deployment(90*day, false)
		}
		c := w.rounds(retention.Policy{Deployments: retention.Limit{Age: day}}).Config
		ran := make(chan struct{}, 8)
		c.Interval = time.Millisecond
		c.Mine = func() bool {
			select {
			case ran <- struct{}{}:
			default:
			}
			return false
		}
		r := retention.New(c)
		r.Stop()
		r.Start(t.Context())
		r.Start(t.Context())
		<-ran
		<-ran
		if len(w.left()) != 3 {
			t.Error("a round ran that is another's")
		}
		r.Wake()
		r.Wake()
		for deadline := time.Now().Add(time.Minute); r.Last().Deployments == 0 && r.Last().Began.IsZero(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no round ran")
			}
		}
		r.Stop()
		r.Stop()
		if len(w.left()) != 1 {
			t.Errorf("left: %v", w.left())
		}
	})
}

// TestCleaningUpIsInNobodysWay holds that others write while a round removes, that nothing of either fails, and that nothing new goes.
func TestCleaningUpIsInNobodysWay(t *testing.T) {
	onEveryStore(t, func(t *testing.T, w *world) {
		for range 60 {
			w.deployment(50*day, false)
		}
		r := w.rounds(retention.Policy{Deployments: retention.Limit{Age: 10 * day}})
		var sum retention.Summary
		var err error
		over := make(chan struct{})
		go func() {
			defer close(over)
			sum, err = r.RunOnce(t.Context())
		}()
		var made []string
		for cleaning := true; cleaning; {
			made = append(made, w.deployment(day, false))
			select {
			case <-over:
				cleaning = false
			default:
			}
		}
		if err != nil || sum.Deployments < 59 {
			t.Errorf("%+v, %v", sum, err)
		}
		left := w.left()
		for _, id := range made {
			if !slices.Contains(left, id) {
				t.Errorf("%s is gone, and was made meanwhile", id)
			}
		}
		if len(left) > len(made)+1 {
			t.Errorf("%d are left, and %d were made meanwhile", len(left), len(made))
		}
	})
}
