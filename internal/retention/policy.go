package retention

import (
	"fmt"
	"time"

	"crossfade/internal/store"
)

// Policy is what is kept. The zero Policy keeps everything.
type Policy struct {
	Deployments Limit    // of each deployment group
	Logs        LogLimit // of all
	Revisions   Limit    // of each application
}

// Limit bounds what is kept of one kind. What is over either bound goes.
type Limit struct {
	Age   time.Duration // since it ended, or was of use last; 0: any
	Count int           // of the newest; 0: any number
}

// LogLimit bounds what is kept of what scripts write.
type LogLimit struct {
	Age   time.Duration // since the end of the deployment; 0: any
	Bytes int64         // of all logs together; the oldest go first; 0: any number
}

// bounded reports whether anything can be over it.
func (l Limit) bounded() bool { return l.Age > 0 || l.Count > 0 }

// before is the time before which something is over the age; zero: nothing is.
func before(now time.Time, age time.Duration) time.Time {
	if age <= 0 {
		return time.Time{}
	}
	return now.Add(-age)
}

// Reason is why something goes.
type Reason string

// The reasons.
const (
	OverAge   Reason = "age"
	OverCount Reason = "count"
	OverBytes Reason = "bytes"
)

// Verdict is what becomes of something: it goes for a reason, is held though it is over a bound, or stays because it is over none.
type Verdict struct {
	Goes Reason     // empty: it stays
	Held store.Hold // why it stays though it is over a bound
}

// verdict is of something that is over the bounds that are given; empty ones it is not over.
func verdict(held store.Hold, over Reason) Verdict {
	switch {
	case over == "":
		return Verdict{}
	case held != "":
		return Verdict{Held: held}
	}
	return Verdict{Goes: over}
}

// Deployment judges a deployment. Its age counts from its end, because until then it was in use.
func (p Policy) Deployment(now time.Time, d store.OldDeployment) Verdict {
	held := d.Held
	if d.CompletedAt.IsZero() {
		held = store.HeldUnfinished
	}
	return verdict(held, p.Deployments.over(now, d.CompletedAt, d.Beyond))
}

// Revision judges a revision. Its age counts from its last use or registration, whichever was later.
func (p Policy) Revision(now time.Time, r store.OldRevision) Verdict {
	at := r.RegisteredAt
	if r.LastUsedAt.After(at) {
		at = r.LastUsedAt
	}
	return verdict(r.Held, p.Revisions.over(now, at, r.Beyond))
}

func (l Limit) over(now, since time.Time, beyond bool) Reason {
	switch {
	case l.Age > 0 && !since.IsZero() && since.Before(now.Add(-l.Age)):
		return OverAge
	case l.Count > 0 && beyond:
		return OverCount
	}
	return ""
}

// Log judges the logs of a deployment; total is how much all logs take up now.
func (p Policy) Log(now time.Time, l store.OldLog, total int64) Verdict {
	over, held := Reason(""), store.Hold("")
	if l.CompletedAt.IsZero() {
		held = store.HeldUnfinished
	}
	switch {
	case p.Logs.Age > 0 && !l.CompletedAt.IsZero() && l.CompletedAt.Before(now.Add(-p.Logs.Age)):
		over = OverAge
	case p.Logs.Bytes > 0 && total > p.Logs.Bytes:
		over = OverBytes
	}
	return verdict(held, over)
}

// String is the policy in words.
func (p Policy) String() string {
	words := func(l Limit, of string) string {
		switch {
		case l.Age > 0 && l.Count > 0:
			return fmt.Sprintf("%s, the newest %d%s", span(l.Age), l.Count, of)
		case l.Age > 0:
			return span(l.Age)
		case l.Count > 0:
			return fmt.Sprintf("the newest %d%s", l.Count, of)
		}
		return "for ever"
	}
	logs := words(Limit{Age: p.Logs.Age}, "")
	if p.Logs.Bytes > 0 {
		if p.Logs.Age == 0 {
			logs = ""
		} else {
			logs += ", "
		}
		logs += fmt.Sprintf("%d MiB", p.Logs.Bytes>>20)
	}
	return fmt.Sprintf("deployments: %s; logs: %s; revisions: %s", words(p.Deployments, " of a group"), logs, words(p.Revisions, " of an application"))
}

// span is a duration in whole days where it is one.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}
