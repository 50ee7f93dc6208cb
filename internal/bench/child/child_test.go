package child_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/bench"
	"crossfade/internal/bench/child"
	"crossfade/internal/config"
	"crossfade/internal/counterpart"
	"crossfade/internal/server"
	"crossfade/internal/sigv4"
)

// TestMain makes this program a server when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serve(args []string) (err error) {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	file := f.String("config", "", "")
	profile := f.String("profile-listen", "", "")
	f.String("output", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := config.Load(config.Sources{File: *file})
	if err != nil {
		return err
	}
	root := sigv4.Credential{AccessKeyID: os.Getenv("CROSSFADE_ROOT_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("CROSSFADE_ROOT_SECRET_ACCESS_KEY")}
	s, err := server.Start(ctx, server.Options{Config: c, Log: slog.New(slog.DiscardHandler), Version: "test", Root: root})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop(context.WithoutCancel(ctx))) }()
	if *profile != "" {
		end, err := child.ServeProfiles(ctx, *profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end(context.WithoutCancel(ctx))) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(s.Endpoint()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func stage(t *testing.T) *child.Stage {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &child.Stage{
		Program: program, Arguments: []string{"serve"}, Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, Dir: t.TempDir(),
		PollHold: 300 * time.Millisecond, Progress: func(string, ...any) {},
	}
}

func run(t *testing.T, s *child.Stage, o bench.Options) *bench.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // far more than it needs
	defer cancel()
	o.Name = "bench-child"
	r, err := bench.Run(ctx, s, o)
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left in the directory, %v", left, err)
	}
	return r
}

func TestAKilledServerGoesOn(t *testing.T) {
	t.Parallel()
	r := run(t, stage(t), bench.Options{Scenario: bench.ScenarioRestart, Deployments: 2})
	for _, f := range r.Figures {
		if strings.HasPrefix(f.Name, "deployments that did not") && f.Value != 0 {
			t.Errorf("%+v", f)
		}
	}
}

func TestHistoryAndProfile(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.Profile = filepath.Join(t.TempDir(), "cpu.pprof")
	r := run(t, s, bench.Options{Scenario: bench.ScenarioAPI, Stored: 300, Clients: 2, Window: 200 * time.Millisecond})
	if !strings.Contains(r.Size, "300 deployments stored before") {
		t.Errorf("size %q", r.Size)
	}
	for _, l := range r.Latencies {
		if l.Count == 0 || l.Failed > 0 {
			t.Errorf("%+v", l)
		}
	}
	for _, name := range []string{s.Profile, s.Profile + ".heap"} {
		content, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(content, []byte{0x1f, 0x8b}) { // gzip, as profiles are
			t.Errorf("%s: %d bytes, %v", name, len(content), err)
		}
	}
}

// TestAServerOnPostgreSQL holds that the URL alone is enough: the revisions lie in the run's directory, and what is stored before is in the database.
func TestAServerOnPostgreSQL(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.Store = counterpart.Postgres(t)
	r := run(t, s, bench.Options{Scenario: bench.ScenarioAPI, Stored: 20, Clients: 2, Window: 50 * time.Millisecond})
	for _, l := range r.Latencies {
		if l.Count == 0 || l.Failed > 0 {
			t.Errorf("%+v", l)
		}
	}
	s = stage(t)
	s.Store = counterpart.Postgres(t)
	if r := run(t, s, bench.Options{Scenario: bench.ScenarioRestart, Deployments: 1}); len(r.Latencies) != 2 || r.Latencies[0].Count != 1 {
		t.Errorf("%+v", r.Latencies)
	}
}

// TestAnAddressThatIsTakenMeanwhile holds that a server whose free address somebody else has taken by the time it listens gets another one.
func TestAnAddressThatIsTakenMeanwhile(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	s := stage(t)
	found := 0
	child.Find(s, func(ctx context.Context, usual func(context.Context) (string, error)) (string, error) {
		if found++; found == 1 {
			return taken.Addr().String(), nil
		}
		return usual(ctx)
	})
	at, err := s.Open(t.Context(), bench.Needs{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := at.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	answer, err := http.Get(at.Endpoint + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK || found < 2 {
		t.Errorf("%s after %d addresses, %v", answer.Status, found, err)
	}
	// One that never gets an address says why.
	child.Find(s, func(context.Context, func(context.Context) (string, error)) (string, error) {
		return taken.Addr().String(), nil
	})
	if _, err := s.Open(t.Context(), bench.Needs{}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.Configure = []string{"colour: green"}
	_, err := s.Open(t.Context(), bench.Needs{})
	if err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("got %v, want the server's own words", err)
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left in the directory, %v", left, err)
	}
}

func TestNoProfileTwice(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.Profile = filepath.Join(t.TempDir(), "cpu.pprof")
	at, err := s.Open(t.Context(), bench.Needs{TargetGroups: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := at.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if len(at.TargetGroups) != 2 || at.Process.ID() == 0 {
		t.Errorf("%+v", at)
	}
	end, err := at.Process.Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.Process.Profile(t.Context()); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("a second profile beside the first: %v", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if err := end(); err == nil || !strings.Contains(err.Error(), "no profile is being made") {
		t.Errorf("the end of a profile that there is not: %v", err)
	}
	answer, err := http.Get(at.Endpoint + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s, %v", answer.Status, err)
	}
}
