package fleet

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// Registered is the fleet of registered on-premises instances.
type Registered struct {
	Instances Instances
}

// Instances is what Registered reads.
type Instances interface {
	Instance(ctx context.Context, account, name string) (deploy.Instance, error)
	Instances(ctx context.Context, account string, f store.InstanceFilter, p store.Page) ([]deploy.Instance, error)
}

var _ Fleet = Registered{}

func instance(i deploy.Instance) Instance {
	return Instance{Name: i.Name, ARN: i.ARN, Host: i.Host(), Zone: i.Tags[deploy.ZoneTag]}
}

// Find implements Fleet. EC2 filters match registered instances too: they are the only instances that there are.
func (r Registered) Find(ctx context.Context, account string, s deploy.Selection) ([]Instance, error) {
	if s.Empty() {
		return nil, nil
	}
	anchors := s.Anchors()
	if len(anchors) == 0 {
		return nil, nil
	}
	likely, err := r.Instances.Instances(ctx, account, store.InstanceFilter{Registration: "Registered", Tags: anchors}, store.Page{})
	if err != nil {
		return nil, fmt.Errorf("find registered instances by their tags: %w", err)
	}
	var found []Instance
	for _, i := range likely {
		if s.MatchesInstance(i.Tags) {
			found = append(found, instance(i))
		}
	}
	return found, nil
}

// Lookup implements Fleet.
func (r Registered) Lookup(ctx context.Context, account string, names []string) ([]Instance, error) {
	var found []Instance
	for _, n := range names {
		i, err := r.Instances.Instance(ctx, account, n)
		if errors.Is(err, store.ErrNotFound) || err == nil && !i.DeregisteredAt.IsZero() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read instance %s: %w", n, err)
		}
		found = append(found, instance(i))
	}
	return found, nil
}

// Address implements Fleet.
func (r Registered) Address(ctx context.Context, account, name string) (string, error) {
	i, err := r.Instances.Instance(ctx, account, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read instance %s: %w", name, err)
	}
	return i.ServingAddress(), nil
}

// Terminate implements Fleet. A registered machine is its owner's to switch off, and it is likely to be the next replacement environment; so
// it is left running, out of traffic, and the deployment says so.
func (r Registered) Terminate(_ context.Context, _ string, names []string) ([]string, error) {
	notes := make([]string, 0, len(names))
	for _, n := range names {
		notes = append(notes, fmt.Sprintf("Original instance %s is a registered host: it is out of traffic and left running, for you to switch off or to use as the next replacement.", n))
	}
	return notes, nil
}
