package upkeep

import (
	"context"
	"fmt"

	"crossfade/internal/store"
)

// registry is the registered instances as a pass sees them: which agents never asked for work is read once for each account.
type registry struct {
	Store
	accounts map[string]*known
}

// known is the registered instances of an account.
type known struct {
	// polled says of each agent's identity whether it ever asked for work.
	polled map[string]bool
}

func (r *registry) of(ctx context.Context, account string) (*known, error) {
	if k := r.accounts[account]; k != nil {
		return k, nil
	}
	all, err := r.Instances(ctx, account, store.InstanceFilter{Registration: registeredOnly}, store.Page{})
	if err != nil {
		return nil, fmt.Errorf("list the registered instances of account %s: %w", account, err)
	}
	k := &known{polled: map[string]bool{}}
	for _, i := range all {
		k.polled[i.Host()] = i.Address != ""
	}
	r.accounts[account] = k
	return k, nil
}

const registeredOnly = "Registered"

// silent reports whether the identity is that of a registered instance whose agent never asked for work. An identity that is not registered is
// an instance's of a cloud, and can't be told from one whose agent runs.
func (k *known) silent(host string) bool {
	polled, registered := k.polled[host]
	return host == "" || registered && !polled
}
