package status

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// Write writes the report for people, as of the given time.
func (r Report) Write(w io.Writer, now time.Time) error {
	var b bytes.Buffer
	r.head(&b, now)
	if s := r.Agent; s != nil {
		r.server(&b, now)
		r.work(&b, now)
		finished(&b, s.Finished)
	}
	r.installed(&b, now)
	_, err := w.Write(b.Bytes())
	return err
}

func (r Report) head(b *bytes.Buffer, now time.Time) {
	s := r.Agent
	switch {
	case s == nil && r.Running:
		fmt.Fprintln(b, "The agent is running, and has not said yet what it does.")
	case s == nil:
		fmt.Fprintln(b, "The agent is not running, and none has run here.")
	case r.Running:
		fmt.Fprintf(b, "The agent is running: process %d, since %s (%s).\n", s.PID, stamp(s.Started), age(now, s.Started))
	case !s.Stopped.IsZero():
		fmt.Fprintf(b, "The agent is not running: it was stopped %s (%s).\n", stamp(s.Stopped), ago(now, s.Stopped))
	default:
		fmt.Fprintf(b, "The agent is not running: it died after %s (%s).\n", stamp(s.Written), ago(now, s.Written))
	}
	if s != nil {
		fmt.Fprintf(b, "  version   %s\n  server    %s\n  identity  %s\n  root      %s\n", s.Version, s.Endpoint, s.Identity, s.Root)
	}
}

func (r Report) server(b *bytes.Buffer, now time.Time) {
	s := r.Agent
	switch {
	case s.LastPoll.IsZero():
		fmt.Fprintln(b, "  polls     the server has not answered yet")
	case s.Unreachable:
		fmt.Fprintf(b, "  polls     the server does not answer; it did last %s (%s)\n", stamp(s.LastPoll), ago(now, s.LastPoll))
	default:
		fmt.Fprintf(b, "  polls     last answered %s (%s)\n", stamp(s.LastPoll), ago(now, s.LastPoll))
	}
	if e := s.LastError; e != nil {
		fmt.Fprintf(b, "  error     %s (%s): %s\n", stamp(e.At), ago(now, e.At), e.Text)
	}
}

func (r Report) work(b *bytes.Buffer, now time.Time) {
	s := r.Agent
	if len(s.Running)+len(s.Waiting) > 0 || r.Running || r.Lock != nil {
		fmt.Fprintln(b)
	}
	head := "Runs now"
	if !r.Running {
		head = "Ran when it ended"
	}
	if !r.Running { // what it did then took until then
		now = s.Written
	}
	if len(s.Running) == 0 && len(s.Waiting) == 0 && r.Running {
		fmt.Fprintln(b, "No lifecycle event runs or waits.")
	}
	for _, e := range s.Running {
		fmt.Fprintf(b, "%s: %s of %s (%s), since %s (%s)\n", head, e.Name, e.Deployment, e.groupName(), stamp(e.Since), age(now, e.Since))
		if e.Script != "" {
			fmt.Fprintf(b, "  script    %s\n", e.Script)
		}
	}
	for _, e := range s.Waiting {
		fmt.Fprintf(b, "Waits: %s of %s (%s), since %s (%s)\n", e.Name, e.Deployment, e.groupName(), stamp(e.Since), age(now, e.Since))
	}
	if r.Lock != nil && (r.Lock.PID != s.PID || !r.Running) {
		fmt.Fprintf(b, "Another process executes on this host: %s\n", r.Lock)
	}
}

func (e Event) groupName() string { return e.App + "/" + e.Group }

func finished(b *bytes.Buffer, events []Event) {
	if len(events) == 0 {
		return
	}
	fmt.Fprintln(b, "\nFinished, the latest first:")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, e := range events {
		outcome := string(e.Outcome)
		if e.Error != "" {
			outcome += ": " + e.Error
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\n", stamp(e.Ended), e.Deployment, e.groupName(), e.Name, duration(e.Ended.Sub(e.Since)), outcome)
	}
	flush(table)
}

func (r Report) installed(b *bytes.Buffer, now time.Time) {
	if len(r.Installed) == 0 {
		return
	}
	fmt.Fprintln(b, "\nInstalled:")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, i := range r.Installed {
		name := i.GroupID
		if i.Group != "" {
			name = cmp.Or(i.Application, "?") + "/" + i.Group
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t(%s)\n", name, i.Deployment, stamp(i.At), ago(now, i.At))
	}
	flush(table)
}

// flush writes into memory, which can't fail.
func flush(t *tabwriter.Writer) {
	t.Flush() //nolint:errcheck // see above
}

func stamp(t time.Time) string { return t.Format("2006-01-02 15:04:05 -07:00") }

func age(now, t time.Time) string { return "for " + duration(now.Sub(t)) }
func ago(now, t time.Time) string { return duration(now.Sub(t)) + " ago" }

// duration is short: nobody wants to read nanoseconds, or seconds of a month.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
