package explain_test

import (
	"slices"
	"testing"

	"crossfade/internal/explain"
)

// TestAddLogs holds that what was streamed is shown where the failure itself has no log, and nowhere else.
func TestAddLogs(t *testing.T) {
	t.Parallel()
	x := explain.Explanation{DeploymentID: "d-1", Failures: []explain.Failure{
		{Instance: "has one", Event: "AfterInstall", Cause: explain.CauseScript, Log: []string{"own"}},
		{Instance: "it's silent", Event: "AfterInstall", Cause: explain.CauseAgentSilent, Message: "no  result"},
		{Instance: "dead", Event: "AfterInstall", Cause: explain.CauseAgentDead},
		{Instance: "message", Event: "AfterInstall", Cause: explain.CauseAppSpec, Message: "it is\nmissing"},
		{Instance: "nothing", Event: "AfterInstall", Cause: explain.CauseUnknown},
	}}
	var asked []string
	x.AddLogs(func(instance, event string) []string {
		asked = append(asked, instance+" "+event)
		return map[string][]string{"it's silent": {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}, "message": {"it is missing"}}[instance]
	})
	if want := []string{"it's silent AfterInstall", "message AfterInstall", "nothing AfterInstall"}; !slices.Equal(asked, want) {
		t.Errorf("asked was for %q", asked)
	}
	for i, want := range []int{1, explain.Shown, 0, 0, 0} {
		if f := x.Failures[i]; len(f.Log) != want || (f.Logs != "") != (i == 1) {
			t.Errorf("%s shows %q and %q", f.Instance, f.Log, f.Logs)
		}
	}
	if got := x.Failures[1]; got.Log[9] != "10" || got.Logs != `crossfade logs d-1 --instance 'it'\''s silent' --event AfterInstall` {
		t.Errorf("shown is %+v", got)
	}
}
