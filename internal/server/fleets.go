package server

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"crossfade/internal/auth"
	"crossfade/internal/config"
	"crossfade/internal/fleet"
	"crossfade/internal/fleet/autoscaling"
	"crossfade/internal/fleet/local"
	"crossfade/internal/operator"
	"crossfade/internal/traffic"
	"crossfade/internal/wire/control"
)

// fleetDirectory is where the host files of started instances are, in the data directory. They hold secrets.
const fleetDirectory = "fleets"

// commandPath is where the commands of fleets find programs.
const commandPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// fleets is all instances that deployments can run on: those of the server's own Auto Scaling groups and of AWS's, and registered hosts. It is
// the engine's Fleet and its Scaling.
type fleets struct {
	fleet.Joined
	// own is there without any configured group too: a store may hold groups that are not configured any more.
	own *local.Driver
}

// openFleets makes the fleets of the configuration. Nothing is started before begin. endpoint is where agents reach the server, and ca the
// file of the CA by which they know it; empty: the system's.
func openFleets(ctx context.Context, o Options, kept *database, router traffic.Router, endpoint, ca string) (*fleets, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the path of this program: %w", err)
	}
	options := local.Options{
		Store: kept, Registry: kept, Account: o.Config.Account, Dir: filepath.Join(o.Config.Data, fleetDirectory),
		Endpoint: endpoint, Region: o.Config.Region, Environ: []string{"PATH=" + commandPath, "CROSSFADE_PROGRAM=" + program},
		Leave: leaving{router, targetGroupNames(o.Config.LoadBalancer), o.Now}.leave, Now: o.Now, Log: o.Log.With("part", "fleet"),
	}
	if ca != "" {
		options.Environ = append(options.Environ, "CROSSFADE_CA="+ca)
	}
	f := &fleets{Joined: fleet.Joined{Rest: fleet.Registered{Instances: kept}}}
	for _, c := range o.Config.Fleets {
		if c.Kind != config.FleetAWS {
			options.Fleets = append(options.Fleets, configuredFleet(c))
			continue
		}
		region := c.Region
		if region == "" {
			region = o.Config.Region
		}
		d, err := autoscaling.New(ctx, autoscaling.Options{
			Account: o.Config.Account, Region: region, Endpoint: c.Endpoint, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, Registry: kept,
		})
		if err != nil {
			return nil, err
		}
		f.Drivers = append(f.Drivers, d)
	}
	if f.own, err = local.New(ctx, options); err != nil {
		return nil, err
	}
	f.Drivers = append([]fleet.Driver{f.own}, f.Drivers...)
	return f, nil
}

func configuredFleet(c config.Fleet) local.Configured {
	return local.Configured{Name: c.Name, Size: c.Size, Template: local.Template{
		Start: c.Start, Stop: c.Stop, Address: c.Address, Health: c.Health, Check: c.Check, Environment: c.Environment, Tags: c.Tags, Zones: c.Zones,
		CommandTimeout: c.CommandTimeout, StartTimeout: c.StartTimeout, CheckInterval: c.CheckInterval,
	}}
}

// Changes implements fleet.Scaling. Only the server's own groups say that something has changed; AWS's are looked at from time to time.
func (f *fleets) Changes() <-chan struct{} { return f.own.Changes() }

// begin keeps the server's own groups at their sizes, until the end that it returns; that leaves the instances alone. hosts makes the instances'
// identities.
func (f *fleets) begin(ctx context.Context, hosts *operator.Service) (end func()) {
	f.own.Start(ctx, identities{hosts})
	return f.own.Stop
}

// identities makes the hosts of fleets as an operator would: through the operator's operations, as the account's root.
type identities struct{ hosts *operator.Service }

func asRoot(ctx context.Context, account string) context.Context {
	return auth.WithCaller(ctx, auth.Caller{Principal: auth.Principal{ARN: auth.RootARN(account), Account: account, Kind: auth.Root}})
}

// Add implements local.Identities. What there was of the name is taken away first: its secret is in no file.
func (x identities) Add(ctx context.Context, account, name string, tags map[string]string) ([]byte, error) {
	if err := x.Remove(ctx, account, name); err != nil {
		return nil, err
	}
	in := &operator.AddHostInput{Name: &name}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		in.Tags = append(in.Tags, control.Tag{Key: &key, Value: new(tags[key])})
	}
	out, err := x.hosts.AddHost(asRoot(ctx, account), in)
	if err != nil {
		return nil, fmt.Errorf("add host %s: %w", name, err)
	}
	return out.HostFile()
}

// Remove implements local.Identities.
func (x identities) Remove(ctx context.Context, account, name string) error {
	if err := x.hosts.RemoveHost(asRoot(ctx, account), &operator.RemoveHostInput{Name: &name}); err != nil {
		return fmt.Errorf("remove host %s: %w", name, err)
	}
	return nil
}
