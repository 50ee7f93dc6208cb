package explain

import (
	"regexp"
	"strings"
)

// Shown is how many lines of a log an explanation shows.
const Shown = logLines

// LogsCommand is what to type to see all that an event has written.
func LogsCommand(id, instance, event string) string {
	return "crossfade logs " + id + " --instance " + word(instance) + " --event " + event
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9._/:@%+=,-]+$`)

// word is a name as a shell takes it.
func word(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// AddLogs shows what was streamed of failed events whose agents left no log with the failure: they fell silent, or were restarted. Last reads the last
// lines of an event's log; nil: there are none. Of many failures the first are asked for.
func (x *Explanation) AddLogs(last func(instance, event string) []string) {
	for i := range x.Failures[:min(len(x.Failures), shown)] {
		f := &x.Failures[i]
		if len(f.Log) > 0 || f.Cause == CauseAgentDead || f.Cause == CauseLoadBalancer {
			continue
		}
		lines := last(f.Instance, f.Event)
		if n := len(lines); n > 0 && lines[n-1] == strings.Join(strings.Fields(f.Message), " ") {
			lines = lines[:n-1] // shown already
		}
		if len(lines) > 0 {
			f.Log, f.Logs = lines[max(0, len(lines)-logLines):], LogsCommand(x.DeploymentID, f.Instance, f.Event)
		}
	}
}
