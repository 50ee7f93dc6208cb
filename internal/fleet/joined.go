package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"crossfade/internal/deploy"
)

// Driver is a kind of fleet with Auto Scaling groups.
type Driver interface {
	Fleet
	Scaling
}

// Joined makes several fleets one. What concerns an instance or an Auto Scaling group goes to the first that knows its name; drivers come
// before Rest, in which an instance of a driver may be known too, because its agent is registered like any other.
type Joined struct {
	Drivers []Driver
	Rest    Fleet
}

var _ Driver = Joined{}

func (j Joined) fleets() []Fleet {
	out := make([]Fleet, 0, len(j.Drivers)+1)
	for _, d := range j.Drivers {
		out = append(out, d)
	}
	return append(out, j.Rest)
}

// Remembering is a driver that knows which of its groups are gone. Their names stay its own: a group of the same name in a later driver is
// another one, and is not to be taken or deleted for it.
type Remembering interface {
	Remembers(ctx context.Context, account, name string) (bool, error)
}

// share gives each name of a group to the first driver that has it. The last one gets those that no other has, and says whether it does.
func (j Joined) share(ctx context.Context, account string, names []string) ([][]string, error) {
	shares := make([][]string, len(j.Drivers))
	for n, d := range j.Drivers {
		if n == len(j.Drivers)-1 || len(names) == 0 {
			shares[n] = names
			break
		}
		found, err := d.Groups(ctx, account, names)
		if err != nil {
			return nil, err
		}
		var left []string
		for _, name := range names {
			has := slices.ContainsFunc(found, func(g Group) bool { return g.Name == name })
			if r, ok := d.(Remembering); ok && !has {
				if has, err = r.Remembers(ctx, account, name); err != nil {
					return nil, err
				}
			}
			if has {
				shares[n] = append(shares[n], name)
			} else {
				left = append(left, name)
			}
		}
		names = left
	}
	return shares, nil
}

// Find implements Fleet: the union. Of an instance that several pick, the first one's word counts.
func (j Joined) Find(ctx context.Context, account string, s deploy.Selection) ([]Instance, error) {
	shares, err := j.share(ctx, account, s.AutoScalingGroups)
	if err != nil {
		return nil, err
	}
	var found []Instance
	seen := map[string]bool{}
	for n, f := range j.fleets() {
		theirs := s
		if theirs.AutoScalingGroups = nil; n < len(shares) {
			theirs.AutoScalingGroups = shares[n]
		}
		some, err := f.Find(ctx, account, theirs)
		if err != nil {
			return nil, err
		}
		for _, i := range some {
			if !seen[i.Name] {
				found = append(found, i)
			}
			seen[i.Name] = true
		}
	}
	slices.SortFunc(found, func(a, b Instance) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// split gives each name to the first fleet that knows it, with its index; the names that none knows are left over.
func (j Joined) split(ctx context.Context, account string, names []string, take func(index int, f Fleet, found []Instance) error) (unknown []string, err error) {
	left := names
	for n, f := range j.fleets() {
		if len(left) == 0 {
			return nil, nil
		}
		found, err := f.Lookup(ctx, account, left)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		if err := take(n, f, found); err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(slices.Clone(left), func(name string) bool {
			return slices.ContainsFunc(found, func(i Instance) bool { return i.Name == name })
		})
	}
	return left, nil
}

// Lookup implements Fleet.
func (j Joined) Lookup(ctx context.Context, account string, names []string) ([]Instance, error) {
	byName := map[string]Instance{}
	_, err := j.split(ctx, account, names, func(_ int, _ Fleet, found []Instance) error {
		for _, i := range found {
			byName[i.Name] = i
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Instance
	for _, n := range names {
		if i, ok := byName[n]; ok {
			out = append(out, i)
		}
	}
	return out, nil
}

// Address implements Fleet. An instance that no fleet knows has none, but Rest is asked: it knows deregistered instances too.
func (j Joined) Address(ctx context.Context, account, name string) (address string, err error) {
	unknown, err := j.split(ctx, account, []string{name}, func(_ int, f Fleet, _ []Instance) (err error) {
		address, err = f.Address(ctx, account, name)
		return err
	})
	if err != nil || len(unknown) == 0 {
		return address, err
	}
	return j.Rest.Address(ctx, account, name)
}

// Terminate implements Fleet: each instance is ended by the fleet that it is of. Names that none knows are gone, which is as well.
func (j Joined) Terminate(ctx context.Context, account string, names []string) ([]string, error) {
	var notes []string
	var failed error
	_, err := j.split(ctx, account, names, func(_ int, f Fleet, found []Instance) error {
		theirs := make([]string, len(found))
		for i, instance := range found {
			theirs[i] = instance.Name
		}
		some, err := f.Terminate(ctx, account, theirs)
		notes = append(notes, some...)
		failed = errors.Join(failed, err) // the others' are ended all the same
		return nil
	})
	return notes, errors.Join(err, failed)
}

// Groups implements Scaling.
func (j Joined) Groups(ctx context.Context, account string, names []string) ([]Group, error) {
	shares, err := j.share(ctx, account, names)
	if err != nil {
		return nil, err
	}
	byName := map[string]Group{}
	for n, d := range j.Drivers {
		found, err := d.Groups(ctx, account, shares[n])
		if err != nil {
			return nil, err
		}
		for _, g := range found {
			byName[g.Name] = g
		}
	}
	var out []Group
	for _, n := range names {
		if g, ok := byName[n]; ok {
			out = append(out, g)
		}
	}
	return out, nil
}

// of finds the driver that the group is of: the one that has it, or remembers it, or else the last. It is nil when there are no drivers.
func (j Joined) of(ctx context.Context, account, group string) (Driver, error) {
	shares, err := j.share(ctx, account, []string{group})
	if err != nil {
		return nil, err
	}
	for n, d := range j.Drivers {
		if len(shares[n]) > 0 {
			return d, nil
		}
	}
	return nil, nil
}

// with does something in the driver that the group is of; without one it is an unknown group.
func (j Joined) with(ctx context.Context, account, group string, do func(Driver) error) error {
	d, err := j.of(ctx, account, group)
	if err != nil {
		return err
	}
	if d == nil {
		return fmt.Errorf("find the Auto Scaling group %s: %w", group, ErrUnknownGroup)
	}
	return do(d)
}

// Copy implements Scaling: a copy is where its source is.
func (j Joined) Copy(ctx context.Context, account, source, name string, size int) error {
	return j.with(ctx, account, source, func(d Driver) error { return d.Copy(ctx, account, source, name, size) })
}

// Delete implements Scaling.
func (j Joined) Delete(ctx context.Context, account, name string) (gone bool, err error) {
	d, err := j.of(ctx, account, name)
	if err != nil || d == nil {
		return err == nil, err
	}
	return d.Delete(ctx, account, name)
}

// SetHook implements Scaling.
func (j Joined) SetHook(ctx context.Context, account, group string, h Hook) error {
	return j.with(ctx, account, group, func(d Driver) error { return d.SetHook(ctx, account, group, h) })
}

// lenient does something in the driver that the group is of; without one there is nothing to do.
func (j Joined) lenient(ctx context.Context, account, group string, do func(Driver) error) error {
	err := j.with(ctx, account, group, do)
	if errors.Is(err, ErrUnknownGroup) {
		return nil
	}
	return err
}

// RemoveHook implements Scaling.
func (j Joined) RemoveHook(ctx context.Context, account, group, hook string) error {
	return j.lenient(ctx, account, group, func(d Driver) error { return d.RemoveHook(ctx, account, group, hook) })
}

// Waiting implements Scaling.
func (j Joined) Waiting(ctx context.Context, account string, groups []string) ([]Waiting, error) {
	shares, err := j.share(ctx, account, groups)
	if err != nil {
		return nil, err
	}
	var all []Waiting
	for n, d := range j.Drivers {
		some, err := d.Waiting(ctx, account, shares[n])
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Heartbeat implements Scaling.
func (j Joined) Heartbeat(ctx context.Context, account string, w Waiting) error {
	return j.lenient(ctx, account, w.Group, func(d Driver) error { return d.Heartbeat(ctx, account, w) })
}

// Complete implements Scaling.
func (j Joined) Complete(ctx context.Context, account string, w Waiting, proceed bool) error {
	return j.lenient(ctx, account, w.Group, func(d Driver) error { return d.Complete(ctx, account, w, proceed) })
}

// Changes implements Scaling. Of several drivers one may have to be polled, and then all are.
func (j Joined) Changes() <-chan struct{} {
	if len(j.Drivers) == 1 {
		return j.Drivers[0].Changes()
	}
	return nil
}
