package store

import (
	"context"
	"time"

	"crossfade/internal/deploy"
)

// LoggedNotice is a notice with its place in the log.
type LoggedNotice struct {
	ID int64 // grows from notice to notice, from 1, and is never used again
	deploy.Notice
}

// Delivery is one message that a trigger still has to send.
type Delivery struct {
	ID       int64         // grows from delivery to delivery and is never used again
	NoticeID int64         // of the notice in the log; 0: it is not in the log, because it only tests the trigger
	Notice   deploy.Notice // what is told
	Trigger  string        // the trigger's name
	// Destination is the trigger's target. Deliveries of one deployment to one destination are due one after the other.
	Destination string
	Tries       int // that have failed
	CreatedAt   time.Time
	NotBefore   time.Time // when it is due; in the past: at once
	Problem     string    // why the last try failed
}

// LostDelivery is a delivery that was given up.
type LostDelivery struct {
	ID           int64
	Account      string
	DeploymentID string // empty: a test of the trigger
	Trigger      string
	Destination  string
	Tries        int
	CreatedAt    time.Time
	LostAt       time.Time
	Problem      string // why, in one sentence
}

// NoticeCursor is how far a follower of the log has come.
type NoticeCursor struct {
	Name  string
	After int64 // the id of the last notice that it is through with
	// Tries counts failures with the notice after that, the first of them at Since; it is tried again at NotBefore. All zero: none failed.
	Tries     int
	Since     time.Time
	NotBefore time.Time
}

// Notices keeps what others are to be told: the log of notices, and the messages that triggers still have to send. Batch.Apply adds to both, in the
// commit of the transition.
type Notices interface {
	// Notices reads the log on from an id, in order, at most limit (0: all). A notice never comes to be seen after one with a higher id has
	// been, so whoever goes on from the last id that it has read misses none.
	Notices(ctx context.Context, after int64, limit int) ([]LoggedNotice, error)
	// NoticeBounds are the ids of the first and the last notice that are kept; zero while there has been none. The last one is always kept.
	NoticeBounds(ctx context.Context) (first, last int64, err error)

	// AddDelivery queues a test of a trigger: Notice, Trigger, Destination and CreatedAt count.
	AddDelivery(ctx context.Context, d Delivery) error
	// DueDeliveries lists the deliveries that are due at the time, the longest due first, at most limit, without those to the skipped
	// destinations.
	DueDeliveries(ctx context.Context, at time.Time, skip []string, limit int) ([]Delivery, error)
	// NextDelivery is the earliest time after the given one at which a delivery will be due; zero: none will.
	NextDelivery(ctx context.Context, after time.Time) (time.Time, error)
	// DeliveryDone removes a delivery, and the next of its deployment and destination is due. One that is gone already is no error; so it is
	// with the two methods that follow.
	DeliveryDone(ctx context.Context, id int64) error
	// DeliveryFailed counts a failed try and says when the next one is due.
	DeliveryFailed(ctx context.Context, id int64, notBefore time.Time, problem string) error
	// DeliveryLost counts a failed try and gives the delivery up, as DeliveryDone does, but keeps it among the lost ones.
	DeliveryLost(ctx context.Context, id int64, at time.Time, problem string) error
	// LostDeliveries lists what was given up in an account (empty: in any), the latest first, at most limit; before is the id of the last entry of
	// the page before, or 0.
	LostDeliveries(ctx context.Context, account string, before int64, limit int) ([]LostDelivery, error)

	// NoticeCursor fails with ErrNotFound when there is none of the name.
	NoticeCursor(ctx context.Context, name string) (NoticeCursor, error)
	SetNoticeCursor(ctx context.Context, c NoticeCursor) error

	// TrimNotices removes at most limit of the oldest notices, those from before the time and those beyond the newest `most`, and as many lost
	// deliveries from before the time. It keeps what a delivery still needs. It returns how many rows it has removed.
	TrimNotices(ctx context.Context, before time.Time, most int64, limit int) (int, error)
}
