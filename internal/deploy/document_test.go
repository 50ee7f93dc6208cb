package deploy

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/state-machine.md anew")

const documentPath = "../../docs/state-machine.md"

// TestDocumentIsCurrent keeps docs/state-machine.md made from the tables of this package.
func TestDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	want := document()
	if *update {
		if err := os.WriteFile(documentPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/state-machine.md is not what the tables say; run go test ./internal/deploy -run TestDocumentIsCurrent -update")
	}
}

func document() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# The state machine\n\nMade from the tables of `internal/deploy` by its tests (`go test ./internal/deploy -run TestDocumentIsCurrent -update`); don't edit.\n")
	p("\n## A deployment's status\n\n```mermaid\nstateDiagram-v2\n    [*] --> Created\n")
	for _, s := range Statuses() {
		for _, to := range statusMoves[s] {
			p("    %s --> %s\n", s, to)
		}
		if s.Terminal() {
			p("    %s --> [*]\n", s)
		}
	}
	p("```\n\n`Baking` is legal in the API and never produced. `Queued` are deployments that wait their turn, in groups that have the tag `crossfade:when-busy` = `queue`.\n")
	p("\n## A target's status\n\n```mermaid\nstateDiagram-v2\n    [*] --> Pending\n")
	for _, s := range TargetStatuses() {
		for _, to := range targetMoves[s] {
			p("    %s --> %s\n", s, to)
		}
	}
	p("```\n\nWhat is neither Succeeded nor Failed when its deployment ends becomes Skipped.\n")
	p("\n## The plan of each kind of deployment\n\nA phase with events is a stage: the targets of its lane go through the events, as many at once as the rule allows.\n")
	for _, k := range Kinds() {
		p("\n### %s (at most %s)\n\n| phase | what | lane | lifecycle events | rule |\n|---|---|---|---|---|\n", k, k.limit())
		for _, s := range plans[k] {
			names := make([]string, len(s.events))
			for i, e := range s.events {
				names[i] = string(e)
				if e.doer() == byBalancer {
					names[i] += "¹"
				}
			}
			r := ""
			if len(s.events) > 0 {
				r = ruleWords[s.rule]
			}
			p("| %s | %s | %s | %s | %s |\n", s.phase, phaseWords[s.phase], s.lane, strings.Join(names, ", "), r)
		}
	}
	p("\n¹ carried out against the load balancer, never sent to an agent.\n")
	p("\n## ContinueDeployment\n\nIn-place and termination deployments and rollbacks never wait: UnsupportedActionForDeploymentType. Blue/green:\n\n| the deployment is | READY_WAIT | TERMINATION_WAIT |\n|---|---|---|\n")
	for m := momentOver; m <= momentTerminating; m++ {
		p("| %s | %s | %s |\n", momentWords[m], answerWords[continueAnswers[m][ReadyWait]], answerWords[continueAnswers[m][TerminationWait]])
	}
	p("\n## Who is told\n\n| moment | the group's triggers call it |\n|---|---|\n")
	for _, m := range []Moment{
		MomentCreated, MomentQueued, MomentStarted, MomentReady, MomentSucceeded, MomentFailed, MomentStopped, MomentRollback,
		MomentInstanceStarted, MomentInstanceReady, MomentInstanceSucceeded, MomentInstanceFailed,
	} {
		p("| %s | %s |\n", m, m.TriggerEvent())
	}
	p("\n## Time limits\n\n| what | limit |\n|---|---|\n| an event that the agent doesn't take | %s |\n| an event that runs, also the load balancer's; the first event of an instance that was just launched | %s |\n", PickUpLimit, EventLimit)
	return b.Bytes()
}

var ruleWords = map[rule]string{
	ruleMinimum:  "keep the config's minimum healthy",
	ruleAll:      "all at once, none may fail",
	ruleRestore:  "all at once, the config's minimum must succeed",
	ruleWithdraw: "all at once, every one is tried, none may fail",
}

var momentWords = map[moment]string{
	momentOver:            "Succeeded, Failed or Stopped",
	momentBroken:          "in a state that can't be read",
	momentStopping:        "ending, while events finish",
	momentWorking:         "in any phase without a wait",
	momentReady:           "Ready, in the ready wait",
	momentTerminationWait: "in the termination wait",
	momentTerminating:     "terminating the originals",
}

var answerWords = map[answer]string{
	invalidStatus: "InvalidDeploymentStatus",
	completed:     "DeploymentAlreadyCompleted",
	notReady:      "DeploymentIsNotInReadyState",
	accept:        "200, the wait ends",
	alreadyDone:   "200, nothing to do",
}

// TestEveryStateIsInTheTables holds that the tables forget no phase, status or moment.
func TestEveryStateIsInTheTables(t *testing.T) {
	t.Parallel()
	for _, s := range Statuses() {
		if _, ok := statusMoves[s]; !ok {
			t.Errorf("statusMoves lacks %s", s)
		}
	}
	for _, s := range TargetStatuses() {
		if _, ok := targetMoves[s]; !ok {
			t.Errorf("targetMoves lacks %s", s)
		}
	}
	for _, k := range Kinds() {
		if plans[k][0].phase != PhaseResolve || kindWords[k] == "" {
			t.Errorf("the plan of %s does not begin with resolving, or it has no words", k)
		}
		for _, s := range plans[k] {
			if phaseWords[s.phase] == "" {
				t.Errorf("phase %s has no words", s.phase)
			}
			if len(s.events) > 0 && (s.lane == "" || s.after == "") {
				t.Errorf("%s %s has events and no lane or no status after it", k, s.phase)
			}
		}
	}
	for m := momentOver; m <= momentTerminating; m++ {
		if len(continueAnswers[m]) != 2 {
			t.Errorf("continueAnswers lacks moment %d", m)
		}
	}
}
