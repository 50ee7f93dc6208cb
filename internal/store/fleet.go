package store

import "context"

// Fleets keeps the Auto Scaling groups whose instances the server starts by itself. What is said of them is the driver's own document; the
// store knows which there are, and keeps a group and its instances together.
type Fleets interface {
	// FleetGroups lists the account's groups by name, each with its instances by name; an empty account means all accounts.
	FleetGroups(ctx context.Context, account string) ([]FleetGroup, error)
	// ChangeFleetGroup makes a group what change makes of it, in one transaction: change sees the group as it is, with a nil Doc when there is
	// none; a group that it leaves with a nil Doc is removed with its instances. It may be run again. When it fails, its error is returned
	// and nothing is changed; ErrExists says that the name of an added instance is taken in another group of the account.
	ChangeFleetGroup(ctx context.Context, account, name string, change func(*FleetGroup) error) error
}

// FleetGroup is an Auto Scaling group. Names are unique in an account.
type FleetGroup struct {
	Account, Name string
	Doc           []byte
	Instances     []FleetInstance // names are unique in the account
}

// FleetInstance is an instance of a group.
type FleetInstance struct {
	Name string
	Doc  []byte
}
