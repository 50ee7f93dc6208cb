package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/counterpart"
)

// TestAnAutoScalingGroupIsCopied deploys blue/green with a copy of a group whose instances the server started: the traffic moves to the copy, the
// original goes with all that ran on it, and the next deployment copies the copy.
func TestAnAutoScalingGroupIsCopied(t *testing.T) {
	t.Parallel()
	s := newFleetStand(t, nil)
	blue := s.serves("web", 2)
	s.deployed(types.InstanceActionTerminate)
	s.alone(blue...)
	old := s.applications(blue...)
	v := s.visit()

	id := s.begin("shop", "prod", "v2.zip")
	s.awaitStatus(id, types.DeploymentStatusReady)
	green := s.serves(copyOf(id), 2)
	if f := s.fleets()[copyOf(id)]; f.Origin != "web" {
		t.Errorf("the copy is %+v", f)
	}
	s.selects("web")
	s.alone(slices.Concat(blue, green)...)
	if versions, _ := v.answers(); versions["v2"] != 0 {
		t.Errorf("v2 answered before ContinueDeployment: %v", versions)
	}
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.answering(v, "v2")
	s.alone(slices.Concat(blue, green)...)
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	s.succeeds(id)
	s.selects(copyOf(id))
	s.gone(old, blue...)
	s.alone(green...)
	if f := s.fleets()["web"]; !f.Deleted || len(f.Instances) != 0 {
		t.Errorf("the original is %+v", f)
	}

	// An instance that the copy launches gets the revision, and its share of the traffic, before it is in service.
	s.run("fleet", "scale", copyOf(id), "3", "--endpoint", s.endpoint)
	three := s.serves(copyOf(id), 3)
	s.joined(slices.DeleteFunc(three, func(i string) bool { return slices.Contains(green, i) })[0])
	green = s.serves(copyOf(id), 3)

	second := s.reroute("v3.zip")
	s.goOn(second, types.DeploymentWaitTypeTerminationWait)
	s.succeeds(second)
	s.selects(copyOf(second))
	s.answering(v, "v3")
	s.lossless(v)
	all := s.fleets()
	if _, there := all[copyOf(id)]; there || len(all) != 2 || all[copyOf(second)].InService != 3 {
		t.Errorf("the fleets are %+v", all)
	}
	s.gone(nil, green...)
	s.alone(membersOf(all[copyOf(second)])...)

	if out := s.run("fleet", "scale", "web", "3", "--endpoint", s.endpoint); !strings.Contains(out, "web is to have 3 instances") {
		t.Errorf("fleet scale says %s", out)
	}
	again := s.serves("web", 3)
	s.alone(slices.Concat(again, membersOf(all[copyOf(second)]))...)
}

// TestAKeptOriginalAndARollback keeps the original group alive, then takes a rerouted deployment back: its originals serve again, and its copy is
// left as it is.
func TestAKeptOriginalAndARollback(t *testing.T) {
	t.Parallel()
	s := newFleetStand(t, nil)
	blue := s.serves("web", 2)
	s.deployed(types.InstanceActionKeepAlive)
	v := s.visit()
	id := s.reroute("v2.zip")
	s.succeeds(id)
	s.selects(copyOf(id))
	s.answering(v, "v2")
	if kept := s.serves("web", 2); !slices.Equal(kept, blue) {
		t.Errorf("the original had %v and has %v", blue, kept)
	}
	// It is no deployment group's any more: what it launches waits for nobody.
	s.run("fleet", "scale", "web", "3", "--endpoint", s.endpoint)
	blue = s.serves("web", 3)

	s.update(types.InstanceActionTerminate)
	green := s.serves(copyOf(id), 2)
	back := s.reroute("v3.zip")
	s.answering(v, "v3")
	s.halt(back, aws.Bool(true))
	s.rolledBack(back, types.DeploymentStatusStopped)
	s.answering(v, "v2")
	s.lossless(v)
	s.selects(copyOf(id))
	left := s.serves(copyOf(back), 2)
	s.alone(slices.Concat(blue, green, left)...)
	if got := s.share("v2"); got != 100 {
		t.Errorf("after the rollback v2 answers %d %% of the requests", got)
	}
}

// TestKill9OfAServerWithAFleet kills the server after the copy's instances were started, before it could write that down, and likewise after the
// originals were stopped: nothing is started twice, nothing is lost, and the deployment ends.
func TestKill9OfAServerWithAFleet(t *testing.T) {
	t.Parallel()
	// A command holds on after its work while there is a file hold-COMMAND.
	s := newFleetStand(t, func(s *fleetStand, command, path string) []string {
		if command != "start" && command != "stop" {
			return []string{path}
		}
		script := `"$1" && echo "$CROSSFADE_INSTANCE" >>"$0/$2.runs"; while test -e "$0/hold-$2"; do sleep 0.05; done`
		return []string{"/bin/sh", "-c", script, s.dir, path, command}
	})
	blue := s.serves("web", 2)
	s.deployed(types.InstanceActionTerminate)
	ran := func(command string, but []string) (all []string) {
		for _, i := range strings.Fields(s.read(command + ".runs")) {
			if !slices.Contains(but, i) {
				all = append(all, i)
			}
		}
		return all
	}
	// interrupt kills the server when a command has run for two instances and is held.
	interrupt := func(command string, but []string) (instances []string) {
		t.Helper()
		s.until("the server runs "+command, func() error {
			if instances = ran(command, but); len(instances) < 2 {
				return fmt.Errorf("only %v ran it", instances)
			}
			return nil
		})
		s.server.kill()
		if err := os.Remove(filepath.Join(s.dir, "hold-"+command)); err != nil {
			t.Fatal(err)
		}
		s.startServer()
		slices.Sort(instances)
		return instances
	}
	v := s.visit()
	s.write("hold-start", "")
	id := s.begin("shop", "prod", "v2.zip")
	begun := interrupt("start", blue)
	v.end() // the balancer was away for a while
	s.awaitStatus(id, types.DeploymentStatusReady)
	if green := s.serves(copyOf(id), 2); !slices.Equal(green, begun) {
		t.Errorf("the copy has %v, and before the kill %v were started", green, begun)
	}
	if again := ran("start", blue); len(again) != 4 {
		t.Errorf("start ran for %v, want twice for each: how it ended was not known", again)
	}
	s.alone(slices.Concat(blue, begun)...)

	v = s.visit()
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.answering(v, "v2")
	s.lossless(v)
	s.write("hold-stop", "")
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	if ended := interrupt("stop", nil); !slices.Equal(ended, blue) {
		t.Errorf("%v were stopped, want %v", ended, blue)
	}
	s.succeeds(id)
	s.selects(copyOf(id))
	s.gone(nil, blue...)
	s.alone(begun...)
	if got := s.serves(copyOf(id), 2); !slices.Equal(got, begun) {
		t.Errorf("the copy had %v and has %v", begun, got)
	}
	if got := s.share("v2"); got != 100 {
		t.Errorf("v2 answers %d %% of the requests", got)
	}
}

// TestScalingOutAndIn holds that an instance that is launched serves only with the group's revision, and that one that ends is taken out of traffic
// and has its application stopped first.
func TestScalingOutAndIn(t *testing.T) {
	t.Parallel()
	s := newFleetStand(t, nil)
	was := s.serves("web", 2)
	prod := groupOf("prod", types.DeploymentTypeInPlace)
	prod.OnPremisesInstanceTagFilters, prod.AutoScalingGroups, prod.TerminationHookEnabled = nil, []string{"web"}, aws.Bool(true)
	if _, err := s.deploy.CreateDeploymentGroup(t.Context(), prod); err != nil {
		t.Fatal(err)
	}
	first := s.succeeds(s.begin("shop", "prod", "v1.zip"))
	v := s.visit()
	s.run("fleet", "scale", "web", "3", "--endpoint", s.endpoint)
	now := s.serves("web", 3)
	launched := slices.DeleteFunc(slices.Clone(now), func(i string) bool { return slices.Contains(was, i) })
	s.joined(launched[0])
	applications := s.applications(now...)

	s.run("fleet", "scale", "web", "1", "--endpoint", s.endpoint)
	left := s.serves("web", 1)
	retired := s.made("shop", "prod", types.DeploymentCreatorAutoscalingTermination)
	if len(retired) != 2 {
		t.Fatalf("the deployments to instances that ended are %+v", retired)
	}
	var ended []string
	for _, i := range retired {
		targets := s.targetIDs(*i.DeploymentId)
		if len(targets) != 1 || i.Status != types.DeploymentStatusSucceeded {
			t.Fatalf("%s is %s, to %v\n%s", *i.DeploymentId, i.Status, targets, s.targets(*i.DeploymentId))
		}
		ended = append(ended, targets[0])
		events, _ := s.events(*i.DeploymentId, targets[0])
		for _, e := range []string{"BlockTraffic", "ApplicationStop"} {
			if got := events[e].Status; got != types.LifecycleEventStatusSucceeded {
				t.Errorf("%s of %s is %q", e, targets[0], got)
			}
		}
	}
	slices.Sort(ended)
	if want := slices.DeleteFunc(slices.Clone(now), func(i string) bool { return i == left[0] }); !slices.Equal(ended, want) {
		t.Errorf("%v were told to stop, and %v ended", ended, want)
	}
	s.lossless(v)
	stays := slices.Index(now, left[0])
	s.gone(slices.Delete(applications, stays, stays+1), ended...)
	s.alone(left...)
	if got := s.groupField("shop", "prod", "LastSuccessfulDeployment", "DeploymentId"); got != *first.DeploymentId {
		t.Errorf("the group's last deployment is %s, want that of its user, %s", got, *first.DeploymentId)
	}
	if all := s.made("shop", "prod", types.DeploymentCreatorCodeDeployAutoUpdate); len(all) > 0 {
		t.Errorf("there were follow-ups too: %+v", all)
	}
}

// TestAHostThatComesLater registers a host with the tags of two groups: one brings it up to date, one lets it be.
func TestAHostThatComesLater(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.addHost("web-1", "web")
	s.upload("v1.zip", recorder(t, "v1"))
	s.createApplication("site")
	s.createGroup("site", "ignores", "web", func(in *codedeploy.CreateDeploymentGroupInput) {
		in.OutdatedInstancesStrategy = types.OutdatedInstancesStrategyIgnore
	})
	s.createGroup("site", "updates", "web")
	s.succeeds(s.begin("site", "ignores", "v1.zip"))
	root := s.begin("site", "updates", "v1.zip")
	s.succeeds(root)
	s.addHost("web-2", "web")
	var follow *types.DeploymentInfo
	s.until("the host that joined is brought up to date", func() error {
		all := s.made("site", "updates", types.DeploymentCreatorCodeDeployAutoUpdate)
		if len(all) == 0 || all[0].Status != types.DeploymentStatusSucceeded {
			return fmt.Errorf("the follow-ups are %+v", all)
		}
		follow = all[0]
		return nil
	})
	if got := s.targetIDs(*follow.DeploymentId); !slices.Equal(got, []string{"web-2"}) {
		t.Errorf("it was deployed to %v", got)
	}
	if r := follow.RelatedDeployments; r == nil || aws.ToString(r.AutoUpdateOutdatedInstancesRootDeploymentId) != root {
		t.Errorf("the root of %s is %+v, want %s", *follow.DeploymentId, r, root)
	}
	if i, err := s.info(root); err != nil || i.RelatedDeployments == nil || !slices.Equal(i.RelatedDeployments.AutoUpdateOutdatedInstancesDeploymentIds, []string{*follow.DeploymentId}) {
		t.Errorf("the root has %+v, %v, want %s", i, err, *follow.DeploymentId)
	}
	if all := s.made("site", "ignores", types.DeploymentCreatorCodeDeployAutoUpdate); len(all) > 0 {
		t.Errorf("the group that ignores has %+v", all)
	}
	if runs := s.order("web-2"); !slices.Equal(runs, []string{*follow.DeploymentId}) {
		t.Errorf("on web-2 ran %v", runs)
	}
}

// TestADeadInstanceIsReplaced holds the example's check: an instance whose agent is gone is stopped, and another one takes its place.
func TestADeadInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	s := newFleetStand(t, nil)
	was := s.serves("web", 2)
	pid, err := strconv.Atoi(s.running(was[0])[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	s.until("another one serves in its place", func() error {
		if now := membersOf(s.fleets()["web"]); slices.Contains(now, was[0]) || len(now) != 2 {
			time.Sleep(100 * time.Millisecond)
			return fmt.Errorf("the instances are %v", now)
		}
		return nil
	})
	now := s.serves("web", 2)
	if !slices.Contains(now, was[1]) {
		t.Errorf("the one that lived is gone: %v, then %v", was, now)
	}
	s.alone(now...)
	s.gone(nil, was[0])
}

// TestAnAutoScalingGroupOfAWS joins the server to moto_server, which plays Auto Scaling and EC2: its groups are known, have the deployment group's
// hooks, and are copied with all that they have. Its instances run no agent, so what a deployment does with them is not looked at.
func TestAnAutoScalingGroupOfAWS(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	endpoint := counterpart.Moto(t)
	keys := credentials.NewStaticCredentialsProvider("AKID", "SECRET", "")
	groups := autoscaling.New(autoscaling.Options{Region: region, BaseEndpoint: &endpoint, Credentials: keys})
	image := counterpart.EC2(t, endpoint, region, "imageId", map[string]string{"Action": "DescribeImages"})
	if _, err := groups.CreateLaunchConfiguration(ctx, &autoscaling.CreateLaunchConfigurationInput{
		LaunchConfigurationName: aws.String("web"), ImageId: &image, InstanceType: aws.String("t3.micro"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := groups.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String("web"), MinSize: aws.Int32(1), MaxSize: aws.Int32(4), DesiredCapacity: aws.Int32(2),
		LaunchConfigurationName: aws.String("web"), AvailabilityZones: []string{region + "a"},
		Tags: []scaling.Tag{{
			Key: aws.String("Environment"), Value: aws.String("blue"), PropagateAtLaunch: aws.Bool(true), ResourceId: aws.String("web"),
			ResourceType: aws.String("auto-scaling-group"),
		}},
	}); err != nil {
		t.Fatal(err)
	}
	group := func(name string) *scaling.AutoScalingGroup {
		t.Helper()
		out, err := groups.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.AutoScalingGroups) == 0 {
			return nil
		}
		return &out.AutoScalingGroups[0]
	}

	s := &fleetStand{stand: newStand(t)}
	s.configure(fmt.Sprintf("fleets:\n  - {kind: aws, endpoint: '%s', accessKeyId: AKID, secretAccessKey: SECRET}\n", endpoint))
	s.upload("v1.zip", bundle(t, "v1", nil))
	s.createApplication("shop")
	prod := groupOf("prod", types.DeploymentTypeInPlace)
	prod.OnPremisesInstanceTagFilters, prod.AutoScalingGroups = nil, []string{"web", "nobody"}
	if _, err := s.deploy.CreateDeploymentGroup(ctx, prod); code(err) != "InvalidAutoScalingGroupException" || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a group that there is not: %v", err)
	}
	prod.AutoScalingGroups = []string{"web"}
	if _, err := s.deploy.CreateDeploymentGroup(ctx, prod); err != nil {
		t.Fatal(err)
	}
	var hook string
	s.until("the Auto Scaling group has the deployment group's hook", func() error {
		out, err := groups.DescribeLifecycleHooks(ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: aws.String("web")})
		if err != nil || len(out.LifecycleHooks) != 1 {
			return fmt.Errorf("it has %+v, %w", out, err)
		}
		hook = aws.ToString(out.LifecycleHooks[0].LifecycleHookName)
		return nil
	})
	if !strings.HasPrefix(hook, "CodeDeploy-managed-automatic-launch-deployment-hook-prod-") {
		t.Errorf("the hook is %s", hook)
	}
	s.update(types.InstanceActionTerminate)

	id := s.begin("shop", "prod", "v1.zip")
	s.until("there is a copy", func() error {
		if group(copyOf(id)) == nil {
			i, err := s.info(id)
			return fmt.Errorf("not yet: %+v, %w", i, err)
		}
		return nil
	})
	is := group(copyOf(id))
	if *is.DesiredCapacity != 2 || *is.MinSize != 1 || *is.MaxSize != 4 || aws.ToString(is.LaunchConfigurationName) != "web" || len(is.Instances) != 2 {
		t.Errorf("the copy is %+v", is)
	}
	if len(is.Tags) != 1 || *is.Tags[0].Key != "Environment" || *is.Tags[0].Value != "blue" || !*is.Tags[0].PropagateAtLaunch {
		t.Errorf("the copy's tags are %+v", is.Tags)
	}
	s.halt(id, aws.Bool(false))
	s.awaitEnd(id)
	s.selects("web")
	if group("web") == nil || group(copyOf(id)) == nil {
		t.Error("a deployment that was stopped before the traffic moved ended an Auto Scaling group")
	}
}
