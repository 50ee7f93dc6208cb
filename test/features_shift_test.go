package test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// share is how many of the next requests, in percent, a version answers.
func (s *stand) share(version string) int {
	s.t.Helper()
	const requests = 400
	v, client := &visitor{versions: map[string]int{}}, &http.Client{Timeout: time.Minute}
	for range requests {
		v.once(client, s.front)
	}
	client.CloseIdleConnections()
	if n := v.failed.Load(); n > 0 {
		s.t.Errorf("%d of %d requests failed, the last with %s", n, requests, v.failure)
	}
	versions, _ := v.answers()
	return 100 * versions[version] / requests
}

// TestShift shifts traffic in steps: the first step's share of the requests goes to the new version and no request fails, a stop with a rollback
// gives everything back, and kill -9 of the server in the middle of the shift keeps the share.
func TestShift(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.mustAWS("deploy", "create-deployment-config", "--deployment-config-name", "Canary20", "--minimum-healthy-hosts", "type=FLEET_PERCENT,value=0",
		"--traffic-routing-config", "type=TimeBasedCanary,timeBasedCanary={canaryPercentage=20,canaryInterval=30}")
	s.mustAWS("deploy", "create-deployment-config", "--deployment-config-name", "Linear50", "--minimum-healthy-hosts", "type=FLEET_PERCENT,value=0",
		"--traffic-routing-config", "type=TimeBasedLinear,timeBasedLinear={linearPercentage=50,linearInterval=30}")
	// The first deployment has nobody to share with, so it shifts nothing.
	s.shop(func(g *codedeploy.CreateDeploymentGroupInput) { g.DeploymentConfigName = aws.String("Canary20") })
	v2 := s.upload("v2.zip", bundle(t, "v2", nil))
	shifting := func(id string) {
		t.Helper()
		s.awaitStatus(id, types.DeploymentStatusReady)
		s.goOn(id, types.DeploymentWaitTypeReadyWait)
		v := s.visit()
		s.until("v2 answers", func() error {
			versions, _ := v.answers()
			if versions["v2"] == 0 {
				return errors.New("not yet")
			}
			return nil
		})
		v.end()
		if n := v.failed.Load(); n > 0 {
			t.Errorf("%d requests failed while the shift began, the last with %s", n, v.failure)
		}
	}
	near := func(what string, got, want int) {
		t.Helper()
		if got < want-10 || got > want+10 {
			t.Errorf("%s: the new version answers %d %% of the requests, want about %d %%", what, got, want)
		}
	}
	backToV1 := func(id string) {
		t.Helper()
		v := s.visit()
		s.halt(id, aws.Bool(true))
		s.rolledBack(id, types.DeploymentStatusStopped)
		v.end()
		if n := v.failed.Load(); n > 0 {
			t.Errorf("%d of %d requests failed while the traffic went back, the last with %s", n, v.requests.Load(), v.failure)
		}
		if got := s.share("v1"); got != 100 {
			t.Errorf("v1 answers %d %% of the requests after the rollback", got)
		}
	}

	id := s.blueGreen(v2, nil)
	s.awaitStatus(id, types.DeploymentStatusReady)
	if got := s.share("v2"); got != 0 {
		t.Errorf("v2 answers %d %% of the requests before ContinueDeployment", got)
	}
	shifting(id)
	near("canary", s.share("v2"), 20)
	if got := s.refusal(id); got != "DeploymentIsNotInReadyStateException" {
		t.Errorf("ContinueDeployment in the middle of the shift: %s", got)
	}
	backToV1(id)

	id = s.blueGreen(v2, func(in *codedeploy.CreateDeploymentInput) { in.DeploymentConfigName = aws.String("Linear50") })
	shifting(id)
	near("linear", s.share("v2"), 50)
	s.server.kill()
	s.startServer()
	near("linear, after kill -9", s.share("v2"), 50)
	if i, err := s.info(id); err != nil || i.Status != types.DeploymentStatusInProgress {
		t.Errorf("after kill -9: %+v %v", i, err)
	}
	backToV1(id)

	// Onto the hosts that serve now, as soon as those of the deployment before it do: the environments have changed their places.
	_, err := s.deploy.TagResource(t.Context(), &codedeploy.TagResourceInput{
		ResourceArn: aws.String(groupARN("shop", "prod")), Tags: []types.Tag{{Key: aws.String("crossfade:when-busy"), Value: aws.String("queue")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id = s.blueGreen(v2, func(in *codedeploy.CreateDeploymentInput) {
		in.DeploymentConfigName = aws.String("CodeDeployDefault.AllAtOnce")
	})
	next := s.blueGreen(s.upload("v3.zip", bundle(t, "v3", nil)), func(in *codedeploy.CreateDeploymentInput) {
		in.TargetInstances.TagFilters[0].Value = aws.String("blue")
	})
	s.awaitStatus(id, types.DeploymentStatusReady)
	s.awaitStatus(next, types.DeploymentStatusQueued)
	v := s.visit()
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	s.succeeds(id)
	s.awaitStatus(next, types.DeploymentStatusReady)
	s.goOn(next, types.DeploymentWaitTypeReadyWait)
	s.until("v3 answers", func() error {
		if versions, _ := v.answers(); versions["v3"] == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	v.end()
	if n := v.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed over both deployments, the last with %s", n, v.requests.Load(), v.failure)
	}
	near("canary of the next", s.share("v3"), 20)
	s.halt(next, aws.Bool(true))
	s.rolledBack(next, types.DeploymentStatusStopped)
	if got := s.share("v2"); got != 100 {
		t.Errorf("v2 answers %d %% of the requests after the rollback", got)
	}
}
