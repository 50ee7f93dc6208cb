package local_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/clocktest"
	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/fleet/local"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
)

const account = "111122223333"

// The start command makes a long-lived process, once, as its contract says: the process holds a lock of the instance's name, so that a second one
// can't live beside it. Each that lives is noted. Having come up is what an agent's first poll is elsewhere.
const startScript = `
set -e
cd "$MACHINES"
[ -f "$CROSSFADE_HOST_CONFIG" ] || { echo "no host file" >&2; exit 1; }
if [ -e fail-start ]; then echo "no room for $CROSSFADE_INSTANCE" >&2; exit 3; fi
mkdir -p "$CROSSFADE_INSTANCE"
if [ -e slow ]; then sleep 0.2; fi
if [ -e hang ]; then echo $$ > command.new; mv command.new command; exec sleep 600; fi
setsid flock -n "$CROSSFADE_INSTANCE/lock" sh -c 'echo "$CROSSFADE_INSTANCE" >> started; echo $$ > "$CROSSFADE_INSTANCE/pid.new"; mv "$CROSSFADE_INSTANCE/pid.new" "$CROSSFADE_INSTANCE/pid"; exec sleep 600' &
while ! [ -f "$CROSSFADE_INSTANCE/pid" ]; do sleep 0.01; done
`

const stopScript = `
cd "$MACHINES"
[ -e fail-stop ] && exit 1
if [ -e slow ]; then sleep 0.2; fi
if [ -f "$CROSSFADE_INSTANCE/pid" ]; then kill "$(cat "$CROSSFADE_INSTANCE/pid")" 2>/dev/null; fi
rm -rf "$CROSSFADE_INSTANCE"
`

// A process that ended and that nobody has waited for is dead too.
const checkScript = `pid="$(cat "$MACHINES/$CROSSFADE_INSTANCE/pid")" && kill -0 "$pid" && ! grep -q '^State:.Z' "/proc/$pid/status"`

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// world is a driver over a store, with processes for machines.
type world struct {
	*local.Driver
	*clocktest.Clock
	t        *testing.T
	machines string // the directory in which the commands work
	options  local.Options
	database *sqlite.Store
	ids      *identities
}

// identities registers instances as the operator's service does. A registered machine that runs has polled.
type identities struct {
	machines string
	database *sqlite.Store
	mu       sync.Mutex
	adds     []string
	failing  error
}

func (x *identities) Add(ctx context.Context, account, name string, tags map[string]string) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failing != nil {
		return nil, x.failing
	}
	x.adds = append(x.adds, name)
	if err := x.database.DeregisterInstance(ctx, account, name, time.Unix(1, 0)); err != nil {
		return nil, err
	}
	err := x.database.RegisterInstance(ctx, deploy.Instance{
		Account: account, Name: name, ARN: "arn:instance/" + name, IAMUserARN: "arn:user/" + name, Tags: tags, RegisteredAt: time.Unix(1, 0),
	})
	return []byte("---\nname: " + name + "\n"), err
}

func (x *identities) Remove(ctx context.Context, account, name string) error {
	return x.database.DeregisterInstance(ctx, account, name, time.Unix(2, 0))
}

// Instance implements local.Registry.
func (x *identities) Instance(ctx context.Context, account, name string) (deploy.Instance, error) {
	i, err := x.database.Instance(ctx, account, name)
	if err == nil && exists(filepath.Join(x.machines, name, "pid")) && !exists(filepath.Join(x.machines, "silent")) {
		i.Address = "127.0.0.9"
	}
	return i, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func template() local.Template {
	return local.Template{Start: shell(startScript), Stop: shell(stopScript)}
}

// open makes a world with the group web of the size.
func open(t *testing.T, size int, template local.Template) *world {
	t.Helper()
	w := &world{t: t, Clock: clocktest.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), machines: t.TempDir()}
	w.openStore(t.TempDir())
	w.options = local.Options{
		Account: account, Dir: t.TempDir(), Endpoint: "http://127.0.0.1:8470", Region: "eu-test-1", Now: w.Now,
		Environ: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "MACHINES=" + w.machines}, Log: slog.New(slog.DiscardHandler),
		Fleets: []local.Configured{{Name: "web", Size: size, Template: template}},
	}
	w.restart()
	t.Cleanup(w.killMachines)
	return w
}

func (w *world) openStore(dir string) {
	w.t.Helper()
	database, err := sqlite.Open(w.t.Context(), dir, slog.New(slog.DiscardHandler))
	must(w.t, err)
	w.t.Cleanup(func() {
		if err := database.Close(); err != nil {
			w.t.Error(err)
		}
	})
	w.database, w.ids = database, &identities{machines: w.machines, database: database}
}

// restart makes a driver over what there is, as a new server does.
func (w *world) restart() {
	w.t.Helper()
	w.options.Store, w.options.Registry = w.database, w.ids
	d, err := local.New(w.t.Context(), w.options)
	must(w.t, err)
	w.Driver = d
}

// step lets a second pass.
func (w *world) step(t *testing.T) {
	t.Helper()
	if _, err := w.RunOnce(t.Context(), w.ids); err != nil {
		t.Fatal(err)
	}
	w.Pass(time.Second)
}

func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for range 200 {
		if holds() {
			return
		}
		w.step(w.t)
	}
	w.t.Fatalf("it does not come about that %s: %+v", what, w.sizes())
}

func (w *world) group(name string) fleet.Group {
	w.t.Helper()
	found, err := w.Groups(w.t.Context(), account, []string{name})
	must(w.t, err)
	if len(found) == 0 {
		return fleet.Group{}
	}
	return found[0]
}

func (w *world) sizes() []fleet.Size {
	w.t.Helper()
	all, err := w.Sizes(w.t.Context(), account)
	must(w.t, err)
	return all
}

// settled waits until exactly so many are in service, and returns their names.
func (w *world) settled(name string, size int) []string {
	w.t.Helper()
	var g fleet.Group
	w.until(fmt.Sprintf("%s has %d in service", name, size), func() bool {
		g = w.group(name)
		return len(g.Members) == size && g.InService() == size
	})
	var out []string
	for _, m := range g.Members {
		out = append(out, m.Name)
	}
	return out
}

// running lists the machines that run.
func (w *world) running() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.machines, "*", "pid"))
	must(w.t, err)
	var out []string
	for _, f := range files {
		out = append(out, filepath.Base(filepath.Dir(f)))
	}
	return out
}

// started lists the machines that were ever started, as often as they were.
func (w *world) started() []string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.machines, "started"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(w.t, err)
	out := strings.Fields(string(content))
	slices.Sort(out)
	return out
}

// put makes a file that changes what the commands do.
func (w *world) put(name string) {
	w.t.Helper()
	must(w.t, os.WriteFile(filepath.Join(w.machines, name), nil, 0o600))
}

func (w *world) remove(name string) {
	w.t.Helper()
	must(w.t, os.RemoveAll(filepath.Join(w.machines, name)))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var _ store.Fleets = (*sqlite.Store)(nil)
