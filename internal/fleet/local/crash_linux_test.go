package local_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crossfade/internal/clocktest"
	"crossfade/internal/fleet/local"
	"crossfade/internal/store/sqlite"
)

// The variables by which a test starts itself again as a server to be killed: where its store, its host files and its machines are.
const (
	crashStore    = "FLEET_CRASH_STORE"
	crashFiles    = "FLEET_CRASH_FILES"
	crashMachines = "FLEET_CRASH_MACHINES"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashStore) != "" {
		if err := serveUntilKilled(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// serveUntilKilled keeps the group web at the size that is in the file size, with a real loop over a real store.
func serveUntilKilled() error {
	ctx := context.Background()
	machines := os.Getenv(crashMachines)
	database, err := sqlite.Open(ctx, os.Getenv(crashStore), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	ids := &identities{machines: machines, database: database}
	d, err := local.New(ctx, local.Options{
		Store: database, Registry: ids, Account: account, Dir: os.Getenv(crashFiles), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Environ: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "MACHINES=" + machines},
		Fleets:  []local.Configured{{Name: "web", Size: 1, Template: template()}},
	})
	if err != nil {
		return err
	}
	d.Start(ctx, ids)
	for {
		content, err := os.ReadFile(filepath.Join(machines, "size"))
		if err != nil {
			return err
		}
		size, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err != nil {
			return err
		}
		if err := d.SetSize(ctx, account, "web", size); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestAKilledServerLosesAndDoublesNoInstance kills servers with kill -9 at any time while the group grows and shrinks, and then looks what there is.
func TestAKilledServerLosesAndDoublesNoInstance(t *testing.T) {
	t.Parallel()
	w := &world{t: t, Clock: clocktest.At(time.Now()), machines: t.TempDir()}
	t.Cleanup(w.killMachines)
	storeDir, files := t.TempDir(), t.TempDir()
	w.put("slow")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const rounds, last = 12, 4
	for round := range rounds {
		size := random.IntN(7)
		if round == rounds-1 {
			size = last
		}
		must(t, os.WriteFile(filepath.Join(w.machines, "size.new"), []byte(strconv.Itoa(size)), 0o600))
		must(t, os.Rename(filepath.Join(w.machines, "size.new"), filepath.Join(w.machines, "size")))
		server := exec.Command(os.Args[0])
		server.Env = append(os.Environ(), crashStore+"="+storeDir, crashFiles+"="+files, crashMachines+"="+w.machines)
		server.Stderr = os.Stderr
		must(t, server.Start())
		time.Sleep(time.Duration(100+random.IntN(600)) * time.Millisecond)
		must(t, server.Process.Kill())
		if err := server.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("a server ended by itself: %v", err)
		}
	}
	w.openStore(storeDir)
	w.Clock = clocktest.At(time.Now()) // the servers went by it
	w.options = local.Options{
		Account: account, Dir: files, Now: w.Now, Environ: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "MACHINES=" + w.machines},
		Log: slog.New(slog.DiscardHandler), Fleets: []local.Configured{{Name: "web", Size: 1, Template: template()}},
	}
	w.restart()
	must(t, w.SetSize(t.Context(), account, "web", last))
	members := w.settled("web", last)
	if got := w.running(); !slices.Equal(got, members) {
		t.Errorf("running are %v, and the group has %v", got, members)
	}
	started := w.started()
	if len(slices.Compact(slices.Clone(started))) != len(started) {
		t.Errorf("some were started twice: %v", started)
	}
	all, err := w.ids.database.FleetGroups(t.Context(), account)
	must(t, err)
	if len(all) != 1 || len(all[0].Instances) != last {
		t.Errorf("the store has %+v", all)
	}
	for _, kind := range []string{"*.yml", "*.log"} {
		kept, err := filepath.Glob(filepath.Join(files, kind))
		must(t, err)
		if len(kept) != last {
			t.Errorf("%s: %v", kind, kept)
		}
	}
	for _, n := range started {
		i, err := w.database.Instance(t.Context(), account, n)
		must(t, err)
		if i.DeregisteredAt.IsZero() != slices.Contains(members, n) {
			t.Errorf("instance %s is registered: %v", n, i.DeregisteredAt.IsZero())
		}
	}
}

// TestACommandEndsWithItsServer holds that a start command of a killed server does not go on beside the one that the next server runs.
func TestACommandEndsWithItsServer(t *testing.T) {
	t.Parallel()
	w := &world{t: t, Clock: clocktest.At(time.Now()), machines: t.TempDir()}
	must(t, os.WriteFile(filepath.Join(w.machines, "size"), []byte("1"), 0o600))
	w.put("hang")
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), crashStore+"="+t.TempDir(), crashFiles+"="+t.TempDir(), crashMachines+"="+w.machines)
	must(t, server.Start())
	var command string
	for end := time.Now().Add(time.Minute); command == ""; time.Sleep(10 * time.Millisecond) {
		content, err := os.ReadFile(filepath.Join(w.machines, "command"))
		if err == nil {
			command = strings.TrimSpace(string(content))
		}
		if time.Now().After(end) {
			t.Fatal("the server runs no start command")
		}
	}
	must(t, server.Process.Kill())
	if err := server.Wait(); err == nil {
		t.Error("the server ended by itself")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, err := os.ReadFile("/proc/" + command + "/status")
		if err != nil || strings.Contains(string(status), "Z (zombie)") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the command goes on:\n%s", status)
		}
	}
}
