package storetest

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"

	"github.com/google/uuid"
)

// Victim writes until ctx ends or failed says no to an error: applications from several goroutines, and a chain of deployments that each end at once. It
// calls acknowledged, one call at a time, with a line for each write that it was told is kept.
type Victim struct {
	Store        store.Store
	Acknowledged func(line string)
	Failed       func(error) (goOn bool)
}

// Run returns when all that was begun has ended.
func (v Victim) Run(ctx context.Context) {
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		v.Acknowledged(fmt.Sprintln(words...))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				name := uuid.NewString()
				err := v.Store.CreateApplication(ctx, deploy.Application{ID: name, Account: "1", Name: name, Platform: deploy.PlatformServer}, 1<<30)
				if err == nil {
					say("application", name)
				} else if !v.Failed(err) {
					return
				}
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			if err := v.deployments(ctx, say); !v.Failed(err) {
				return
			}
		}
	})
	all.Wait()
}

// deployments makes one deployment after the other in a group of its own, until an error, which it returns.
func (v Victim) deployments(ctx context.Context, say func(...any)) error {
	a := deploy.Application{ID: uuid.NewString(), Account: "2", Name: uuid.NewString(), Platform: deploy.PlatformServer}
	g := deploy.Group{ID: uuid.NewString(), Account: "2", ApplicationID: a.ID, Application: a.Name, Name: "g"}
	if err := v.Store.CreateApplication(ctx, a, 1<<30); err != nil {
		return err
	}
	if err := v.Store.CreateGroup(ctx, g, 1); err != nil {
		return err
	}
	for {
		id, at, version := uuid.NewString(), time.Now().UTC(), int64(1)
		err := v.Store.Batch(ctx, func(b store.Batch) error {
			return b.Apply(ctx, deploy.New(deploy.Spec{
				ID: id, Account: "2", ApplicationID: a.ID, GroupID: g.ID, Kind: deploy.KindInPlace, CreatedAt: at, MinimumHealthy: deploy.HealthyHosts{Type: deploy.HostCount},
			}))
		})
		if err != nil {
			return err
		}
		say("deployment", id, version)
		for _, what := range []deploy.What{
			deploy.Resolved{Originals: []deploy.Selected{{ID: "a"}, {ID: "b"}}}, deploy.Wake{}, deploy.Completed{Target: "a", Attempt: 1, Succeeded: true}, deploy.Stop{},
			deploy.Completed{Target: "b", Attempt: 1}, deploy.Completed{Target: "a", Attempt: 2},
		} {
			err := v.Store.Batch(ctx, func(b store.Batch) error {
				_, err := benchEvent(ctx, b, id, deploy.Event{At: at, What: what})
				return err
			})
			if err != nil {
				return err
			}
			version++
			say("deployment", id, version)
		}
	}
}

// Acknowledged is what writers were told to be kept.
type Acknowledged struct {
	applications map[string]bool
	versions     map[string]int64 // of deployments
}

// Add reads lines of a Victim.
func (a *Acknowledged) Add(t testing.TB, lines []string) {
	t.Helper()
	if a.applications == nil {
		a.applications, a.versions = map[string]bool{}, map[string]int64{}
	}
	for _, line := range lines {
		switch f := strings.Fields(line); f[0] {
		case "application":
			a.applications[f[1]] = true
		case "deployment":
			version, err := strconv.ParseInt(f[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			a.versions[f[1]] = version
		}
	}
}

// RunKilled kills a process that runs a Victim on one store, again and again; what it acknowledged must be there, whole.
func RunKilled(t *testing.T, victim func() *exec.Cmd, open func() store.Store) {
	t.Helper()
	var acknowledged Acknowledged
	for round := range 6 {
		acknowledged.Add(t, kill(t, victim(), 60+97*round))
		s := open()
		acknowledged.Check(t, s)
		must(t, s.Close())
	}
	acknowledged.Enough(t, 50, 10)
}

// Enough holds that something was tried.
func (a *Acknowledged) Enough(t testing.TB, applications, deployments int) {
	t.Helper()
	if len(a.applications) < applications || len(a.versions) < deployments {
		t.Fatalf("only %d applications and %d deployments were written", len(a.applications), len(a.versions))
	}
	t.Logf("%d applications and %d deployments survived", len(a.applications), len(a.versions))
}

// kill runs the victim, kills it once it has acknowledged so much, and returns every acknowledgement that it got out.
func kill(t *testing.T, c *exec.Cmd, after int) []string {
	t.Helper()
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

// Check holds that all of it is there.
func (a *Acknowledged) Check(t testing.TB, s store.Store) {
	t.Helper()
	ctx := t.Context()
	for name := range a.applications {
		if _, err := s.Application(ctx, "1", name); err != nil {
			t.Errorf("acknowledged and lost: %v", err)
		}
	}
	for id, version := range a.versions {
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
}
