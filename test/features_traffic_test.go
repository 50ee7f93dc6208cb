package test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// heldApp is the sample application's AppSpec with a script more, which waits while there is a file "hold", and one more which fails while there is
// a file "refuse".
const heldApp = `version: 0.0
os: linux
hooks:
  ApplicationStop:
    - location: scripts/stop.sh
  BeforeInstall:
    - location: scripts/hold.sh
  AfterInstall:
    - location: scripts/install.sh
  ApplicationStart:
    - location: scripts/start.sh
  ValidateService:
    - location: scripts/validate.sh
  BeforeAllowTraffic:
    - location: scripts/refuse.sh
`

func heldBundle(t *testing.T, version string) []byte {
	t.Helper()
	return bundle(t, version, map[string]string{
		"appspec.yml":       heldApp,
		"scripts/hold.sh":   "#!/bin/sh\necho \"$DEPLOYMENT_ID " + version + " $LIFECYCLE_EVENT begin\" >> \"$APP_HOME/log\"\nwhile test -e \"$APP_HOME/hold\"; do sleep 0.05; done\n",
		"scripts/refuse.sh": "#!/bin/sh\ntest ! -e \"$APP_HOME/refuse-" + version + "\"\n",
	})
}

// behindWeb puts a group's hosts behind the target group web.
func behindWeb(in *codedeploy.CreateDeploymentGroupInput) {
	in.DeploymentStyle = &types.DeploymentStyle{DeploymentType: types.DeploymentTypeInPlace, DeploymentOption: types.DeploymentOptionWithTrafficControl}
	in.LoadBalancerInfo = &types.LoadBalancerInfo{TargetGroupInfoList: []types.TargetGroupInfo{{Name: aws.String("web")}}}
}

// TestInPlaceBehindTheBalancer deploys to hosts that serve, one at a time, and stops one such deployment while a host is out of traffic: the
// rollback brings the host back into it, and no request fails all the while.
func TestInPlaceBehindTheBalancer(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	hosts := []string{"h-1", "h-2"}
	for _, h := range hosts {
		s.addHost(h, "web")
	}
	s.upload("v1.zip", heldBundle(t, "v1"))
	s.upload("v2.zip", heldBundle(t, "v2"))
	s.createApplication("site")
	s.createGroup("site", "web", "web", behindWeb, func(in *codedeploy.CreateDeploymentGroupInput) {
		in.AutoRollbackConfiguration = &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{types.AutoRollbackEventDeploymentFailure}}
	})
	s.succeeds(s.begin("site", "web", "v1.zip"))
	one := config("CodeDeployDefault.OneAtATime")
	v := s.visit()

	s.touch("hold", "h-1")
	id := s.begin("site", "web", "v2.zip", one)
	s.awaitRun("h-1", id, "BeforeInstall")
	s.halt(id, aws.Bool(true))
	s.remove("hold", "h-1")
	s.rolledBack(id, types.DeploymentStatusStopped)
	if versions, _ := v.answers(); versions["v2"] != 0 {
		t.Errorf("v2 answered although it was stopped before: %v", versions)
	}

	// It fails before it is let into traffic; the group says that failures are rolled back.
	s.touch("refuse-v2", "h-1")
	id = s.begin("site", "web", "v2.zip", one)
	i := s.fails(id)
	if i.DeploymentOverview.Failed != 1 || i.DeploymentOverview.Skipped != 1 {
		t.Errorf("the overview says %+v\n%s", i.DeploymentOverview, s.targets(id))
	}
	s.rolledBack(id, types.DeploymentStatusFailed)
	s.remove("refuse-v2", "h-1")

	id = s.begin("site", "web", "v2.zip", one)
	s.succeeds(id)
	for _, h := range hosts {
		events, _ := s.events(id, h)
		for _, e := range []string{"BlockTraffic", "AllowTraffic"} {
			if events[e].Status != types.LifecycleEventStatusSucceeded {
				t.Errorf("%s of %s is %s", e, h, events[e].Status)
			}
		}
	}
	s.until("v2 answers", func() error {
		if _, last := v.answers(); last != "v2" {
			return errors.New(last)
		}
		return nil
	})
	v.end()
	if n := v.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the last with %s", n, v.requests.Load(), v.failure)
	}
	if got := s.share("v2"); got != 100 {
		t.Errorf("v2 answers %d %% of the requests", got)
	}
}

// TestShiftThatGoesWrong shifts onto a replacement that refuses its traffic, and stops a shift without a rollback: what comes after finds a
// balancer that it can work with, and no request fails.
func TestShiftThatGoesWrong(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	_, err := s.deploy.CreateDeploymentConfig(t.Context(), &codedeploy.CreateDeploymentConfigInput{
		DeploymentConfigName: aws.String("Canary30"), MinimumHealthyHosts: &types.MinimumHealthyHosts{Type: types.MinimumHealthyHostsTypeHostCount, Value: 1},
		TrafficRoutingConfig: &types.TrafficRoutingConfig{Type: types.TrafficRoutingTypeTimeBasedCanary, TimeBasedCanary: &types.TimeBasedCanary{CanaryPercentage: 30, CanaryInterval: 30}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.shop(func(g *codedeploy.CreateDeploymentGroupInput) {
		g.BlueGreenDeploymentConfiguration.DeploymentReadyOption = &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionContinueDeployment}
		g.BlueGreenDeploymentConfiguration.TerminateBlueInstancesOnDeploymentSuccess = &types.BlueInstanceTerminationOption{Action: types.InstanceActionKeepAlive}
		g.AutoRollbackConfiguration = &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{types.AutoRollbackEventDeploymentFailure}}
	})
	canary := func(in *codedeploy.CreateDeploymentInput) { in.DeploymentConfigName = aws.String("Canary30") }
	v2, v3 := s.upload("v2.zip", heldBundle(t, "v2")), s.upload("v3.zip", heldBundle(t, "v3"))
	v := s.visit()

	s.touch("refuse-v2", "green-1", "green-2")
	refusing := s.blueGreen(v2, canary)
	i := s.fails(refusing)
	if m := aws.ToString(i.ErrorInformation.Message); !strings.Contains(m, "green-1 at BeforeAllowTraffic") {
		t.Errorf("it says %s", m)
	}
	s.rolledBack(refusing, types.DeploymentStatusFailed)
	if versions, _ := v.answers(); versions["v2"] != 0 {
		t.Errorf("v2 answered although it refused: %v", versions)
	}
	s.remove("refuse-v2", "green-1", "green-2")

	halted := s.blueGreen(v2, canary)
	s.until("v2 answers", func() error {
		if versions, _ := v.answers(); versions["v2"] == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	s.halt(halted, aws.Bool(false))
	s.awaitStatus(halted, types.DeploymentStatusStopped)
	if got := s.share("v2"); got < 20 || got > 40 {
		t.Errorf("after a stop without a rollback v2 answers %d %% of the requests, want about 30 %%", got)
	}
	s.succeeds(s.blueGreen(v3, nil))
	v.end()
	if n := v.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the last with %s", n, v.requests.Load(), v.failure)
	}
	if got := s.share("v3"); got != 100 {
		t.Errorf("v3 answers %d %% of the requests at the end", got)
	}
}
