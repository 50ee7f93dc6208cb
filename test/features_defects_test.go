package test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// TestSharedHostsBehindOneTargetGroup holds that two groups over the same hosts and the same target group take them out of traffic and back
// one after the other, whichever of them comes to a host first.
func TestSharedHostsBehindOneTargetGroup(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.addHost("h-1", "both")
	s.addHost("h-2", "both")
	s.upload("v1.zip", heldBundle(t, "v1"))
	s.upload("v2.zip", heldBundle(t, "v2"))
	s.createApplication("shop")
	s.createApplication("side")
	s.createGroup("shop", "prod", "both", behindWeb)
	s.createGroup("side", "prod", "both", behindWeb)
	s.succeeds(s.begin("shop", "prod", "v1.zip"))
	s.touch("hold", "h-1")
	first := s.begin("shop", "prod", "v2.zip", config("CodeDeployDefault.OneAtATime"))
	s.awaitRun("h-1", first, "BeforeInstall")
	// It waits for h-1, and has h-2 before the older one comes there.
	second := s.begin("side", "prod", "v2.zip")
	s.awaitRun("h-2", second, "BeforeInstall")
	s.remove("hold", "h-1")
	s.succeeds(first)
	s.succeeds(second)
	if got := s.share("v2"); got != 100 {
		t.Errorf("v2 answers %d %% of the requests", got)
	}
}

// TestOutdated holds that updateOutdatedInstancesOnly brings the revision that it is given, or the group's at the time of its turn.
func TestOutdated(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	hosts := []string{"n-1", "n-2"}
	for _, h := range hosts {
		s.addHost(h, "web")
	}
	for _, v := range []string{"v1", "v2", "v3"} {
		s.upload(v+".zip", recorder(t, v))
	}
	s.createApplication("site")
	s.createGroup("site", "web", "web", func(in *codedeploy.CreateDeploymentGroupInput) {
		in.Tags = []types.Tag{{Key: aws.String("crossfade:when-busy"), Value: aws.String("queue")}}
	})
	only := func(in *codedeploy.CreateDeploymentInput) { in.UpdateOutdatedInstancesOnly = true }
	s.succeeds(s.begin("site", "web", "v1.zip"))
	id := s.begin("site", "web", "v2.zip", only)
	s.succeeds(id)
	if got := s.targetIDs(id); !slices.Equal(got, hosts) {
		t.Errorf("a revision that no instance has was deployed to %v, and the group's target revision is %s", got, s.groupField("site", "web", "TargetRevision", "S3Location", "Key"))
	}
	s.touch("hold-BeforeInstall", hosts...)
	s.touch("fail-v3-ValidateService", "n-2")
	ahead := s.begin("site", "web", "v3.zip")
	behind := s.begin("site", "web", "", only)
	s.awaitRun("n-1", ahead, "BeforeInstall")
	s.awaitRun("n-2", ahead, "BeforeInstall")
	s.remove("hold-BeforeInstall", hosts...)
	s.succeeds(ahead)
	s.remove("fail-v3-ValidateService", "n-2")
	i := s.awaitEnd(behind)
	if key := aws.ToString(i.Revision.S3Location.Key); key != "v3.zip" {
		t.Errorf("it waited behind v3.zip and brought %s to %v; the group's target revision is %s", key, s.targetIDs(behind), s.groupField("site", "web", "TargetRevision", "S3Location", "Key"))
	}
}
