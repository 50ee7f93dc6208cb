package test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// TestKill9 kills the server in earnest, in the ready wait, in the middle of rerouting and in the termination wait, and holds that the
// deployment goes on at the same step, that nothing acknowledged is lost, and that no lifecycle event ran twice.
func TestKill9(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(nil)
	// BeforeAllowTraffic takes its time, so that there is a middle of rerouting; each event writes a line, so that a second run would show.
	hook := func(event string, seconds int) string {
		return fmt.Sprintf("#!/bin/sh\nset -eu\necho \"$DEPLOYMENT_ID $LIFECYCLE_EVENT\" >> \"$APP_HOME/events\"\nsleep %d\n", seconds)
	}
	v2 := s.upload("v2.zip", bundle(t, "v2", map[string]string{
		"appspec.yml": `version: 0.0
os: linux
hooks:
  ApplicationStop:
    - location: scripts/stop.sh
  AfterInstall:
    - location: scripts/install.sh
  ApplicationStart:
    - location: scripts/start.sh
  BeforeAllowTraffic:
    - location: scripts/before.sh
  AfterAllowTraffic:
    - location: scripts/after.sh
`,
		"scripts/before.sh": hook("BeforeAllowTraffic", 3),
		"scripts/after.sh":  hook("AfterAllowTraffic", 0),
	}))
	id := s.blueGreen(v2, nil)
	restart := func(when string) {
		t.Helper()
		s.server.kill()
		s.startServer()
		t.Logf("killed and started again %s", when)
	}

	s.awaitStatus(id, types.DeploymentStatusReady)
	before, err := s.info(id)
	if err != nil {
		t.Fatal(err)
	}
	restart("in the ready wait")
	after, err := s.info(id)
	if err != nil {
		t.Fatal(err)
	}
	if after.Status != types.DeploymentStatusReady || !after.CreateTime.Equal(*before.CreateTime) || !after.StartTime.Equal(*before.StartTime) {
		t.Fatalf("after the restart the deployment is %s", after.Status)
	}
	visitors := s.visit()

	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	// The call was acknowledged, so its effect survives a kill that comes at once.
	restart("as soon as ContinueDeployment was acknowledged")
	s.await(id, "rerouting runs", func(i *types.DeploymentInfo) bool { return i.DeploymentOverview.InProgress > 0 })
	restart("in the middle of rerouting")

	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	restart("in the termination wait")
	if i, err := s.info(id); err != nil || !i.InstanceTerminationWaitTimeStarted || i.Status != types.DeploymentStatusInProgress {
		t.Fatalf("after the restart: %+v %v", i, err)
	}
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	i := s.awaitStatus(id, types.DeploymentStatusSucceeded)
	if i.DeploymentOverview.Succeeded != 4 {
		t.Errorf("the overview says %+v\n%s", i.DeploymentOverview, s.targets(id))
	}
	s.until("v2 answers", func() error {
		if _, last := visitors.answers(); last != "v2" {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
	for _, host := range []string{"green-1", "green-2"} {
		lines := s.read(filepath.Join(host, "events"))
		if want := id + " BeforeAllowTraffic\n" + id + " AfterAllowTraffic\n"; lines != want {
			t.Errorf("on %s ran\n%swant\n%s", host, lines, want)
		}
	}
}

// TestKilledAgent holds that an event that an agent was running when it was killed fails with a reason, and is not run again.
func TestKilledAgent(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	agents := s.shop(nil)
	slow := s.upload("slow.zip", bundle(t, "slow", map[string]string{
		"appspec.yml":     "version: 0.0\nos: linux\nhooks:\n  BeforeInstall:\n    - location: scripts/slow.sh\n",
		"scripts/slow.sh": "#!/bin/sh\necho begun >> \"$APP_HOME/begun\"\nsleep 60\n",
	}))
	id := s.blueGreen(slow, nil)
	hosts := []string{"green-1", "green-2"}
	for _, name := range hosts { // a host that was killed before its script would be given the event again
		s.until("the script runs on "+name, func() error {
			if s.read(name+"/begun") == "" {
				return fmt.Errorf("nothing yet")
			}
			return nil
		})
	}
	for _, name := range hosts {
		agents[name].kill()
		s.startAgent(name, "127.0.0.1:1")
	}
	s.until("the deployment has failed", func() error {
		i, err := s.info(id)
		if err != nil {
			return err
		}
		if i.Status != types.DeploymentStatusFailed {
			return fmt.Errorf("it is %s", i.Status)
		}
		if m := aws.ToString(i.ErrorInformation.Message); !strings.Contains(m, " at BeforeInstall") || !strings.Contains(m, "restart") {
			t.Errorf("it says %s", m)
		}
		return nil
	})
	if lines := s.read("green-1/begun"); lines != "begun\n" {
		t.Errorf("the script began\n%s", lines)
	}
}

// TestRerouteUnderTraffic is the main job: v1 serves, v2 is deployed beside it, ContinueDeployment reroutes, and no request fails; then the
// next one goes back to the first hosts, because the replacement has become the environment.
func TestRerouteUnderTraffic(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(func(g *codedeploy.CreateDeploymentGroupInput) {
		g.BlueGreenDeploymentConfiguration.TerminateBlueInstancesOnDeploymentSuccess.TerminationWaitTimeInMinutes = 0
	})
	visitors := s.visit()
	id := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	s.awaitStatus(id, types.DeploymentStatusReady)
	if versions, _ := visitors.answers(); versions["v2"] != 0 {
		t.Errorf("v2 answered before ContinueDeployment: %v", versions)
	}
	s.goOn(id, "")
	i := s.awaitStatus(id, types.DeploymentStatusSucceeded)
	if len(i.DeploymentStatusMessages) != 2 || !strings.Contains(i.DeploymentStatusMessages[0], "left running") {
		t.Errorf("the messages are %q", i.DeploymentStatusMessages)
	}
	next := s.blueGreen(s.upload("v3.zip", bundle(t, "v3", nil)), func(in *codedeploy.CreateDeploymentInput) {
		in.TargetInstances.TagFilters[0].Value = aws.String("blue")
	})
	s.awaitStatus(next, types.DeploymentStatusReady)
	s.goOn(next, types.DeploymentWaitTypeReadyWait)
	s.awaitStatus(next, types.DeploymentStatusSucceeded)
	s.until("v3 answers", func() error {
		if _, last := visitors.answers(); last != "v3" {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
	visitors.end()
	versions, last := visitors.answers()
	if n := visitors.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the last with %s", n, visitors.requests.Load(), visitors.failure)
	}
	if versions["v1"] == 0 || versions["v2"] == 0 || last != "v3" {
		t.Errorf("answered %v, last %s", versions, last)
	}
	t.Logf("%d requests: %v", visitors.requests.Load(), versions)
}

// TestRollbackReroutesBack stops a deployment in its termination wait with a rollback, and holds that the traffic comes back without loss.
func TestRollbackReroutesBack(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(nil)
	visitors := s.visit()
	id := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	s.awaitStatus(id, types.DeploymentStatusReady)
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	out, err := s.deploy.StopDeployment(t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &id, AutoRollbackEnabled: aws.Bool(true)})
	if err != nil || out.Status != types.StopStatusSucceeded {
		t.Fatalf("stop: %+v %v", out, err)
	}
	i := s.awaitStatus(id, types.DeploymentStatusStopped)
	if i.RollbackInfo == nil || i.RollbackInfo.RollbackDeploymentId == nil {
		t.Fatalf("rollbackInfo is %+v", i.RollbackInfo)
	}
	back := s.awaitStatus(*i.RollbackInfo.RollbackDeploymentId, types.DeploymentStatusSucceeded)
	if back.Creator != types.DeploymentCreatorCodeDeployRollback || aws.ToString(back.RollbackInfo.RollbackTriggeringDeploymentId) != id {
		t.Errorf("the rollback is by %s, of %+v", back.Creator, back.RollbackInfo)
	}
	s.until("v1 answers again", func() error {
		if _, last := visitors.answers(); last != "v1" {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
	visitors.end()
	if n := visitors.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the last with %s", n, visitors.requests.Load(), visitors.failure)
	}
}

// TestGracefulStop holds that SIGTERM answers held polls and ends the server by itself.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.addHost("web-1", "blue")
	s.until("the agent's poll is held", func() error {
		metrics, err := s.metrics()
		if err == nil && !bytes.Contains(metrics, []byte("crossfade_agent_polls_held 1\n")) {
			err = errors.New("it is not")
		}
		return err
	})
	s.server.stop()
	if s := s.server.cmd.ProcessState; !s.Success() {
		t.Errorf("the server ended with %s", s)
	}
	if _, err := http.Get(s.endpoint + "/healthz"); err == nil {
		t.Error("somebody still answers")
	}
}
