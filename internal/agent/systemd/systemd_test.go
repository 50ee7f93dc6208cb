package systemd

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func agent() Agent {
	return Agent{Binary: "/usr/local/bin/crossfade", Directory: "/etc/crossfade-agent", User: "root", StopTimeout: 2 * time.Hour}
}

func units(t *testing.T, a Agent) []Unit {
	t.Helper()
	all, err := a.Units()
	if err != nil {
		t.Fatal(err)
	}
	renewal, err := a.RenewUnits()
	if err != nil {
		t.Fatal(err)
	}
	return append(all, renewal...)
}

func TestTheUnitsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	user := agent()
	user.User, user.Root = "deploy", "/var/lib/crossfade-agent/root"
	for suffix, a := range map[string]Agent{".golden": agent(), ".user.golden": user} {
		for _, u := range units(t, a) {
			path := filepath.Join("testdata", u.Name+suffix)
			if *update {
				if err := os.WriteFile(path, u.Text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != string(u.Text) {
				t.Errorf("%s differs; it is now\n%s", path, u.Text)
			}
		}
	}
}

// TestSystemdUnderstandsTheUnits asks systemd itself, where it is installed, about plain and about awkward paths.
func TestSystemdUnderstandsTheUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed; the golden files hold the units")
	}
	dir := t.TempDir()
	awkward := filepath.Join(dir, `a "b" c%d $e`)
	if err := os.MkdirAll(awkward, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, a := range []Agent{
		{Binary: "/bin/true", Directory: "/etc", User: "root", StopTimeout: time.Hour},
		{Binary: "/bin/true", Directory: awkward, Root: awkward, User: "daemon", StopTimeout: 90 * time.Second},
	} {
		here := filepath.Join(dir, "units", string(rune('a'+i)))
		if err := os.MkdirAll(here, 0o755); err != nil {
			t.Fatal(err)
		}
		paths := []string{"verify", "--man=no"}
		for _, u := range units(t, a) {
			path := filepath.Join(here, u.Name)
			if err := os.WriteFile(path, u.Text, 0o644); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		said, err := exec.CommandContext(t.Context(), analyze, paths...).CombinedOutput()
		for line := range strings.Lines(string(said)) {
			if strings.Contains(line, "crossfade-agent") {
				t.Errorf("systemd says %s", line)
			}
		}
		if err != nil {
			t.Errorf("systemd-analyze verify: %v\n%s", err, said)
		}
	}
}

func TestWordsOfACommandLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/etc/crossfade-agent": "/etc/crossfade-agent", "": `""`, "/a b": `"/a b"`, "/50%": `"/50%%"`, "/$HOME": `"/$$HOME"`, `/a"b\c`: `"/a\"b\\c"`,
		"/it's": `"/it's"`, "/a;b": `"/a;b"`,
	} {
		if got := argument(in); got != want {
			t.Errorf("%q becomes %s, want %s", in, got, want)
		}
	}
}

func TestWhatNoUnitIsMadeOf(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Agent){
		"does not begin at the root": func(a *Agent) { a.Directory = "etc" },
		"control character":          func(a *Agent) { a.Root = "/a\nExecStart=/bin/sh" },
		"can't be one":               func(a *Agent) { a.User = "root\nUser=x" },
		`the user ""`:                func(a *Agent) { a.User = "" },
		"not above zero":             func(a *Agent) { a.StopTimeout = 0 },
	} {
		a := agent()
		change(&a)
		if _, err := a.Units(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// machine is one whose systemctl notes what it is told.
func machine(t *testing.T, told *[]string) Machine {
	t.Helper()
	return Machine{Units: t.TempDir(), Booted: t.TempDir(), Root: true, Run: func(_ context.Context, arguments ...string) error {
		*told = append(*told, strings.Join(arguments, " "))
		return nil
	}}
}

func TestUnitsComeAndGo(t *testing.T) {
	t.Parallel()
	var told []string
	m := machine(t, &told)
	service, err := agent().Units()
	if err != nil {
		t.Fatal(err)
	}
	renewal, err := agent().RenewUnits()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := errors.Join(m.Install(ctx, service, false), m.Install(ctx, renewal, true)); err != nil {
		t.Fatal(err)
	}
	want := []string{"daemon-reload", "enable " + AgentUnit, "daemon-reload", "enable " + RenewTime, "restart " + RenewTime}
	if !slices.Equal(told, want) {
		t.Errorf("systemd was told %q", told)
	}
	if content, err := os.ReadFile(filepath.Join(m.Units, AgentUnit)); err != nil || string(content) != string(service[0].Text) {
		t.Errorf("written is %s, %v", content, err)
	}
	if info, err := os.Stat(filepath.Join(m.Units, AgentUnit)); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the unit's mode: %v, %v", info, err)
	}
	told = nil
	removed, err := m.Uninstall(ctx)
	if err != nil || !slices.Equal(removed, []string{AgentUnit, RenewTime, RenewUnit}) {
		t.Errorf("removed %v, %v", removed, err)
	}
	if want := []string{"disable --now " + AgentUnit, "disable --now " + RenewTime, "stop " + RenewUnit, "daemon-reload"}; !slices.Equal(told, want) {
		t.Errorf("systemd was told %q", told)
	}
	if left, err := os.ReadDir(m.Units); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	told = nil
	if removed, err := m.Uninstall(ctx); err != nil || removed != nil || told != nil {
		t.Errorf("removed %v again, %v, telling %q", removed, err, told)
	}
}

func TestMachinesWithoutSystemdOrRightsAreRefused(t *testing.T) {
	t.Parallel()
	var told []string
	without, other := machine(t, &told), machine(t, &told)
	without.Booted = filepath.Join(without.Booted, "none")
	other.Root = false
	for m, want := range map[*Machine]error{&without: ErrNoSystemd, &other: ErrNotRoot} {
		if err := m.Install(t.Context(), []Unit{{"x.service", nil}}, true); !errors.Is(err, want) {
			t.Errorf("install: %v, want %v", err, want)
		}
		if _, err := m.Uninstall(t.Context()); !errors.Is(err, want) {
			t.Errorf("uninstall: %v, want %v", err, want)
		}
	}
	if told != nil {
		t.Errorf("systemd was told %q", told)
	}
}
