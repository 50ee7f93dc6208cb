// Package store is the contract between Crossfade and its database: what is kept, what is atomic, and what a reader may rely on.
//
// The engines are sqlite (embedded) and postgres (shared by several servers); storetest is the suite that each must pass. The package owns the contract and the
// errors, no SQL. Two rules hold everywhere:
//
//   - What a method has acknowledged survives kill -9: it is on disk before the method returns.
//   - A deployment, its targets, its effects and its journal change only by applying a deploy.Transition in a [Batch].
//
// All methods are safe for concurrent use. Resources belong to an account; a reader never sees another account's.
package store

import (
	"context"
	"errors"
	"time"

	"crossfade/internal/deploy"
)

// The errors that callers tell apart. Engines wrap them with what was being done.
var (
	// ErrNotFound: there is no such row in the account.
	ErrNotFound = errors.New("not found")
	// ErrExists: the name, or another unique value, is taken.
	ErrExists = errors.New("already exists")
	// ErrLimit: the write would pass the limit that was given with it.
	ErrLimit = errors.New("limit exceeded")
	// ErrInUse: something still refers to the row.
	ErrInUse = errors.New("in use")
	// ErrConflict: the row's version moved on; read again and decide again.
	ErrConflict = errors.New("changed meanwhile")
)

// GroupBusyError refuses a deployment to a group that has an unfinished one, or an admission while another one has the turn.
type GroupBusyError struct{ Active string }

func (e *GroupBusyError) Error() string {
	return "the group already has the active deployment " + e.Active
}

// Store is everything that is kept.
type Store interface {
	Applications
	Configs
	Groups
	Revisions
	Instances
	Deployments
	GitHubTokens
	Identities
	JoinTokens
	EventLogs
	Notices
	// Ping reports whether the store can be read and written now.
	Ping(ctx context.Context) error
	// UnfinishedTargets lists what the account's unfinished deployments have to do with an instance, in no order.
	UnfinishedTargets(ctx context.Context, account, instance string) ([]deploy.Target, error)
	// Close waits for what is under way.
	Close() error
}

// Page is a position in a list that is ordered by a unique key: entries after Key, at most Limit of them (Limit 0: all). Entries that are
// there throughout a paged reading are seen once, whatever is added or removed meanwhile.
type Page struct {
	After string
	Limit int
}

// Applications keeps applications. Names are unique in an account.
type Applications interface {
	// CreateApplication fails with ErrExists or, when the account would have more than limit, ErrLimit.
	CreateApplication(ctx context.Context, a deploy.Application, limit int) error
	Application(ctx context.Context, account, name string) (deploy.Application, error)
	// Applications lists names in order.
	Applications(ctx context.Context, account string, p Page) ([]string, error)
	// RenameApplication fails with ErrNotFound or ErrExists.
	RenameApplication(ctx context.Context, account, name, newName string) error
	// DeleteApplication removes the application with its groups and revisions. Its deployments stay readable by id. It returns the ids of
	// the deployments that were unfinished, for the caller to end. An unknown name returns ErrNotFound.
	DeleteApplication(ctx context.Context, account, name string) (unfinished []string, err error)
	// SetApplicationTags replaces the tags.
	SetApplicationTags(ctx context.Context, account, name string, tags map[string]string) error
}

// Configs keeps the custom deployment configs; the built-in ones are not stored.
type Configs interface {
	CreateConfig(ctx context.Context, c deploy.Config, limit int) error
	Config(ctx context.Context, account, name string) (deploy.Config, error)
	Configs(ctx context.Context, account string, p Page) ([]string, error)
	// DeleteConfig fails with ErrInUse when a group or an unfinished deployment names the config, with ErrNotFound when there is none.
	DeleteConfig(ctx context.Context, account, name string) error
}

// Groups keeps deployment groups. Names are unique in an application.
type Groups interface {
	// CreateGroup fails with ErrNotFound when the application is gone, ErrExists or ErrLimit.
	CreateGroup(ctx context.Context, g deploy.Group, limit int) error
	// Group reads a group with Application, Active and what deployments wrote.
	Group(ctx context.Context, account, application, name string) (deploy.Group, error)
	GroupByID(ctx context.Context, id string) (deploy.Group, error)
	Groups(ctx context.Context, account, application string, p Page) ([]string, error)
	// AllGroups lists the groups of all accounts by id, each as Group reads it, for the server's own rounds.
	AllGroups(ctx context.Context, p Page) ([]deploy.Group, error)
	// UpdateGroup changes name, settings and tags of the group with the id, by a function of what is so, in one transaction. What
	// deployments wrote is not touched. It fails with ErrNotFound, ErrExists (name), or the function's error.
	UpdateGroup(ctx context.Context, account, id string, change func(*deploy.Group) error) error
	// DeleteGroup removes the group; see DeleteApplication.
	DeleteGroup(ctx context.Context, account, application, name string) (unfinished []string, err error)
}

// RevisionOrder is how revisions are listed.
type RevisionOrder struct {
	By         string // registerTime, firstUsedTime or lastUsedTime; empty: registerTime
	Descending bool
	Bucket     string // only S3 revisions of this bucket; empty: all
	KeyPrefix  string
	Deployed   string // include, exclude, or ignore (and empty)
}

// Revisions keeps what applications know of revisions.
type Revisions interface {
	// RegisterRevision adds a revision or replaces the description of a known one, keeping its times.
	RegisterRevision(ctx context.Context, account string, r deploy.RegisteredRevision) error
	Revision(ctx context.Context, applicationID string, location deploy.Revision) (deploy.RegisteredRevision, error)
	// RevisionGroups names the groups whose target revision it is.
	RevisionGroups(ctx context.Context, applicationID string, location deploy.Revision) ([]string, error)
	// Revisions lists in the order asked for. Page.After is the Cursor of an entry of the same order.
	Revisions(ctx context.Context, applicationID string, o RevisionOrder, p Page) ([]RevisionEntry, error)
}

// RevisionEntry is a revision with its place in the list.
type RevisionEntry struct {
	deploy.RegisteredRevision
	Cursor string
}

// InstanceFilter selects registered instances. Empty members select everything.
type InstanceFilter struct {
	Registration string             // Registered, Deregistered or empty
	Tags         []deploy.TagFilter // any of them
}

// Instances keeps on-premises instances.
type Instances interface {
	// RegisterInstance fails with ErrExists when the name is registered and *ARNTakenError when the ARN is bound to another registered
	// instance. A deregistered instance of the name is replaced, and what groups knew of it is forgotten.
	RegisterInstance(ctx context.Context, i deploy.Instance) error
	// DeregisterInstance sets the time and removes tags and address; unknown or deregistered names are no error.
	DeregisterInstance(ctx context.Context, account, name string, at time.Time) error
	Instance(ctx context.Context, account, name string) (deploy.Instance, error)
	// InstanceByHost finds the registered instance whose agent has the identity.
	InstanceByHost(ctx context.Context, host string) (deploy.Instance, error)
	Instances(ctx context.Context, account string, f InstanceFilter, p Page) ([]deploy.Instance, error)
	// ChangeInstances changes tags of all the named instances or of none. It fails with ErrNotFound when one is not registered, or with
	// the function's error.
	ChangeInstances(ctx context.Context, account string, names []string, change func(*deploy.Instance) error) error
	// SetInstanceAddress remembers where a host's polls come from. Writing the same address again costs no write.
	SetInstanceAddress(ctx context.Context, account, name, address string) error
	// InstanceChanges counts the registrations and deregistrations through this store, each at the latest when it returns; whole says that there are
	// no others, because no other process writes to the database.
	InstanceChanges() (n int64, whole bool)
}

// ARNTakenError refuses a registration whose ARN another instance has.
type ARNTakenError struct{ Instance string }

func (e *ARNTakenError) Error() string {
	return "the ARN belongs to the registered instance " + e.Instance
}

func (e *ARNTakenError) Is(target error) bool { return target == ErrExists }

// GitHubToken is an access token for repositories, as it is stored.
type GitHubToken struct {
	Account, Name string
	Sealed        []byte // package auth seals it; the key is not in the store
	CreatedAt     time.Time
}

// GitHubTokens keeps the tokens of accounts. Names are unique in an account.
type GitHubTokens interface {
	// PutGitHubToken adds a token or replaces the one of the name. Adding fails with ErrLimit when the account would have more than limit.
	PutGitHubToken(ctx context.Context, t GitHubToken, limit int) error
	GitHubToken(ctx context.Context, account, name string) (GitHubToken, error)
	// GitHubTokens lists names in order.
	GitHubTokens(ctx context.Context, account string, p Page) ([]string, error)
	// DeleteGitHubToken fails with ErrNotFound when there is none.
	DeleteGitHubToken(ctx context.Context, account, name string) error
}

// DeploymentFilter selects deployments. Empty members select everything.
type DeploymentFilter struct {
	ApplicationID, GroupID string
	ExternalID             string
	Root                   string // follow-ups of this deployment
	Statuses               []deploy.Status
	From, To               time.Time // by creation, both inclusive
}

// TargetFilter selects targets of a deployment. Empty members select everything.
type TargetFilter struct {
	Statuses []deploy.TargetStatus
	Lanes    []deploy.Lane
}

// Deployments keeps deployments with their targets, effects and journals.
type Deployments interface {
	// Batch runs fn in one write transaction: everything that fn applied is durable when Batch returns nil, and nothing of it is there when
	// Batch returns an error. fn may be run again when the engine has to retry the transaction.
	Batch(ctx context.Context, fn func(Batch) error) error

	// Deployment reads one; an empty account means any.
	Deployment(ctx context.Context, account, id string) (deploy.Deployment, error)
	// Deployments lists ids, newest first. Page.After is the Cursor of an entry.
	Deployments(ctx context.Context, account string, f DeploymentFilter, p Page) ([]DeploymentEntry, error)
	Targets(ctx context.Context, deploymentID string, f TargetFilter, p Page) ([]deploy.Target, error)
	// Target reads one by id.
	Target(ctx context.Context, deploymentID, id string) (deploy.Target, error)
	Journal(ctx context.Context, deploymentID string, after int64, limit int) ([]deploy.Line, error)

	// InstanceStates lists what the group knows of its instances, by instance.
	InstanceStates(ctx context.Context, groupID string) ([]deploy.InstanceState, error)

	// Effects reads every outstanding effect, for a start.
	Effects(ctx context.Context) ([]deploy.Effect, error)
	// Due lists what is due at the time, the earliest first, at most limit.
	Due(ctx context.Context, at time.Time, limit int) ([]Due, error)
	// NextDue is the earliest time at which something will be due; zero when nothing will.
	NextDue(ctx context.Context) (time.Time, error)
}

// DeploymentEntry is a deployment's id with its place in the list.
type DeploymentEntry struct {
	ID     string
	Cursor string
}

// Due names a deployment (Target empty) or a target whose deadline has come.
type Due struct {
	DeploymentID string
	Target       string
	At           time.Time
}

// TargetKey names a target, or a deployment when Target is empty.
type TargetKey struct{ Deployment, Target string }

// Batch is a write transaction over deployments. It is used by one goroutine and not after its Batch has returned.
type Batch interface {
	// Expect says which targets' events will be decided, so that a store that is far away can read them and their deployments together. Those that
	// are not there are no error yet.
	Expect(ctx context.Context, all []TargetKey) error
	// Deployment reads a deployment as the transaction sees it.
	Deployment(ctx context.Context, id string) (deploy.Deployment, error)
	// Group reads a group with what deployments wrote, Active included.
	Group(ctx context.Context, id string) (deploy.Group, error)
	// NextWaiting is the deployment of the group whose turn has come: the oldest that waits, while no other has the turn. Empty: none.
	NextWaiting(ctx context.Context, groupID string) (string, error)
	// View reads what Step needs. A target that does not exist is nil in the view.
	View(ctx context.Context, d deploy.Deployment, n deploy.Need) (deploy.View, error)
	// Apply makes a transition so, whole: deployment, targets, effects, deadlines, journal, notices, group, what the group knows of its
	// instances, and the deployment it spawns. It fails with ErrConflict when the deployment's version is not the transition's From, with
	// *GroupBusyError when it creates a deployment in a group that has an unfinished one (unless the new one waits its turn or runs beside), or
	// admits one while another has the turn, and with ErrNotFound when the group of a created one is gone; then nothing of it is applied and
	// the batch can go on. What runs beside the group's own deployments is in nobody's way. A spawned deployment is created also when its group is gone, so that a deletion never keeps a deployment from
	// ending. A created deployment registers its revision and sets its times of use.
	Apply(ctx context.Context, t deploy.Transition) error
}
