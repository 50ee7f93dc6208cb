package store

import (
	"context"
	"time"

	"crossfade/internal/deploy"
)

// Retention is what cleaning up needs of a store. What removes is one short transaction, bounded by the caller, that looks again whether what it
// removes may go; so it may run beside everything else, on several servers at once, and be killed at any time.
type Retention interface {
	// HistoryGroups lists the ids of the groups that have deployments, in order; groups that were deleted are among them.
	HistoryGroups(ctx context.Context, p Page) ([]string, error)
	// OldDeployments lists the deployments of a group, the oldest first, that were created before the time or are not among the newest ones.
	// A zero time, and 0 newest, select nothing. Page.After is the Cursor of an entry.
	OldDeployments(ctx context.Context, groupID string, createdBefore time.Time, newest int, p Page) ([]OldDeployment, error)
	// RemoveDeployments removes the deployments of a group one after the other, with all that is kept of them, as long as it takes no more than
	// about `rows` rows. Each goes whole for those who read, after its logs; the rest of its rows may be left to SweepDeployments. One that may
	// not go (see OldDeployment.Held) is passed over.
	RemoveDeployments(ctx context.Context, groupID string, ids []string, rows int) (RemovedDeployments, error)
	// SweepDeployments removes about `rows` rows of removed deployments, and returns how many; fewer than 1: there are none left.
	SweepDeployments(ctx context.Context, rows int) (int, error)

	// OldLogs reads logs on from a position, the oldest first, at most limit chunks of them: an entry for each deployment, in the order in which its
	// first chunk of the piece came. The position to go on from is the end of the piece, or the one asked from when there is nothing more.
	OldLogs(ctx context.Context, after int64, limit int) (logs []OldLog, position int64, err error)
	// LogBytes is how much all logs take up.
	LogBytes(ctx context.Context) (int64, error)
	// RemoveLogs removes at most `rows` rows of the logs of a deployment that has ended, and returns how many; 0: none is left, or it has not ended.
	RemoveLogs(ctx context.Context, deploymentID string, rows int) (removed int, bytes int64, err error)

	// RevisionApplications lists the ids of the applications that have revisions, in order.
	RevisionApplications(ctx context.Context, p Page) ([]string, error)
	// OldRevisions lists the revisions of an application, the one out of use for longest first, that were neither registered nor used since the
	// time, or are not among the newest ones by that. A zero time, and 0 newest, select nothing. Page.After is the Cursor of an entry.
	OldRevisions(ctx context.Context, applicationID string, unusedSince time.Time, newest int, p Page) ([]OldRevision, error)
	// RemoveRevisions removes those of the revisions that were not registered or used since they were read, and that were not Held.
	RemoveRevisions(ctx context.Context, revisions []OldRevision) ([]RemovedRevision, error)
	// RevisionKnown reports whether any application has a revision with the same bundle: the same object of a bucket, or the same commit.
	RevisionKnown(ctx context.Context, r deploy.Revision) (bool, error)
}

// OldDeployment is a deployment that may have to go.
type OldDeployment struct {
	ID      string
	Account string
	Cursor  string
	// Group and Application are the names when it was created.
	Group, Application string
	CreatedAt          time.Time
	CompletedAt        time.Time // zero: it has not ended
	Beyond             bool      // it is not among the newest
	// Held is why it may not go whatever its age; empty: it may.
	Held Hold
}

// Hold is why something may not be removed.
type Hold string

// The reasons.
const (
	// HeldUnfinished: the deployment has not ended, or something of it is still to be done: an effect, a deadline, a message.
	HeldUnfinished Hold = "unfinished"
	// HeldByGroup: it is the last successful or last attempted deployment of its group, the one that made its instances, or one that those or an
	// unfinished one refer to; of a revision: such a deployment is of it, or goes back to it.
	HeldByGroup Hold = "needed by its group"
)

// RemovedDeployments says what went.
type RemovedDeployments struct {
	Deployments int   // that are gone
	Rows        int   // of theirs, logs included
	LogBytes    int64 // of their logs
	// Done says that all that may go have gone; else call again.
	Done bool
}

// OldLog is what a deployment's scripts have written.
type OldLog struct {
	DeploymentID string
	Account      string
	CreatedAt    time.Time // the deployment's
	CompletedAt  time.Time // zero: it has not ended
	Bytes        int64     // of all of it
}

// OldRevision is a revision that may have to go.
type OldRevision struct {
	Number        int64 // its own
	Account       string
	ApplicationID string
	Application   string // its name
	Revision      deploy.Revision
	Cursor        string
	RegisteredAt  time.Time
	LastUsedAt    time.Time // zero: never
	Beyond        bool      // it is not among the newest
	Held          Hold      // empty: it may go
}

// RemovedRevision is a revision that went. It knows the place of its bundle.
type RemovedRevision struct {
	Account  string
	Revision deploy.Revision
}
