package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/safefile"
	"crossfade/internal/store"
)

// The files of an instance in the driver's directory.
func (d *Driver) hostFile(name string) string { return filepath.Join(d.Dir, name+".yml") }
func (d *Driver) logFile(name string) string  { return filepath.Join(d.Dir, name+".log") }

// do carries an act out.
func (d *Driver) do(ctx context.Context, g *group, m *member, what act) outcome {
	var err error
	var o outcome
	switch what {
	case actStart:
		err = d.start(ctx, g, m)
	case actProbe:
		o.address, err = d.probe(ctx, g, m)
	case actCheck:
		_, err = d.command(ctx, g, m, g.Template.Check)
	case actStop:
		err = d.stop(ctx, g, m)
	}
	if err != nil {
		return outcome{problem: err.Error()}
	}
	o.ok = true
	return o
}

// start gives the instance its identity and runs its start command. A host file that is there is whole, and its credentials are good.
func (d *Driver) start(ctx context.Context, g *group, m *member) error {
	file := d.hostFile(m.Name)
	_, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = d.identify(ctx, g, m, file)
	}
	if err != nil {
		return fmt.Errorf("make the host file: %w", err)
	}
	_, err = d.command(ctx, g, m, g.Template.Start)
	return err
}

func (d *Driver) identify(ctx context.Context, g *group, m *member, file string) error {
	tags := maps.Clone(g.Template.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[TagGroup] = g.Name
	if m.Zone != "" {
		tags[deploy.ZoneTag] = m.Zone
	}
	config, err := d.identities.Add(ctx, g.Account, m.Name, tags)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return err
	}
	return safefile.Write(file, 0o600, config)
}

// probe finds out whether the instance is ready, and where it serves when there is a command that tells.
func (d *Driver) probe(ctx context.Context, g *group, m *member) (address string, err error) {
	if len(g.Template.Health) > 0 {
		if _, err := d.command(ctx, g, m, g.Template.Health); err != nil {
			return "", err
		}
	} else {
		i, err := d.Registry.Instance(ctx, g.Account, m.Name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return "", errors.New("its registration was taken away")
		case err != nil:
			return "", err
		case i.Address == "":
			return "", errors.New("its agent has not polled yet")
		}
	}
	if len(g.Template.Address) == 0 {
		return "", nil
	}
	out, err := d.command(ctx, g, m, g.Template.Address)
	if err != nil {
		return "", err
	}
	address = strings.TrimSpace(out)
	_, notIP := netip.ParseAddr(address)
	if _, notPair := netip.ParseAddrPort(address); notIP != nil && notPair != nil {
		return "", fmt.Errorf("the address command prints %q, which is not IP or IP:port", cut(address, 100))
	}
	return address, nil
}

// stop takes the instance out of traffic, runs the stop command, then ends the credentials and the registration.
func (d *Driver) stop(ctx context.Context, g *group, m *member) error {
	if d.Leave != nil {
		if err := d.Leave(ctx, m.Name); err != nil {
			return fmt.Errorf("take the instance out of traffic: %w", err)
		}
	}
	if _, err := d.command(ctx, g, m, g.Template.Stop); err != nil {
		return err
	}
	if err := d.identities.Remove(ctx, g.Account, m.Name); err != nil {
		return fmt.Errorf("take the registration away: %w", err)
	}
	for _, file := range []string{d.logFile(m.Name), d.hostFile(m.Name)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// environ is what a command is told. What the configuration says comes last but for what the driver answers for.
func (d *Driver) environ(g *group, m *member) []string {
	out := slices.Clone(d.Environ)
	for _, key := range slices.Sorted(maps.Keys(g.Template.Environment)) {
		out = append(out, key+"="+g.Template.Environment[key])
	}
	return append(out,
		"CROSSFADE_INSTANCE="+m.Name, "CROSSFADE_GROUP="+g.Name, "CROSSFADE_FLEET="+g.Origin, "CROSSFADE_ZONE="+m.Zone,
		"CROSSFADE_HOST_CONFIG="+d.hostFile(m.Name), "CROSSFADE_ENDPOINT="+d.Endpoint, "CROSSFADE_REGION="+d.Region)
}

// command runs a command of an instance and returns what it printed. What the start command prints, and whatever it leaves running, goes to the
// instance's log file.
func (d *Driver) command(ctx context.Context, g *group, m *member, argv []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, g.Template.commandTimeout())
	defer cancel()
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return "", err
	}
	keep := ""
	if slices.Equal(argv, g.Template.Start) {
		keep = d.logFile(m.Name)
	}
	return run(ctx, command{argv: argv, environ: d.environ(g, m), dir: d.Dir, keep: keep})
}
