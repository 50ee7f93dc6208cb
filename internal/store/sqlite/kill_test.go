package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"

	"github.com/google/uuid"
)

// victimDir tells the test binary to be the process that is killed.
const victimDir = "CROSSFADE_TEST_VICTIM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // it should have been killed
	}
	os.Exit(m.Run())
}

// victim writes until it is killed: applications from several goroutines, and a chain of deployments that each end at once. Every line on
// standard output is an acknowledgement.
func victim(dir string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	var out sync.Mutex
	say := func(words ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(words...)
	}
	failed := make(chan error, 8)
	for range 4 {
		go func() {
			for {
				name := uuid.NewString()
				if err := s.CreateApplication(ctx, deploy.Application{ID: name, Account: "1", Name: name, Platform: deploy.PlatformServer}, 1<<30); err != nil {
					failed <- err
					return
				}
				say("application", name)
			}
		}()
	}
	go func() {
		a := deploy.Application{ID: uuid.NewString(), Account: "2", Name: uuid.NewString(), Platform: deploy.PlatformServer}
		g := deploy.Group{ID: uuid.NewString(), Account: "2", ApplicationID: a.ID, Application: a.Name, Name: "g"}
		if err := s.CreateApplication(ctx, a, 1<<30); err != nil {
			failed <- err
			return
		}
		if err := s.CreateGroup(ctx, g, 1); err != nil {
			failed <- err
			return
		}
		for {
			id := uuid.NewString()
			at := time.Now().UTC()
			err := s.Batch(ctx, func(b store.Batch) error {
				return b.Apply(ctx, deploy.New(deploy.Spec{ID: id, Account: "2", ApplicationID: a.ID, GroupID: g.ID, Kind: deploy.KindInPlace, CreatedAt: at,
					MinimumHealthy: deploy.HealthyHosts{Type: deploy.HostCount}}))
			})
			version := int64(1)
			fleet := []deploy.Selected{{ID: "a"}, {ID: "b"}}
			for _, what := range []deploy.What{deploy.Resolved{Originals: fleet}, deploy.Wake{}, deploy.Completed{Target: "a", Attempt: 1, Succeeded: true}, deploy.Stop{},
				deploy.Completed{Target: "b", Attempt: 1}, deploy.Completed{Target: "a", Attempt: 2}} {
				if err == nil {
					say("deployment", id, version)
					version++
					err = s.Batch(ctx, func(b store.Batch) error {
						_, err := event(ctx, b, id, deploy.Event{At: at, What: what})
						return err
					})
				}
			}
			if err != nil {
				failed <- err
				return
			}
			say("deployment", id, version)
		}
	}()
	return <-failed
}

// TestKilled kills a writing process again and again in one directory; what it acknowledged must be there, whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	applications, versions := map[string]bool{}, map[string]int64{}
	for round := range 6 {
		acknowledged := kill(t, dir, 60+97*round)
		for _, line := range acknowledged {
			switch f := strings.Fields(line); f[0] {
			case "application":
				applications[f[1]] = true
			case "deployment":
				version, err := strconv.ParseInt(f[2], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				versions[f[1]] = version
			}
		}
		check(t, dir, applications, versions)
	}
	if len(applications) < 50 || len(versions) < 10 {
		t.Fatalf("only %d applications and %d deployments were written", len(applications), len(versions))
	}
	t.Logf("%d applications and %d deployments survived", len(applications), len(versions))
}

// kill runs the victim, kills it once it has acknowledged so much, and returns every acknowledgement that it got out.
func kill(t *testing.T, dir string, after int) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), victimDir+"="+dir)
	c.Stderr = os.Stderr
	pipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	in := bufio.NewReader(pipe)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			break // what has no end of line was not acknowledged
		}
		lines = append(lines, line)
		if len(lines) == after {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err == nil || len(lines) < after {
		t.Fatalf("the process was not killed: it ended after %d lines: %v", len(lines), err)
	}
	return lines
}

func check(t *testing.T, dir string, applications map[string]bool, versions map[string]int64) {
	t.Helper()
	ctx := t.Context()
	s, err := sqlite.Open(ctx, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for name := range applications {
		if _, err := s.Application(ctx, "1", name); err != nil {
			t.Errorf("acknowledged and lost: %v", err)
		}
	}
	for id, version := range versions {
		d, err := s.Deployment(ctx, "2", id)
		if err != nil || d.State.Version < version {
			t.Errorf("acknowledged version %d of %s, found %d, %v", version, id, d.State.Version, err)
			continue
		}
		lines, err := s.Journal(ctx, id, 0, 0)
		if err != nil || int64(len(lines)) != d.State.Journal {
			t.Errorf("%s has %d lines of %d, %v", id, len(lines), d.State.Journal, err)
		}
		targets, err := s.Targets(ctx, id, store.TargetFilter{}, store.Page{})
		if want := d.State.Originals; err != nil || len(targets) != want {
			t.Errorf("%s has %d targets of %d, %v", id, len(targets), want, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
