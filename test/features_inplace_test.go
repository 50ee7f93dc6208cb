package test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// TestInPlaceFeatures uses what deployments without a load balancer can do, one thing after the other on the same three hosts.
func TestInPlaceFeatures(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	hosts := []string{"n-1", "n-2", "n-3"}
	for _, h := range hosts {
		s.addHost(h, "web")
	}
	for _, v := range []string{"v1", "v2", "v3", "v4", "v5"} {
		s.upload(v+".zip", recorder(t, v))
	}
	s.createApplication("site")
	s.createGroup("site", "web", "web")
	s.succeeds(s.begin("site", "web", "v1.zip"))
	for _, c := range []struct {
		name string
		run  func(*stand, []string)
	}{
		{"zones", zones}, {"health order", healthOrder}, {"outdated instances", outdatedInstances}, {"rollback", inPlaceRollback},
		{"ignored stop failures", ignoredStopFailures}, {"existing files", existingFiles}, {"names", names},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.run(s.on(t), hosts) }) {
			break // what follows begins where it left off
		}
	}
}

// zones: one zone after the other by name, the first one watched, and the instances without a zone last.
func zones(s *stand, _ []string) {
	s.mustAWS("deploy", "create-deployment-config", "--deployment-config-name", "ByZone", "--minimum-healthy-hosts", "type=HOST_COUNT,value=2",
		"--zonal-config", "firstZoneMonitorDurationInSeconds=1,minimumHealthyHostsPerZone={type=HOST_COUNT,value=0}")
	for host, zone := range map[string]string{"n-1": "zone-b", "n-2": "zone-a"} {
		_, err := s.deploy.AddTagsToOnPremisesInstances(s.t.Context(), &codedeploy.AddTagsToOnPremisesInstancesInput{
			InstanceNames: []string{host}, Tags: []types.Tag{{Key: aws.String("crossfade:zone"), Value: &zone}},
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	id := s.begin("site", "web", "v1.zip", config("ByZone"))
	s.succeeds(id)
	s.oneByOne(id, "n-2", "n-1", "n-3")
	_, ended := s.span(id, "n-2")
	if begun, _ := s.span(id, "n-1"); begun.Sub(ended) < time.Second {
		s.t.Errorf("the first zone was watched for %s, want a second", begun.Sub(ended))
	}

	// A zone that goes wrong keeps the revision from the others.
	s.touch("fail-v2-ValidateService", "n-2")
	failed := s.begin("site", "web", "v2.zip", config("ByZone"))
	i := s.fails(failed)
	if o := i.DeploymentOverview; o.Failed != 1 || o.Skipped != 2 || i.ErrorInformation.Code != types.ErrorCodeHealthConstraints {
		s.t.Errorf("after the first zone failed the overview is %+v, the error %+v", o, i.ErrorInformation)
	}
	for _, h := range []string{"n-1", "n-3"} {
		if strings.Contains(s.read(filepath.Join(h, "log")), failed) {
			s.t.Errorf("%s was deployed to although the first zone failed", h)
		}
	}
}

// healthOrder: the instance whose last deployment failed goes first. It is n-2, by the case before.
func healthOrder(s *stand, _ []string) {
	i := s.succeeds(s.begin("site", "web", "v2.zip"))
	if i.DeploymentOverview.Failed != 1 || i.DeploymentOverview.Succeeded != 2 {
		s.t.Errorf("the overview says %+v", i.DeploymentOverview)
	}
	s.remove("fail-v2-ValidateService", "n-2")
	id := s.begin("site", "web", "v2.zip", config("CodeDeployDefault.OneAtATime"))
	s.succeeds(id)
	s.oneByOne(id, "n-2", "n-1", "n-3")
}

// outdatedInstances: only those that have not what the group has are deployed to, and having nothing to do is a success.
func outdatedInstances(s *stand, _ []string) {
	s.touch("fail-v3-ValidateService", "n-3")
	s.succeeds(s.begin("site", "web", "v3.zip"))
	s.remove("fail-v3-ValidateService", "n-3")
	only := func(in *codedeploy.CreateDeploymentInput) { in.UpdateOutdatedInstancesOnly = true }
	id := s.begin("site", "web", "", only)
	i := s.succeeds(id)
	if got := s.targetIDs(id); !slices.Equal(got, []string{"n-3"}) || !i.UpdateOutdatedInstancesOnly || aws.ToString(i.Revision.S3Location.Key) != "v3.zip" {
		s.t.Errorf("it deployed %+v to %v", i.Revision.S3Location, got)
	}
	again := field(s.t, s.mustAWS("deploy", "create-deployment", "--application-name", "site", "--deployment-group-name", "web", "--update-outdated-instances-only",
		"--override-alarm-configuration", "enabled=false,ignorePollAlarmFailure=true,alarms=[{name=too-slow},{name=too-hot}]"), "deploymentId")
	i = s.succeeds(again)
	if len(s.targetIDs(again)) != 0 || len(i.DeploymentStatusMessages) != 1 || !strings.Contains(i.DeploymentStatusMessages[0], "nothing to do") {
		s.t.Errorf("with nothing to do it says %q and has the targets %v", i.DeploymentStatusMessages, s.targetIDs(again))
	}
	if a := i.OverrideAlarmConfiguration; a == nil || a.Enabled || !a.IgnorePollAlarmFailure || len(a.Alarms) != 2 || aws.ToString(a.Alarms[1].Name) != "too-hot" {
		s.t.Errorf("overrideAlarmConfiguration is %+v", a)
	}
}

// inPlaceRollback: the last successful revision is deployed anew after a failure, after a stop that asks for it, and after one for which the
// deployment says so; not after one that forbids it.
func inPlaceRollback(s *stand, hosts []string) {
	on := func(event types.AutoRollbackEvent) func(*codedeploy.CreateDeploymentInput) {
		return func(in *codedeploy.CreateDeploymentInput) {
			in.AutoRollbackConfiguration = &types.AutoRollbackConfiguration{Enabled: true, Events: []types.AutoRollbackEvent{event}}
		}
	}
	restored := func(back *types.DeploymentInfo) {
		s.t.Helper()
		if key := aws.ToString(back.Revision.S3Location.Key); key != "v3.zip" {
			s.t.Errorf("the rollback brought %s back", key)
		}
		for _, h := range hosts {
			runs := s.runs(h)
			if last := runs[len(runs)-1]; !slices.Equal(last, []string{*back.DeploymentId, "v3", "ValidateService", "end"}) {
				s.t.Errorf("last on %s ran %v", h, last)
			}
		}
		if key := s.groupField("site", "web", "TargetRevision", "S3Location", "Key"); key != "v3.zip" {
			s.t.Errorf("the group's target revision is %s", key)
		}
	}
	s.touch("fail-v4-ValidateService", hosts...)
	restored(s.rolledBack(s.begin("site", "web", "v4.zip", on(types.AutoRollbackEventDeploymentFailure)), types.DeploymentStatusFailed))
	s.remove("fail-v4-ValidateService", hosts...)

	held := func(change ...func(*codedeploy.CreateDeploymentInput)) string {
		s.touch("hold-BeforeInstall", hosts...)
		id := s.begin("site", "web", "v4.zip", change...)
		for _, h := range hosts {
			s.awaitRun(h, id, "BeforeInstall")
		}
		return id
	}
	id := held(on(types.AutoRollbackEventDeploymentStopOnRequest))
	s.halt(id, nil)
	s.remove("hold-BeforeInstall", hosts...)
	restored(s.rolledBack(id, types.DeploymentStatusStopped))

	id = held(on(types.AutoRollbackEventDeploymentStopOnRequest))
	s.halt(id, aws.Bool(false))
	s.remove("hold-BeforeInstall", hosts...)
	i := s.awaitStatus(id, types.DeploymentStatusStopped)
	if i.RollbackInfo != nil && i.RollbackInfo.RollbackDeploymentId != nil || i.ErrorInformation == nil || i.ErrorInformation.Code != types.ErrorCodeManualStop {
		s.t.Errorf("stopped without a rollback, it shows %+v and %+v", i.RollbackInfo, i.ErrorInformation)
	}
	s.succeeds(s.begin("site", "web", "v3.zip"))
}

// ignoredStopFailures: the previous revision's ApplicationStop fails its instance, unless the deployment ignores that.
func ignoredStopFailures(s *stand, _ []string) {
	s.touch("fail-v3-ApplicationStop", "n-1")
	stopped := func(id string, want types.TargetStatus) {
		s.t.Helper()
		s.succeeds(id)
		events, status := s.events(id, "n-1")
		if events["ApplicationStop"].Status != types.LifecycleEventStatusFailed || status != want {
			s.t.Errorf("ApplicationStop is %s and n-1 is %s, want Failed and %s", events["ApplicationStop"].Status, status, want)
		}
	}
	stopped(s.begin("site", "web", "v4.zip"), types.TargetStatusFailed)
	stopped(s.begin("site", "web", "v4.zip", func(in *codedeploy.CreateDeploymentInput) { in.IgnoreApplicationStopFailures = true }), types.TargetStatusSucceeded)
	s.remove("fail-v3-ApplicationStop", "n-1")
}

// existingFiles: what becomes of files that are where the revision's are to be.
func existingFiles(s *stand, _ []string) {
	s.createGroup("site", "files", "", func(in *codedeploy.CreateDeploymentGroupInput) {
		in.OnPremisesInstanceTagFilters = []types.TagFilter{tag("crossfade:zone", "zone-a")}
	})
	for _, c := range []struct {
		behavior types.FileExistsBehavior
		status   types.DeploymentStatus
		content  string
	}{
		{types.FileExistsBehaviorDisallow, types.DeploymentStatusFailed, "theirs"},
		{types.FileExistsBehaviorOverwrite, types.DeploymentStatusSucceeded, "ours"},
		{types.FileExistsBehaviorRetain, types.DeploymentStatusSucceeded, "theirs"},
	} {
		place := filepath.Join("placed", string(c.behavior))
		if err := os.MkdirAll(filepath.Join(s.dir, place), 0o700); err != nil {
			s.t.Fatal(err)
		}
		s.write(filepath.Join(place, "page"), "theirs")
		spec := "version: 0.0\nos: linux\nfiles:\n  - source: page\n    destination: " + filepath.Join(s.dir, place) + "\n  - source: new\n    destination: " + filepath.Join(s.dir, place) + "\n"
		s.upload("files.zip", zipOf(s.t, "appspec.yml", spec, "page", "ours", "new", "new"))
		id := s.begin("site", "files", "files.zip", func(in *codedeploy.CreateDeploymentInput) { in.FileExistsBehavior = c.behavior })
		i := s.awaitEnd(id)
		if i.Status != c.status || i.FileExistsBehavior != c.behavior {
			s.t.Errorf("%s: the deployment is %s with %s\n%s", c.behavior, i.Status, i.FileExistsBehavior, s.targets(id))
		}
		if page := s.read(filepath.Join(place, "page")); page != c.content {
			s.t.Errorf("%s: the file says %q", c.behavior, page)
		}
		if c.status == types.DeploymentStatusFailed {
			if m := aws.ToString(i.ErrorInformation.Message); !strings.Contains(m, filepath.Join(place, "page")) || !strings.Contains(m, "n-2 at Install") {
				s.t.Errorf("%s: it says %s", c.behavior, m)
			}
		} else if s.read(filepath.Join(place, "new")) != "new" {
			s.t.Errorf("%s: the other file was not installed", c.behavior)
		}
	}
}

// names: a deployment goes on under its group's and application's new names, and stays readable after they are deleted.
func names(s *stand, hosts []string) {
	s.touch("hold-BeforeInstall", hosts...)
	id := s.begin("site", "web", "v5.zip")
	s.awaitRun("n-1", id, "BeforeInstall")
	s.mustAWS("deploy", "update-application", "--application-name", "site", "--new-application-name", "portal")
	s.mustAWS("deploy", "update-deployment-group", "--application-name", "portal", "--current-deployment-group-name", "web", "--new-deployment-group-name", "front")
	named := func(i *types.DeploymentInfo) {
		s.t.Helper()
		if aws.ToString(i.ApplicationName) != "portal" || aws.ToString(i.DeploymentGroupName) != "front" {
			s.t.Errorf("the deployment shows %s/%s", aws.ToString(i.ApplicationName), aws.ToString(i.DeploymentGroupName))
		}
	}
	i, err := s.info(id)
	if err != nil || i.Status != types.DeploymentStatusInProgress {
		s.t.Fatalf("%+v %v", i, err)
	}
	named(i)
	if _, err := s.tryBegin("portal", "front", "v4.zip"); code(err) != "DeploymentLimitExceededException" || !strings.Contains(err.Error(), "'front'") {
		s.t.Errorf("a second deployment under the new name: %v", err)
	}
	s.remove("hold-BeforeInstall", hosts...)
	named(s.succeeds(id))
	if got := s.groupField("portal", "front", "TargetRevision", "S3Location", "Key"); got != "v5.zip" {
		s.t.Errorf("the renamed group's target revision is %s", got)
	}
	s.touch("hold-BeforeInstall", hosts...)
	last := s.begin("portal", "front", "v4.zip")
	s.awaitRun("n-1", last, "BeforeInstall")
	s.mustAWS("deploy", "delete-deployment-group", "--application-name", "portal", "--deployment-group-name", "front")
	s.remove("hold-BeforeInstall", hosts...)
	ended := s.awaitEnd(last)
	if ended.Status != types.DeploymentStatusStopped || ended.ErrorInformation == nil || ended.ErrorInformation.Code != types.ErrorCodeDeploymentGroupMissing {
		s.t.Errorf("the deployment of the deleted group is %s: %+v", ended.Status, ended.ErrorInformation)
	}
	for _, d := range []string{id, last} {
		if got := s.targetIDs(d); !slices.Equal(got, hosts) {
			s.t.Errorf("%s has the targets %v", d, got)
		}
		if events, _ := s.events(d, "n-1"); events["BeforeInstall"].Status != types.LifecycleEventStatusSucceeded {
			s.t.Errorf("BeforeInstall of %s is %s", d, events["BeforeInstall"].Status)
		}
	}
	s.mustAWS("deploy", "delete-application", "--application-name", "portal")
	i, err = s.info(id)
	if err != nil || i.Status != types.DeploymentStatusSucceeded {
		s.t.Fatalf("after the application is deleted: %+v %v", i, err)
	}
}
