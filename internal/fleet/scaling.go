package fleet

import "context"

// Scaling is a fleet whose instances come in Auto Scaling groups, which start, replace and end instances by themselves. A driver of it is also
// a Fleet: Find follows the selection's AutoScalingGroups. Names that no driver knows are left out of answers and are no error, unless said.
type Scaling interface {
	// Groups returns those of the named groups that there are, ordered as named.
	Groups(ctx context.Context, account string, names []string) ([]Group, error)
	// Copy makes the group `name` like `source`, with `size` instances, or does nothing when it is there already: it is asked again until
	// all of them are InService. It fails with ErrUnknownGroup when there is no source.
	Copy(ctx context.Context, account, source, name string, size int) error
	// Delete ends the group with its instances; it is asked again, and says gone when nothing of it is left. An unknown group is gone.
	Delete(ctx context.Context, account, name string) (gone bool, err error)
	// SetHook makes instances that are launched (or that end) wait at the hook until Complete, or until its time is up. Setting one that
	// is there changes nothing. It fails with ErrUnknownGroup.
	SetHook(ctx context.Context, account, group string, h Hook) error
	// RemoveHook takes a hook away; one that is not there is no error. Instances that wait at it go on.
	RemoveHook(ctx context.Context, account, group, hook string) error
	// Waiting lists the instances of the groups that wait at a hook.
	Waiting(ctx context.Context, account string, groups []string) ([]Waiting, error)
	// Heartbeat keeps an instance waiting for another timeout of the hook.
	Heartbeat(ctx context.Context, account string, w Waiting) error
	// Complete lets a waiting instance go on, or abandons it: a launched one is then ended and replaced. One that no longer waits is no error.
	Complete(ctx context.Context, account string, w Waiting, proceed bool) error
	// Changes wakes, without telling the truth, when something may have changed. A nil channel means "poll me".
	Changes() <-chan struct{}
}

// Group is an Auto Scaling group as deployments see it.
type Group struct {
	Name    string
	Desired int // instances that the group wants to have
	Members []Member
}

// InService counts the members that are in service.
func (g Group) InService() int {
	n := 0
	for _, m := range g.Members {
		if m.State == MemberInService {
			n++
		}
	}
	return n
}

// Member is an instance of a group.
type Member struct {
	Instance
	State MemberState
}

// MemberState is where a member is in its life.
type MemberState string

// The states of a member.
const (
	MemberPending     MemberState = "Pending"      // being started
	MemberPendingWait MemberState = "Pending:Wait" // started, waiting at a launch hook
	MemberInService   MemberState = "InService"
	MemberTerminating MemberState = "Terminating"
	MemberEndWait     MemberState = "Terminating:Wait" // waiting at a termination hook
)

// Hook is a place in an instance's life at which it waits.
type Hook struct {
	Name        string
	Termination bool // before the instance ends, else after it was launched
}

// Waiting is an instance that waits at a hook. Token names this waiting, where the driver has such a thing.
type Waiting struct {
	Group    string
	Hook     Hook
	Instance Instance
	Token    string
}
