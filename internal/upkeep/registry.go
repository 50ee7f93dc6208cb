package upkeep

import (
	"context"
	"fmt"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// registry is the registered instances as a pass sees them: each account's are read once.
type registry struct {
	Store
	accounts map[string]*known
}

// known is the registered instances of an account.
type known struct {
	all []deploy.Instance
	// polled says of each agent's identity whether it ever asked for work.
	polled map[string]bool
}

func (r *registry) of(ctx context.Context, account string) (*known, error) {
	if k := r.accounts[account]; k != nil {
		return k, nil
	}
	all, err := r.Store.Instances(ctx, account, store.InstanceFilter{Registration: registeredOnly}, store.Page{})
	if err != nil {
		return nil, fmt.Errorf("list the registered instances of account %s: %w", account, err)
	}
	k := &known{all: all, polled: map[string]bool{}}
	for _, i := range all {
		k.polled[i.Host()] = i.Address != ""
	}
	r.accounts[account] = k
	return k, nil
}

const registeredOnly = "Registered"

// Instances implements fleet.Instances: the list of all registered ones comes from memory.
func (r *registry) Instances(ctx context.Context, account string, f store.InstanceFilter, p store.Page) ([]deploy.Instance, error) {
	if f.Registration != registeredOnly || len(f.Tags) > 0 || p != (store.Page{}) {
		return r.Store.Instances(ctx, account, f, p)
	}
	k, err := r.of(ctx, account)
	if err != nil {
		return nil, err
	}
	return k.all, nil
}

// silent reports whether the identity is that of a registered instance whose agent never asked for work. An identity that is not registered is
// an instance's of a cloud, and can't be told from one whose agent runs.
func (k *known) silent(host string) bool {
	polled, registered := k.polled[host]
	return host == "" || registered && !polled
}
