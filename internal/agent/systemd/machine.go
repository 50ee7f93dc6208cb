package systemd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"crossfade/internal/safefile"
)

// The reasons why units can't be put in place.
var (
	ErrNoSystemd = errors.New("this machine is not run by systemd: start crossfade agent by what runs its services; --print shows what systemd would be told")
	ErrNotRoot   = errors.New("only root can install a service: run it with sudo")
)

// Machine is where units are put.
type Machine struct {
	Units  string // directory
	Booted string // there is such a directory when systemd runs the machine
	Root   bool   // the caller is root
	// Run runs systemctl with the arguments.
	Run func(ctx context.Context, arguments ...string) error
}

// ThisMachine is the one that the program runs on.
func ThisMachine() Machine {
	return Machine{Units: "/etc/systemd/system", Booted: "/run/systemd/system", Root: os.Geteuid() == 0, Run: systemctl}
}

func systemctl(ctx context.Context, arguments ...string) error {
	c := exec.CommandContext(ctx, "systemctl", arguments...)
	if said, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(arguments, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

// Check says why units can't be put in place; nil when they can.
func (m Machine) Check() error {
	if info, err := os.Stat(m.Booted); err != nil || !info.IsDir() {
		return ErrNoSystemd
	}
	if !m.Root {
		return ErrNotRoot
	}
	return nil
}

// Install writes the units and makes them start with the machine. The last one is the one that is started; now starts it, or starts it anew.
func (m Machine) Install(ctx context.Context, units []Unit, now bool) error {
	if err := m.Check(); err != nil {
		return err
	}
	for _, u := range units {
		if err := safefile.Write(filepath.Join(m.Units, u.Name), 0o644, u.Text); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(m.Units, u.Name), err)
		}
	}
	if err := m.Run(ctx, "daemon-reload"); err != nil {
		return err
	}
	main := units[len(units)-1].Name
	if err := m.Run(ctx, "enable", main); err != nil {
		return err
	}
	if now {
		return m.Run(ctx, "restart", main)
	}
	return nil
}

// Uninstall stops what there is of the units and removes them. It returns the names of those that there were.
func (m Machine) Uninstall(ctx context.Context) ([]string, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	var removed []string
	for _, name := range []string{AgentUnit, RenewTime, RenewUnit} {
		path := filepath.Join(m.Units, name)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		// A unit that only a timer starts can't be disabled, but stopped.
		verb := []string{"disable", "--now", name}
		if name == RenewUnit {
			verb = []string{"stop", name}
		}
		if err := m.Run(ctx, verb...); err != nil {
			return removed, err
		}
		if err := os.Remove(path); err != nil {
			return removed, fmt.Errorf("remove a unit: %w", err)
		}
		removed = append(removed, name)
	}
	if len(removed) == 0 {
		return nil, nil
	}
	return removed, m.Run(ctx, "daemon-reload")
}
