package outbox_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/notify"
	"crossfade/internal/notify/outbox"
	"crossfade/internal/notify/webhook"
	"crossfade/internal/store/sqlite"

	"github.com/google/uuid"
)

// What tells the test binary to be the process that is killed: its data directory, and where its sinks send to.
const (
	victimDir = "CROSSFADE_TEST_VICTIM_DIR"
	victimURL = "CROSSFADE_TEST_VICTIM_URL"
)

var victimSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir, os.Getenv(victimURL)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // it should have been killed
	}
	os.Exit(m.Run())
}

// victim runs deployments one after the other, and an outbox that tells of them, until it is killed. A line on standard output is a deployment that
// is durable.
func victim(dir, url string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	o, err := outbox.Start(ctx, victimConfig(s, url))
	if err != nil {
		return err
	}
	fmt.Println("started")
	g, err := seed(ctx, s)
	if err != nil {
		return err
	}
	for {
		id := "d-" + uuid.NewString()
		if err := run(ctx, s, g, id, time.Now().UTC(), arn+"a1", arn+"a2"); err != nil {
			return err
		}
		fmt.Println(id)
		o.Wake()
	}
}

func victimConfig(s *sqlite.Store, url string) outbox.Config {
	var sinks []notify.Sink
	for _, path := range []string{"/trigger", "/state"} {
		sink, err := webhook.New(webhook.Options{URL: url + path, Secrets: []string{victimSecret}})
		if err != nil {
			panic(err)
		}
		sinks = append(sinks, sink)
	}
	return outbox.Config{
		Store: s, Clock: systemClock{}, Words: words, Jitter: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
		Routes:    notify.Routes{Mapped: []notify.Route{{Name: "hook", Sink: sinks[0], Topics: []string{"arn:*"}}}},
		Followers: []outbox.Follower{{Name: "states", Sink: sinks[1]}},
	}
}

// receiver remembers what came, and kills the process that sends after so many messages: before it has its answer.
type receiver struct {
	mu       sync.Mutex
	triggers map[string][]string // by deployment and trigger: statuses, in the order in which they came
	states   []string            // ids of events
	left     int
	kill     func()
	came     chan struct{}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the sender died before it had said everything
	}
	r.mu.Lock()
	if q.URL.Path == "/state" {
		r.states = append(r.states, q.Header.Get("webhook-id"))
	} else {
		var d struct{ DeploymentID, EventTriggerName, Status, InstanceStatus string }
		if err := json.Unmarshal(body, &d); err != nil {
			panic(err)
		}
		key := d.DeploymentID + " " + d.EventTriggerName
		status := d.Status
		if d.InstanceStatus != "" {
			status = "instance " + d.InstanceStatus
		}
		r.triggers[key] = append(r.triggers[key], status)
	}
	r.left--
	dies, kill := r.left == 0, r.kill
	r.mu.Unlock()
	if dies {
		kill()
		panic(http.ErrAbortHandler)
	}
	select {
	case r.came <- struct{}{}:
	default:
	}
}

// TestKilled kills a process that sends, between the sending and the keeping of it, again and again. Everything that happened must be told in the
// end, in order, and at most what was under way at a kill more than once.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &receiver{triggers: map[string][]string{}, came: make(chan struct{}, 1)}
	deployments := map[string]bool{}
	for round := range 5 {
		srv := httptest.NewServer(r)
		for _, id := range killed(t, r, dir, srv.URL, 20+13*round) {
			deployments[id] = true
		}
		srv.Close() // waits for what the dead process had sent: the next one is not to overtake it
	}
	srv := httptest.NewServer(r)
	defer srv.Close()
	s := openStore(t, dir)
	o, err := outbox.Start(t.Context(), victimConfig(s, srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Stop()
	log, err := s.Notices(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	stories := map[string][]string{}
	for _, n := range log {
		if m, ok := words.StateChange(n.ID, n.Notice); ok {
			states = append(states, m.ID)
		}
		status := string(n.Status)
		if n.Instance != nil {
			status = "instance " + string(n.Instance.Status)
		}
		for _, trigger := range n.Triggers {
			key := n.DeploymentID + " " + trigger.Name
			stories[key] = append(stories[key], status)
		}
	}
	told := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for key, story := range stories {
			if !slices.Equal(slices.Compact(slices.Clone(r.triggers[key])), story) {
				return false
			}
		}
		return slices.Equal(first(r.states), states)
	}
	late := time.After(time.Minute)
	for !told() {
		select {
		case <-r.came:
		case <-late:
			r.mu.Lock()
			defer r.mu.Unlock()
			for key, story := range stories {
				if got := r.triggers[key]; !slices.Equal(slices.Compact(slices.Clone(got)), story) {
					t.Errorf("%s was told %v, want %v", key, got, story)
				}
			}
			t.Fatalf("of %d changes of state %d were told, in order: %t", len(states), len(first(r.states)), slices.Equal(first(r.states), states))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	again := len(r.states) - len(states)
	for key := range stories {
		again += len(r.triggers[key]) - len(stories[key])
	}
	for id := range deployments {
		if len(stories[id+" t0"]) != 4 {
			t.Errorf("%s ended and has the story %v", id, stories[id+" t0"])
		}
	}
	if left, err := s.LostDeliveries(t.Context(), "", 0, 0); err != nil || len(left) != 0 {
		t.Errorf("given up were %v, %v", left, err)
	}
	t.Logf("%d deployments, %d messages of triggers and %d changes of state were told, %d again after %d kills", len(deployments), len(stories)*4, len(states), again, 5)
	if again == 0 {
		t.Error("no kill came between a sending and the keeping of it")
	}
}

// first is the ids in the order in which each came first.
func first(ids []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// killed runs the victim until it has sent so many messages, and returns the deployments that it has acknowledged.
func killed(t *testing.T, r *receiver, dir, url string, after int) (deployments []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), victimDir+"="+dir, victimURL+"="+url)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.left, r.kill = after, func() {
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
	}
	err = c.Start()
	r.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if line := lines.Text(); strings.HasPrefix(line, "d-") && len(line) == len("d-")+36 {
			deployments = append(deployments, line)
		}
	}
	if err := c.Wait(); err == nil {
		t.Fatal("the process was not killed")
	}
	return deployments
}
