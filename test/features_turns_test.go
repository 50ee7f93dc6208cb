package test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// TestTurns holds who waits for whom: deployments of a group that queues run in the order of their creation, those of another application on
// the same hosts come between two of them and never into one, and kill -9 of the server changes nothing of it.
func TestTurns(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	hosts := []string{"h-1", "h-2"}
	for _, h := range hosts {
		s.addHost(h, "both")
	}
	for _, v := range []string{"v1", "v2", "v3", "v4", "v5"} {
		s.upload(v+".zip", recorder(t, v))
	}
	s.createApplication("one")
	s.createApplication("two")
	s.mustAWS("deploy", "create-deployment-group", "--application-name", "one", "--deployment-group-name", "queues", "--service-role-arn", role, "--deployment-config-name",
		"CodeDeployDefault.AllAtOnce", "--on-premises-instance-tag-filters", "Key=env,Value=both,Type=KEY_AND_VALUE", "--tags", "Key=crossfade:when-busy,Value=queue")
	s.createGroup("two", "refuses", "both")

	s.touch("hold-BeforeInstall", hosts...)
	other := s.begin("two", "refuses", "v1.zip")
	for _, h := range hosts {
		s.awaitRun(h, other, "BeforeInstall")
	}
	if _, err := s.tryBegin("two", "refuses", "v2.zip"); code(err) != "DeploymentLimitExceededException" || !strings.Contains(err.Error(), other) {
		t.Errorf("a second deployment of a group that does not queue: %v", err)
	}
	// This one is the group's active deployment and waits for the hosts; the rest waits for it.
	first := s.begin("one", "queues", "v1.zip")
	second, third, fourth := s.begin("one", "queues", "v2.zip"), s.begin("one", "queues", "v3.zip"), s.begin("one", "queues", "v4.zip")
	queued := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			i, err := s.info(id)
			if err != nil || i.Status != types.DeploymentStatusQueued || i.StartTime != nil {
				t.Fatalf("%s: %+v %v, want Queued", id, i, err)
			}
		}
	}
	queued(second, third, fourth)
	out := s.mustAWS("deploy", "list-deployments", "--application-name", "one", "--deployment-group-name", "queues", "--include-only-statuses", "Queued", "--query", "deployments", "--output", "text")
	if ids := strings.Fields(out); len(ids) != 3 || !slices.Contains(ids, second) {
		t.Errorf("list-deployments of status Queued says %s", out)
	}
	s.mustAWS("deploy", "stop-deployment", "--deployment-id", third, "--auto-rollback-enabled")
	if i := s.awaitStatus(third, types.DeploymentStatusStopped); i.RollbackInfo != nil && i.RollbackInfo.RollbackDeploymentId != nil {
		t.Errorf("a deployment that never began was rolled back: %+v", i.RollbackInfo)
	}

	s.server.kill()
	s.startServer()
	queued(second, fourth)
	s.remove("hold-BeforeInstall", "h-1")
	s.until("the other deployment has h-1", func() error {
		if order := s.order("h-1"); !slices.Contains(order, first) {
			return errors.New(strings.Join(order, " "))
		}
		return nil
	})
	if order := s.order("h-2"); !slices.Equal(order, []string{other}) {
		t.Errorf("on h-2, which %s still has, ran %v", other, order)
	}
	s.remove("hold-BeforeInstall", "h-2")
	s.succeeds(other)
	s.succeeds(first)
	s.server.kill()
	s.startServer()
	s.succeeds(second)
	last := s.succeeds(fourth)
	if last.PreviousRevision == nil || aws.ToString(last.PreviousRevision.S3Location.Key) != "v2.zip" {
		t.Errorf("what went before the last is %+v, want v2.zip", last.PreviousRevision)
	}
	for _, h := range hosts {
		if order := s.order(h); !slices.Equal(order, []string{other, first, second, fourth}) {
			t.Errorf("on %s ran %v, want %v\n%s", h, order, []string{other, first, second, fourth}, s.read(filepath.Join(h, "log")))
		}
		s.once(h)
	}
	if id := s.groupField("one", "queues", "LastSuccessfulDeployment", "DeploymentId"); id != fourth {
		t.Errorf("the group's last success is %s, want %s", id, fourth)
	}

	// The tag may be given and taken later.
	s.mustAWS("deploy", "untag-resource", "--resource-arn", groupARN("one", "queues"), "--tag-keys", "crossfade:when-busy")
	s.mustAWS("deploy", "tag-resource", "--resource-arn", groupARN("two", "refuses"), "--tags", "Key=crossfade:when-busy,Value=queue")
	s.touch("hold-ApplicationStart", hosts...)
	busy := s.begin("one", "queues", "v5.zip")
	if _, err := s.tryBegin("one", "queues", "v5.zip"); code(err) != "DeploymentLimitExceededException" {
		t.Errorf("a second deployment after the tag was taken away: %v", err)
	}
	ahead := s.begin("two", "refuses", "v2.zip")
	behind := s.begin("two", "refuses", "v3.zip", func(in *codedeploy.CreateDeploymentInput) {
		in.AutoRollbackConfiguration = &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{types.AutoRollbackEventDeploymentFailure}}
	})
	s.awaitRun("h-1", busy, "ApplicationStart")
	queued(behind)
	// One that waits for hosts is stopped before it runs anything; one that fails is rolled back before the next has its turn.
	s.halt(ahead, aws.Bool(false))
	after := s.begin("two", "refuses", "v4.zip")
	s.touch("fail-v3-ValidateService", hosts...)
	s.remove("hold-ApplicationStart", hosts...)
	s.succeeds(busy)
	s.awaitStatus(ahead, types.DeploymentStatusStopped)
	back := *s.rolledBack(behind, types.DeploymentStatusFailed).DeploymentId
	s.succeeds(after)
	for _, h := range hosts {
		if order := s.order(h)[4:]; !slices.Equal(order, []string{busy, behind, back, after}) {
			t.Errorf("on %s ran %v then, want %v", h, order, []string{busy, behind, back, after})
		}
	}
}
