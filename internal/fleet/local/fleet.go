package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// Find implements fleet.Fleet: the members of the selection's groups that are in service. What tags select is the registered instances' matter.
func (d *Driver) Find(ctx context.Context, account string, s deploy.Selection) ([]fleet.Instance, error) {
	groups, err := d.Groups(ctx, account, s.AutoScalingGroups)
	if err != nil {
		return nil, err
	}
	var out []fleet.Instance
	for _, g := range groups {
		for _, m := range g.Members {
			if m.State == fleet.MemberInService {
				out = append(out, m.Instance)
			}
		}
	}
	slices.SortFunc(out, func(a, b fleet.Instance) int { return cmp.Compare(a.Name, b.Name) })
	return slices.Compact(out), nil
}

// find returns the group and the member of a name, or nil.
func find(all []*group, name string) (*group, *member) {
	for _, g := range all {
		if m := g.member(name); m != nil {
			return g, m
		}
	}
	return nil, nil
}

// Lookup implements fleet.Fleet.
func (d *Driver) Lookup(ctx context.Context, account string, names []string) ([]fleet.Instance, error) {
	all, err := d.read(ctx, account)
	if err != nil {
		return nil, err
	}
	var out []fleet.Instance
	for _, n := range names {
		g, m := find(all, n)
		if m == nil {
			continue
		}
		i, err := d.instance(ctx, g, m)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

// Address implements fleet.Fleet.
func (d *Driver) Address(ctx context.Context, account, name string) (string, error) {
	all, err := d.read(ctx, account)
	if err != nil {
		return "", err
	}
	if _, m := find(all, name); m != nil && m.Address != "" {
		return m.Address, nil
	}
	i, err := d.Registry.Instance(ctx, account, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the registration of instance %s: %w", name, err)
	}
	return i.ServingAddress(), nil
}

// Terminate implements fleet.Fleet. The group is to have one instance less for each: what is terminated is not wanted, and would be started again.
func (d *Driver) Terminate(ctx context.Context, account string, names []string) ([]string, error) {
	all, err := d.read(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		of, _ := find(all, name)
		if of == nil {
			continue
		}
		err := d.change(ctx, account, of.Name, func(g *group) (*group, error) {
			if g == nil {
				return nil, nil
			}
			if m := g.member(name); m != nil && m.live() {
				g.Desired = max(0, g.Desired-1)
				g.end(m, d.Now())
			}
			return g, nil
		})
		if err != nil {
			return nil, fmt.Errorf("terminate instance %s: %w", name, err)
		}
	}
	return nil, nil
}
