package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// ended is a run of the program that has ended.
type ended struct {
	out, errs string
	code      int
}

// begun starts the program and returns what waits for its end.
func (s *stand) begun(args ...string) func() ended {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), s.program, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.environment(), s.dir, &out, &errs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() ended {
		s.t.Helper()
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.t.Fatal(err)
		}
		return ended{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	}
}

// exits runs the program, which must end with the exit code, and returns what it writes to stdout.
func (s *stand) exits(code int, args ...string) string {
	s.t.Helper()
	e := s.begun(args...)()
	if e.code != code {
		s.t.Fatalf("crossfade %s ends with exit code %d, want %d\n%s%s", strings.Join(args, " "), e.code, code, e.out, e.errs)
	}
	return e.out
}

// says holds that an output has all the parts.
func says(t *testing.T, output string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(output, p) {
			t.Errorf("it does not say %q:\n%s", p, output)
		}
	}
}

// waitLine is a line of crossfade wait --output json.
type waitLine struct {
	Type, Instance, Event, Status, Cause, Outcome string
	ExitCode                                      *int
}

func waitLines(t *testing.T, output string) []waitLine {
	t.Helper()
	var all []waitLine
	for line := range strings.Lines(output) {
		var l waitLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, l)
	}
	return all
}

// TestWait follows one deployment from its beginning to its end, through kill -9 of the server, and explains it where it waits.
func TestWait(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(nil)
	id := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	all := s.begun("wait", id, "--for", "complete", "--output", "json")

	out := s.exits(0, "wait", id, "--for", "ready")
	says(t, out, "deployment "+id+" is Ready", "green-1 (Green) ValidateService begins", "green-2 (Green) ValidateService succeeded", "reached: ready",
		"aws deploy continue-deployment --deployment-id "+id+" --deployment-wait-type READY_WAIT --endpoint-url "+s.endpoint)
	says(t, s.exits(6, "wait", id, "--for", "rerouted", "--no-wait-in-ready"), "it waits for approval", "waiting for approval")
	says(t, s.exits(6, "wait", id, "--for", "complete", "--timeout", "3s"), "waiting for approval: complete was not reached")
	says(t, s.exits(0, "explain", id), "It is Ready and waits for approval", "; at the latest until ", "--deployment-wait-type READY_WAIT", "aws deploy stop-deployment")

	s.server.kill()
	silence := s.begun("wait", id, "--for", "ready", "--timeout", "1s")()
	if silence.code != 5 || !strings.Contains(silence.out, "because the server did not answer") || !strings.Contains(silence.errs, "trying again") {
		t.Errorf("without a server it ends with %+v", silence)
	}
	s.startServer()
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	says(t, s.exits(0, "wait", id, "--for", "rerouted"), "reached: rerouted")
	says(t, s.exits(0, "explain", id), "the termination wait of 60 minutes to pass", "--deployment-wait-type TERMINATION_WAIT")
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)

	e := all()
	if e.code != 0 {
		t.Fatalf("it ends with exit code %d\n%s%s", e.code, e.out, e.errs)
	}
	count := map[string]int{}
	lines := waitLines(t, e.out)
	for _, l := range lines {
		count[strings.Join([]string{l.Type, l.Instance, l.Event, l.Status}, " ")]++
	}
	for what, n := range count {
		if n != 1 && what != "status   InProgress" { // it is so before and after Ready
			t.Errorf("it says %d times %q", n, what)
		}
	}
	for _, status := range []string{"InProgress", "Succeeded"} {
		for _, what := range []string{"green-1 ApplicationStop", "green-2 AllowTraffic", "green-1 AfterAllowTraffic", "blue-1 BlockTraffic"} {
			if count["event "+what+" "+status] != 1 {
				t.Errorf("it says %d times that %s is %s\n%s", count["event "+what+" "+status], what, status, e.out)
			}
		}
	}
	if last := lines[len(lines)-1]; last.Type != "outcome" || last.Outcome != "reached" || last.Status != "Succeeded" || last.ExitCode == nil || *last.ExitCode != 0 {
		t.Errorf("its last line is %+v", last)
	}
	says(t, s.exits(0, "explain", id), "It succeeded.")
	s.until("the server has counted who listened to its events", func() error {
		metrics, err := s.metrics()
		if err != nil {
			return err
		}
		if !regexp.MustCompile(`code="OK",operation="GetEvents",service="crossfade"`).Match(metrics) {
			return fmt.Errorf("there is none: %s", regexp.MustCompile(`.*Events.*`).FindAll(metrics, -1))
		}
		return nil
	})
}

// TestExplain holds that a failure is followed to the host, the event, the cause and the script's last lines, and that what an agent, a turn
// or a user is waited for is said.
func TestExplain(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	agents := s.shop(func(in *codedeploy.CreateDeploymentGroupInput) {
		in.Tags = []types.Tag{{Key: aws.String("crossfade:when-busy"), Value: aws.String("queue")}}
	})
	broken := s.upload("broken.zip", bundle(t, "v2", map[string]string{
		"scripts/validate.sh": "#!/bin/sh\necho asking the application\necho it has no database >&2\nexit 7\n",
	}))
	bad := s.blueGreen(broken, nil)
	out := s.exits(3, "wait", bad, "--for", "ready")
	says(t, out, "failed: HEALTH_CONSTRAINTS", "ValidateService failed: scripts/validate.sh of ValidateService failed on green-", "crossfade explain "+bad)
	lines := waitLines(t, s.exits(3, "wait", bad, "--for", "complete", "--output", "json"))
	if last := lines[len(lines)-1]; last.Outcome != "failed" || *last.ExitCode != 3 {
		t.Errorf("its last line is %+v", last)
	}
	out = s.exits(0, "explain", bad)
	says(t, out, bad+" (application shop, deployment group prod) is Failed", "HEALTH_CONSTRAINTS", "2 instances = 0 succeeded + 2 failed", "needs 1 of 2 healthy",
		"instance green-1", "instance green-2", "ScriptFailed", "asking the application", "it has no database", "Fix scripts/validate.sh")
	var x struct {
		Failures []struct{ Instance, Event, Cause, Script string }
	}
	if err := json.Unmarshal([]byte(s.exits(0, "explain", bad, "--output", "json")), &x); err != nil {
		t.Fatal(err)
	}
	if len(x.Failures) != 2 || x.Failures[0].Event != "ValidateService" || x.Failures[0].Cause != "Script" || x.Failures[0].Script != "scripts/validate.sh" {
		t.Errorf("the failures are %+v", x.Failures)
	}

	// A host without its agent, a deployment behind that one, and its stop.
	agents["green-1"].kill()
	waits := s.blueGreen(broken, func(in *codedeploy.CreateDeploymentInput) { in.IgnoreApplicationStopFailures = true })
	behind := s.blueGreen(broken, nil)
	s.until("the agent is waited for", func() error {
		if out := s.exits(0, "explain", waits); !strings.Contains(out, "the agent of green-1 to ask for ApplicationStop") || !strings.Contains(out, "counts as dead") {
			return errors.New(out)
		}
		return nil
	})
	says(t, s.exits(5, "wait", behind, "--for", "ready", "--timeout", "3s"), "is Queued: it waits its turn", "because the deployment is still Queued")
	says(t, s.exits(0, "explain", behind), "deployment "+waits+" of the same group to end; it is InProgress", "crossfade explain "+waits)
	stopped := s.begun("wait", behind, "--for", "complete")
	if _, err := s.deploy.StopDeployment(t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &behind}); err != nil {
		t.Fatal(err)
	}
	if e := stopped(); e.code != 4 || !strings.Contains(e.out, "stopped: MANUAL_STOP") {
		t.Errorf("a stopped deployment ends the wait with %+v", e)
	}
	says(t, s.exits(0, "explain", behind), "It was stopped by a user.", "Nothing is to be mended")

	// An agent that is killed in the middle of a script. The stop takes effect when the command that waits for the agent is taken.
	if _, err := s.deploy.StopDeployment(t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &waits}); err != nil {
		t.Fatal(err)
	}
	agent := s.startAgent("green-1", freeAddress(t))
	s.exits(4, "wait", waits, "--for", "complete")
	hold := s.write("green-1/hold", "")
	dies := s.blueGreen(s.upload("slow.zip", bundle(t, "v3", map[string]string{
		"scripts/install.sh": "#!/bin/sh\ntouch \"$APP_HOME/began\"\nwhile test -e \"$APP_HOME/hold\"; do sleep 0.05; done\n",
		"scripts/start.sh":   "#!/bin/sh\n", "scripts/validate.sh": "#!/bin/sh\n", "scripts/stop.sh": "#!/bin/sh\n",
	})), nil)
	s.until("the script runs", func() error { _, err := os.Stat(filepath.Join(s.dir, "green-1", "began")); return err })
	agent.kill()
	says(t, s.exits(0, "explain", dies), "AfterInstall to end on green-1")
	s.startAgent("green-1", freeAddress(t))
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	says(t, s.exits(0, "wait", dies, "--for", "ready"), "green-1 (Green) AfterInstall failed: The agent of green-1 was restarted in the middle of AfterInstall")
	says(t, s.exits(0, "explain", dies), "2 instances = 1 succeeded + 1 failed", "was restarted in the middle of AfterInstall", "Find out what restarted the agent on green-1")

	if e := s.begun("wait", "d-NONE00000", "--for", "ready")(); e.code != 1 || !strings.Contains(e.errs, "DeploymentDoesNotExistException") {
		t.Errorf("an unknown deployment ends the wait with %+v", e)
	}
}
