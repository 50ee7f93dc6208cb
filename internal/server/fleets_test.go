package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/config"
	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/operator"
	"crossfade/internal/store/sqlite"
)

// TestAFleetsInstancesAreHosts starts a configured group, whose instances are then registered hosts with keys of their own, and takes it down.
func TestAFleetsInstancesAreHosts(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	o := Options{Config: config.Default(), Log: slog.New(slog.DiscardHandler), Now: time.Now}
	o.Config.Data = dir
	o.Config.Fleets = []config.Fleet{{
		Name: "web", Size: 2, Tags: map[string]string{"Environment": "test"}, Zones: []string{"a"},
		Start: []string{"/bin/sh", "-c", `cat "$CROSSFADE_HOST_CONFIG" > "` + dir + `/$CROSSFADE_INSTANCE.seen"`},
		Stop:  []string{"/bin/sh", "-c", `rm -f "` + dir + `/$CROSSFADE_INSTANCE.seen"`},
	}}
	kept, err := sqlite.Open(ctx, dir, o.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close() //nolint:errcheck // the test's end
	keys, err := auth.NewKeys(kept.Keys(), []byte(strings.Repeat("k", 32)), o.Now)
	if err != nil {
		t.Fatal(err)
	}
	f, err := openFleets(ctx, o, &database{Store: kept, Fleets: kept}, &draining{}, "http://127.0.0.1:8470", "")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := auth.NewSealer([]byte(strings.Repeat("s", 32)), purposeGitHub)
	if err != nil {
		t.Fatal(err)
	}
	control, err := api.New(api.Config{
		Store: kept, Engine: (*engine.Service)(nil), Fleet: f, Sealer: sealer, Caller: controlCaller, Now: o.Now, IDs: identifiers{}, Region: o.Config.Region, TokenKey: []byte(strings.Repeat("t", 32)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.begin(ctx, &operator.Service{Instances: control, Keys: keys, Region: o.Config.Region})()

	account := o.Config.Account
	wait := func(what string, holds func(fleet.Group) bool) fleet.Group {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			found, err := f.Groups(ctx, account, []string{"web"})
			if err != nil {
				t.Fatal(err)
			}
			g := append(found, fleet.Group{})[0]
			if holds(g) {
				return g
			}
			if time.Now().After(end) {
				t.Fatalf("it does not come about that %s: %+v", what, g)
			}
		}
	}
	seen := func(name string) bool { _, err := os.Stat(filepath.Join(dir, name+".seen")); return err == nil }
	g := wait("both are started", func(g fleet.Group) bool {
		return len(g.Members) == 2 && seen(g.Members[0].Name) && seen(g.Members[1].Name)
	})
	for _, m := range g.Members {
		if err := kept.SetInstanceAddress(ctx, account, m.Name, "127.0.0.5"); err != nil { // as its agent's first poll does
			t.Fatal(err)
		}
	}
	g = wait("both are in service", func(g fleet.Group) bool { return g.InService() == 2 })
	for _, m := range g.Members {
		i, err := kept.Instance(ctx, account, m.Name)
		if err != nil || i.Tags["crossfade:fleet"] != "web" || i.Tags["Environment"] != "test" || i.Tags[deploy.ZoneTag] != "a" || m.Host != i.Host() {
			t.Errorf("instance %+v is registered as %+v, %v", m, i, err)
		}
		owned, err := keys.List(ctx, account, m.Host)
		content, readErr := os.ReadFile(filepath.Join(dir, fleetDirectory, m.Name+".yml"))
		if err != nil || readErr != nil || len(owned) != 1 || !strings.Contains(string(content), owned[0].AccessKeyID) || !strings.Contains(string(content), m.Host) {
			t.Errorf("keys %+v, %v; host file %q, %v", owned, err, content, readErr)
		}
	}
	// The whole fleet knows each of them once, though each is a registered host too.
	found, err := f.Find(ctx, account, deploy.Selection{
		AutoScalingGroups: []string{"web"}, OnPremFilters: []deploy.TagFilter{{Key: "Environment", Value: "test", Type: deploy.KeyAndValue}},
	})
	if err != nil || len(found) != 2 {
		t.Errorf("found %+v, %v", found, err)
	}
	gone := g.Members[0]
	if notes, err := f.Terminate(ctx, account, []string{gone.Name}); err != nil || len(notes) != 0 {
		t.Errorf("terminate: %v, %v", notes, err)
	}
	wait("one is left", func(g fleet.Group) bool { return len(g.Members) == 1 })
	owned, err := keys.List(ctx, account, gone.Host)
	if err != nil || len(owned) != 0 || seen(gone.Name) {
		t.Errorf("of %s remain %v, %v", gone.Name, owned, err)
	}
	if i, err := kept.Instance(ctx, account, gone.Name); err != nil || i.DeregisteredAt.IsZero() {
		t.Errorf("it is registered: %+v, %v", i, err)
	}
}
