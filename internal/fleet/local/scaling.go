package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/fleet"
	"crossfade/internal/store"
)

// deploymentHooks begin the names of hooks that are a deployment group's. A copy gets none of them: its own are set.
const deploymentHooks = "CodeDeploy-managed-"

func unknown(group string) error {
	return fmt.Errorf("the fleet has no Auto Scaling group %s: %w", group, fleet.ErrUnknownGroup)
}

// Groups implements fleet.Scaling. One that ends is there until its last member has gone.
func (d *Driver) Groups(ctx context.Context, account string, names []string) ([]fleet.Group, error) {
	all, err := d.read(ctx, account)
	if err != nil {
		return nil, err
	}
	var out []fleet.Group
	for _, n := range names {
		if g := named(all, n); g.exists() {
			shown, err := d.show(ctx, g)
			if err != nil {
				return nil, err
			}
			out = append(out, shown)
		}
	}
	return out, nil
}

func (d *Driver) show(ctx context.Context, g *group) (fleet.Group, error) {
	out := fleet.Group{Name: g.Name, Desired: g.Desired}
	if g.Deleted {
		out.Desired = 0
	}
	for _, m := range g.members {
		i, err := d.instance(ctx, g, m)
		if err != nil {
			return fleet.Group{}, err
		}
		out.Members = append(out.Members, fleet.Member{Instance: i, State: seen[m.State]})
	}
	return out, nil
}

// instance is the member with what its registration says. While there is none, it has no ARN and no host.
func (d *Driver) instance(ctx context.Context, g *group, m *member) (fleet.Instance, error) {
	i := fleet.Instance{Name: m.Name, Zone: m.Zone}
	registered, err := d.Registry.Instance(ctx, g.Account, m.Name)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && !registered.DeregisteredAt.IsZero():
		return i, nil
	case err != nil:
		return i, fmt.Errorf("read the registration of instance %s: %w", m.Name, err)
	}
	i.ARN, i.Host = registered.ARN, registered.Host()
	return i, nil
}

// Copy implements fleet.Scaling.
func (d *Driver) Copy(ctx context.Context, account, source, name string, size int) error {
	if err := checkSize(size); err != nil {
		return err
	}
	all, err := d.read(ctx, account)
	if err != nil {
		return err
	}
	from := named(all, source)
	if !from.exists() || from.Deleted {
		return unknown(source)
	}
	return d.change(ctx, account, name, func(g *group) (*group, error) {
		switch {
		case g == nil:
		case g.Deleted:
			return nil, fmt.Errorf("the Auto Scaling group %s was deleted and is not made again", name)
		default:
			return g, nil
		}
		hooks := slices.DeleteFunc(slices.Clone(from.Hooks), func(h fleet.Hook) bool { return strings.HasPrefix(h.Name, deploymentHooks) })
		return &group{Account: account, Name: name, Origin: from.Origin, Template: from.Template, Desired: size, Hooks: hooks}, nil
	})
}

// Delete implements fleet.Scaling.
func (d *Driver) Delete(ctx context.Context, account, name string) (gone bool, err error) {
	err = d.change(ctx, account, name, func(g *group) (*group, error) {
		gone = g == nil || len(g.members) == 0
		if g != nil {
			g.Deleted, g.Desired = true, 0
		}
		return g, nil
	})
	return gone && err == nil, err
}

// Remembers implements fleet.Remembering.
func (d *Driver) Remembers(ctx context.Context, account, name string) (bool, error) {
	all, err := d.read(ctx, account)
	return named(all, name) != nil, err
}

// SetHook implements fleet.Scaling.
func (d *Driver) SetHook(ctx context.Context, account, name string, h fleet.Hook) error {
	return d.change(ctx, account, name, func(g *group) (*group, error) {
		if !g.exists() || g.Deleted {
			return nil, unknown(name)
		}
		g.Hooks = slices.DeleteFunc(g.Hooks, func(is fleet.Hook) bool { return is.Name == h.Name && is != h })
		if !slices.Contains(g.Hooks, h) {
			g.Hooks = append(g.Hooks, h)
		}
		return g, nil
	})
}

// RemoveHook implements fleet.Scaling.
func (d *Driver) RemoveHook(ctx context.Context, account, name, hook string) error {
	return d.change(ctx, account, name, func(g *group) (*group, error) {
		if g != nil {
			g.Hooks = slices.DeleteFunc(g.Hooks, func(h fleet.Hook) bool { return h.Name == hook })
		}
		return g, nil
	})
}

// Waiting implements fleet.Scaling.
func (d *Driver) Waiting(ctx context.Context, account string, groups []string) ([]fleet.Waiting, error) {
	all, err := d.read(ctx, account)
	if err != nil {
		return nil, err
	}
	var out []fleet.Waiting
	for _, name := range groups {
		g := named(all, name)
		if g == nil {
			continue
		}
		for _, m := range g.members {
			for _, w := range m.Waits {
				i, err := d.instance(ctx, g, m)
				if err != nil {
					return nil, err
				}
				out = append(out, fleet.Waiting{Group: name, Hook: fleet.Hook{Name: w.Hook, Termination: m.State == endWaiting}, Instance: i})
			}
		}
	}
	return out, nil
}

// wait changes a member's wait at a hook; when it no longer waits there is nothing to change.
func (d *Driver) wait(ctx context.Context, account string, w fleet.Waiting, change func(*group, *member, *wait)) error {
	return d.change(ctx, account, w.Group, func(g *group) (*group, error) {
		if g == nil {
			return nil, nil
		}
		m := g.member(w.Instance.Name)
		if m == nil || m.State != waiting && m.State != endWaiting || w.Hook.Termination != (m.State == endWaiting) {
			return g, nil
		}
		if i := slices.IndexFunc(m.Waits, func(is wait) bool { return is.Hook == w.Hook.Name }); i >= 0 {
			change(g, m, &m.Waits[i])
		}
		return g, nil
	})
}

// Heartbeat implements fleet.Scaling.
func (d *Driver) Heartbeat(ctx context.Context, account string, w fleet.Waiting) error {
	return d.wait(ctx, account, w, func(_ *group, _ *member, is *wait) { is.Until = d.Now().Add(hookTimeout) })
}

// Complete implements fleet.Scaling. An end that is abandoned happens at once.
func (d *Driver) Complete(ctx context.Context, account string, w fleet.Waiting, proceed bool) error {
	return d.wait(ctx, account, w, func(g *group, m *member, is *wait) {
		switch {
		case proceed:
			m.Waits = slices.DeleteFunc(m.Waits, func(x wait) bool { return x.Hook == is.Hook })
		case m.State == endWaiting:
			m.Waits = nil
		default:
			g.fail(m, d.Now())
		}
	})
}

// Changes implements fleet.Scaling.
func (d *Driver) Changes() <-chan struct{} { return d.changes }

func checkSize(size int) error {
	if size < 0 || size > MaxSize {
		return &fleet.SizeError{Text: fmt.Sprintf("an Auto Scaling group has 0 to %d instances, and not %d", MaxSize, size)}
	}
	return nil
}

// Sizes implements fleet.Sizes.
func (d *Driver) Sizes(ctx context.Context, account string) ([]fleet.Size, error) {
	all, err := d.read(ctx, account)
	if err != nil {
		return nil, err
	}
	out := make([]fleet.Size, len(all))
	for i, g := range all {
		shown, err := d.show(ctx, g)
		if err != nil {
			return nil, err
		}
		out[i] = fleet.Size{Group: shown, Origin: g.Origin, Deleted: g.Deleted}
		for _, m := range g.members {
			if m.Problem != "" {
				out[i].Problems = append(out[i].Problems, "Instance "+m.Name+": "+m.Problem+".")
			}
		}
	}
	return out, nil
}

// SetSize implements fleet.Sizes.
func (d *Driver) SetSize(ctx context.Context, account, name string, size int) error {
	if err := checkSize(size); err != nil {
		return err
	}
	return d.change(ctx, account, name, func(g *group) (*group, error) {
		if g == nil {
			return nil, unknown(name)
		}
		if g.Deleted && g.copied() {
			return nil, &fleet.SizeError{Text: fmt.Sprintf("the Auto Scaling group %s is being deleted", name)}
		}
		g.Desired, g.Deleted = size, false
		return g, nil
	})
}
