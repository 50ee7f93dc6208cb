package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/notify"
	"crossfade/internal/notify/outbox"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
)

var errDown = errors.New("it is down")

// told is what messages of triggers say, in order.
func told(t *testing.T, messages []notify.Message) []string {
	t.Helper()
	var out []string
	for _, m := range messages {
		var document struct{ DeploymentID, Status, InstanceStatus string }
		if err := json.Unmarshal(m.Body, &document); err != nil {
			t.Fatal(err)
		}
		text := document.DeploymentID + " " + document.Status
		if document.InstanceStatus != "" {
			text += "instance " + document.InstanceStatus
		}
		out = append(out, text)
	}
	return out
}

func story(id string) []string {
	return []string{id + " Created", id + " instance InProgress", id + " instance Succeeded", id + " Succeeded"}
}

func runOnce(t *testing.T, o *outbox.Outbox, now time.Time) time.Time {
	t.Helper()
	next, err := o.RunOnce(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func lost(t *testing.T, s store.Notices) []store.LostDelivery {
	t.Helper()
	all, err := s.LostDeliveries(t.Context(), account, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestInOrder holds that each destination is told the story of each deployment, in the form that its sink wants, and nothing twice.
func TestInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := outbox.New(w.config())
	one := w.deployment(arn+"a1", arn+"b1")
	two := w.deployment(arn + "a2")
	runOnce(t, o, w.clock.Now())
	runOnce(t, o, w.clock.Now())
	byTopic := map[string][]notify.Message{}
	for _, m := range append(w.a.taken(), w.b.taken()...) {
		byTopic[m.Topic] = append(byTopic[m.Topic], m)
	}
	for topic, id := range map[string]string{"a1": one, "a2": two, "b1": one} {
		if got := told(t, byTopic[arn+topic]); !slices.Equal(got, story(id)) {
			t.Errorf("%s was told %q", topic, got)
		}
	}
	if body := string(byTopic[arn+"b1"][0].Body); !strings.Contains(body, `"deploymentOverview":"{`) || !strings.Contains(body, `"eventTriggerName":"t1"`) {
		t.Errorf("b wants strings only, and got %s", body)
	}
	if got := w.counts.all(); got != "map[a delivered:8 b delivered:4]" {
		t.Errorf("counted was %s", got)
	}
}

// TestRetries holds the pauses, that others go on meanwhile, that what comes later waits its turn, and the end after an hour.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := outbox.New(w.config())
	w.a.answers(func(notify.Message) error { return errDown })
	id := w.deployment(arn+"a1", arn+"b1")
	var pauses []time.Duration
	for range 12 {
		now := w.clock.Now()
		next := runOnce(t, o, now)
		pauses = append(pauses, next.Sub(now))
		w.clock.Pass(next.Sub(now))
	}
	s := time.Second
	if want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 120 * s, 120 * s, 120 * s}; !slices.Equal(pauses[:10], want) {
		t.Errorf("the pauses are %v, want %v", pauses, want)
	}
	if got := told(t, w.b.taken()); !slices.Equal(got, story(id)) {
		t.Errorf("meanwhile b was told %q", got)
	}
	w.a.answers(func(m notify.Message) error {
		if strings.Contains(string(m.Body), "Created") {
			return errDown
		}
		return nil
	})
	for w.clock.Now().Before(start.Add(59 * time.Minute)) {
		runOnce(t, o, w.clock.Pass(2*time.Minute))
		if got := w.a.taken(); len(got) != 0 && w.clock.Now().Before(start.Add(time.Hour)) {
			t.Fatalf("at %s a was told %q: later messages went before the first", w.clock.Now(), told(t, got))
		}
	}
	runOnce(t, o, w.clock.Pass(2*time.Minute))
	if got := told(t, w.a.taken()); !slices.Equal(got, story(id)[1:]) {
		t.Errorf("after the hour a was told %q", got)
	}
	all := lost(t, w.store)
	if len(all) != 1 || all[0].Problem != errDown.Error() || all[0].DeploymentID != id || all[0].Trigger != "t0" || all[0].Tries < 30 {
		t.Errorf("lost are %+v", all)
	}
	if got := w.counts.all(); !strings.Contains(got, "a lost:1") || !strings.Contains(got, "a delivered:3") {
		t.Errorf("counted was %s", got)
	}
}

// TestLateServer holds that a message that is older than the hour, because the server was down, is tried before it is given up.
func TestLateServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.deployment(arn + "a1")
	o := outbox.New(w.config())
	runOnce(t, o, w.clock.Pass(48*time.Hour))
	if got := told(t, w.a.taken()); !slices.Equal(got, story(id)) {
		t.Errorf("two days later it was told %q", got)
	}
}

// TestFinal holds that what is refused for good, and what has nowhere to go, is given up at once, in words.
func TestFinal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.a.answers(func(notify.Message) error { return notify.Permanent(errors.New("the topic is gone")) })
	w.deployment(arn+"a1", arn+"c1")
	o := outbox.New(w.config())
	runOnce(t, o, w.clock.Now())
	problems := map[string]int{}
	for _, l := range lost(t, w.store) {
		problems[l.Problem]++
	}
	if nowhere := "no sink takes the topic " + arn + "c1: name it in the topics of one of notifications.webhooks, or enable notifications.sns"; problems["the topic is gone"] != 4 || problems[nowhere] != 4 {
		t.Errorf("given up were %v", problems)
	}
	if got := w.counts.all(); got != "map[a lost:4 none lost:4]" {
		t.Errorf("counted was %s", got)
	}
}

func TestTestTrigger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := outbox.New(w.config())
	w.a.answers(func(notify.Message) error { return errDown })
	g := deploy.Group{ID: "g", Account: account, Application: "shop", Name: "web"}
	if err := o.TestTrigger(t.Context(), g, deploy.Trigger{Name: "tell", Target: arn + "a1"}); err != nil {
		t.Fatal(err)
	}
	next := runOnce(t, o, w.clock.Now())
	w.a.answers(nil)
	w.clock.Pass(next.Sub(w.clock.Now()))
	runOnce(t, o, next)
	got := w.a.taken()
	if len(got) != 1 || got[0].Subject != "TEST: AWS CodeDeploy trigger tell in us-east-1 of shop" || got[0].Order != "shop/web" || !strings.Contains(string(got[0].Body), `"eventTriggerName":"tell"`) {
		t.Errorf("sent was %+v", got)
	}
}

// TestFollowers holds that followers are sent every change of state from when they were first known, in order, each from its own place, and that
// one that is down keeps its place.
func TestFollowers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deployment() // before anybody follows
	good, bad := &sink{}, &sink{}
	followers := []outbox.Follower{{Name: "good", Sink: good}, {Name: "bad", Sink: bad}}
	o := outbox.New(w.config(followers...))
	runOnce(t, o, w.clock.Now())
	bad.answers(func(notify.Message) error { return errDown })
	var want []string
	for range 8 {
		for _, state := range []string{"START", "START", "SUCCESS", "SUCCESS"} {
			want = append(want, fmt.Sprintf("d-%09d %s", w.ids+1, state))
		}
		w.deployment()
	}
	o.Wake()
	next := runOnce(t, o, w.clock.Now())
	states := func(messages []notify.Message) (out []string) {
		t.Helper()
		for _, m := range messages {
			var e struct {
				Detail struct{ DeploymentID, State string }
			}
			if err := json.Unmarshal(m.Body, &e); err != nil {
				t.Fatal(err)
			}
			out = append(out, e.Detail.DeploymentID+" "+e.Detail.State)
		}
		return out
	}
	if got := states(good.taken()); !slices.Equal(got, want) {
		t.Errorf("the good one was told %q, want %q", got, want)
	}
	if pause := next.Sub(w.clock.Now()); pause != time.Second || len(bad.taken()) != 0 {
		t.Errorf("the bad one is tried again after %s", pause)
	}
	// Another process takes over.
	bad.answers(nil)
	o = outbox.New(w.config(followers...))
	if next := runOnce(t, o, w.clock.Now()); !next.Equal(w.clock.Now().Add(time.Second)) || len(bad.taken()) != 0 {
		t.Errorf("the pause was forgotten: next is %s", next)
	}
	runOnce(t, o, w.clock.Pass(time.Second))
	if got := states(bad.taken()); !slices.Equal(got, want) {
		t.Errorf("then the bad one was told %q", got)
	}
	if len(good.taken()) != len(want) {
		t.Errorf("the good one was told again: %q", states(good.taken()))
	}
}

// TestIndigestible holds that one event is given up after an hour or when it is refused for good, and the rest follows.
func TestIndigestible(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]error{"after an hour": errDown, "at once": notify.Permanent(errDown)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := &sink{}
			o := outbox.New(w.config(outbox.Follower{Name: "f", Sink: f}))
			runOnce(t, o, w.clock.Now())
			f.answers(func(m notify.Message) error {
				if strings.Contains(string(m.Body), "Instance") && strings.Contains(string(m.Body), "START") {
					return refusal
				}
				return nil
			})
			w.deployment()
			o.Wake()
			begun := w.clock.Now()
			for len(f.taken()) < 3 && w.clock.Now().Before(begun.Add(2*time.Hour)) {
				runOnce(t, o, w.clock.Now())
				w.clock.Pass(time.Minute)
			}
			took := w.clock.Now().Sub(begun)
			if refusal == errDown && took < time.Hour || refusal != errDown && took > time.Minute || len(f.taken()) != 3 {
				t.Errorf("%d events came within %s", len(f.taken()), took)
			}
			if got := w.counts.all(); !strings.Contains(got, "f lost:1") {
				t.Errorf("counted was %s", got)
			}
		})
	}
}

// TestTrimming holds that old notices go in the course of time.
func TestTrimming(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := outbox.New(w.config())
	w.deployment()
	runOnce(t, o, w.clock.Now())
	w.clock.Pass(8 * 24 * time.Hour)
	w.deployment()
	runOnce(t, o, w.clock.Now())
	if first, last, err := w.store.NoticeBounds(t.Context()); err != nil || first != 6 || last != 10 {
		t.Errorf("the log goes from %d to %d, %v", first, last, err)
	}
}

// kept has a name that doesn't hide the method Notices when it is embedded.
type kept = store.Notices

// failing is a store that does not keep what became of messages.
type failing struct {
	kept
	fails bool
}

func (f *failing) DeliveryDone(ctx context.Context, id int64) error {
	if f.fails {
		return errDown
	}
	return f.kept.DeliveryDone(ctx, id)
}

// TestStoreFails holds that a message whose end could not be kept is sent again, under the same id, but not at once for ever.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deployment(arn + "a1")
	c := w.config()
	f := &failing{kept: w.store, fails: true}
	c.Store = f
	o := outbox.New(c)
	runOnce(t, o, w.clock.Now())
	if _, err := o.RunOnce(t.Context(), w.clock.Now()); !errors.Is(err, errDown) || len(w.a.taken()) != 1 {
		t.Errorf("%d messages were sent, the error is %v", len(w.a.taken()), err)
	}
	f.fails = false
	runOnce(t, o, w.clock.Now())
	got := w.a.taken()
	if len(got) != 5 || got[0].ID != got[1].ID || !slices.Equal(told(t, got[1:]), story("d-000000001")) {
		t.Errorf("sent were %q", told(t, got))
	}
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// hanging is a sink that never answers.
type hanging struct {
	mu        sync.Mutex
	now, most int
}

func (h *hanging) Send(ctx context.Context, _ notify.Message) error {
	h.mu.Lock()
	h.now++
	h.most = max(h.most, h.now)
	h.mu.Unlock()
	<-ctx.Done()
	h.mu.Lock()
	h.now--
	h.mu.Unlock()
	return ctx.Err()
}

// TestSlowSink holds that a sink that never answers keeps nobody else waiting, has a bounded number of messages under way, and does not keep the
// service from stopping.
func TestSlowSink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow, quick := &hanging{}, &sink{}
	c := w.config(outbox.Follower{Name: "slow", Sink: &hanging{}}, outbox.Follower{Name: "quick", Sink: quick})
	c.Routes.Mapped[0].Sink = slow
	c.Clock = systemClock{}
	s, err := outbox.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan struct{}, 1000)
	arrived := func(notify.Message) error {
		came <- struct{}{}
		return nil
	}
	w.b.answers(arrived)
	quick.answers(arrived)
	const deployments = 30
	for i := range deployments {
		w.deployment(arn+"a"+fmt.Sprint(i%6), arn+"b1")
		s.Wake()
	}
	late := time.After(time.Minute)
	for i := range deployments * 8 {
		select {
		case <-came:
		case <-late:
			t.Fatalf("only %d messages arrived", i)
		}
	}
	s.Stop()
	s.Stop()
	if slow.now != 0 || slow.most == 0 || slow.most > 16 {
		t.Errorf("the slow sink had %d messages under way at the same time, %d after the end", slow.most, slow.now)
	}
	if got := lost(t, w.store); len(got) != 0 {
		t.Errorf("a stop lost %+v", got)
	}
	// What the good sink took last may not have been kept before the stop.
	due, err := w.store.DueDeliveries(t.Context(), time.Now(), []string{arn + "b1"}, 0)
	if err != nil || len(due) != deployments || due[0].Tries != 0 {
		t.Errorf("left are %d, %v", len(due), err)
	}
}

// stale answers what is due, and lets something happen before the answer is used.
type stale struct {
	*sqlite.Store
	meanwhile func()
}

func (s stale) DueDeliveries(ctx context.Context, at time.Time, skip []string, most int) ([]store.Delivery, error) {
	due, err := s.Store.DueDeliveries(ctx, at, skip, most)
	s.meanwhile()
	return due, err
}

// TestSentOnce holds that a message whose sending ends while the store is asked what is due is not sent again because the answer still shows it.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var work []func()
	finish := func() {
		for len(work) > 0 {
			f := work[0]
			work = work[1:]
			f()
		}
	}
	c := w.config()
	c.Store = stale{w.store, finish}
	o := outbox.New(c)
	o.Spawn(func(f func()) { work = append(work, f) })
	id := w.deployment(arn + "a")
	for range 20 {
		runOnce(t, o, w.clock.Now())
		finish()
	}
	if got := told(t, w.a.taken()); !slices.Equal(got, story(id)) {
		t.Errorf("told was %q", got)
	}
}
