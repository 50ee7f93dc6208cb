package autoscaling_test

import (
	"context"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"crossfade/internal/counterpart"
	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/fleet/autoscaling"
	"crossfade/internal/fleet/fleettest"
	"crossfade/internal/store"
)

// account is moto's.
const account = "123456789012"

// regions keep tests that share a moto_server apart.
var regions = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1",
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "sa-east-1",
}

// registry is the registered instances.
type registry []deploy.Instance

func (r registry) Instances(_ context.Context, account string, f store.InstanceFilter, _ store.Page) ([]deploy.Instance, error) {
	return slices.DeleteFunc(slices.Clone(r), func(i deploy.Instance) bool { return i.Account != account || !deploy.MatchesAny(f.Tags, i.Tags) }), nil
}

// world is a region of AWS.
type world struct {
	*autoscaling.Driver
	groups   *sdk.Client
	region   string
	endpoint string
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// open makes a region with the group web of two instances, which a launch template makes.
func open(t *testing.T, endpoint, region string, r registry) *world {
	t.Helper()
	ctx := t.Context()
	keys := credentials.NewStaticCredentialsProvider("AKID", "SECRET", "")
	w := &world{region: region, endpoint: endpoint}
	w.groups = sdk.New(sdk.Options{Region: region, BaseEndpoint: &endpoint, Credentials: keys})
	w.Driver = must[*autoscaling.Driver](t)(autoscaling.New(ctx, autoscaling.Options{
		Account: account, Region: region, Endpoint: endpoint, AccessKeyID: "AKID", SecretAccessKey: "SECRET", Registry: r,
	}))
	counterpart.EC2(t, endpoint, region, "launchTemplateId", map[string]string{
		"Action": "CreateLaunchTemplate", "LaunchTemplateName": "web", "LaunchTemplateData.ImageId": w.image(t), "LaunchTemplateData.InstanceType": "t3.micro",
	})
	must[*sdk.CreateAutoScalingGroupOutput](t)(w.groups.CreateAutoScalingGroup(ctx, &sdk.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String("web"), MinSize: aws.Int32(0), MaxSize: aws.Int32(9), DesiredCapacity: aws.Int32(2),
		LaunchTemplate:    &sdktypes.LaunchTemplateSpecification{LaunchTemplateName: aws.String("web"), Version: aws.String("1")},
		AvailabilityZones: []string{region + "a"}, HealthCheckType: aws.String("EC2"), HealthCheckGracePeriod: aws.Int32(42),
		TerminationPolicies: []string{"OldestInstance"},
		Tags: []sdktypes.Tag{{
			Key: aws.String("Environment"), Value: aws.String("blue"), PropagateAtLaunch: aws.Bool(true), ResourceId: aws.String("web"),
			ResourceType: aws.String("auto-scaling-group"),
		}},
	}))
	return w
}

// image is one that instances can be launched of.
func (w *world) image(t *testing.T) string {
	t.Helper()
	return counterpart.EC2(t, w.endpoint, w.region, "imageId", map[string]string{"Action": "DescribeImages"})
}

func (w *world) resize(t *testing.T, group string, size int) {
	t.Helper()
	must[*sdk.SetDesiredCapacityOutput](t)(w.groups.SetDesiredCapacity(t.Context(), &sdk.SetDesiredCapacityInput{
		AutoScalingGroupName: &group, DesiredCapacity: aws.Int32(int32(size)), //nolint:gosec // small
	}))
}

// TestConformanceWithMoto runs the suite against moto_server, which plays Auto Scaling and EC2; in front of it stands what it does not play: that
// instances wait at launch hooks.
func TestConformanceWithMoto(t *testing.T) {
	t.Parallel()
	target := must[*url.URL](t)(url.Parse(counterpart.Moto(t)))
	var next atomic.Int32
	const noEnd = "moto_server ends instances at once, without waiting at a termination hook; TestWaitingAtATerminationHook holds what AWS would be told"
	fleettest.Run(t, func(t *testing.T) fleettest.World {
		front := httptest.NewServer(&hooks{inner: httputil.NewSingleHostReverseProxy(target), held: map[string]map[string]bool{}})
		t.Cleanup(front.Close)
		w := open(t, front.URL, regions[next.Add(1)-1], nil)
		return fleettest.World{
			Driver: w, Account: account, Group: "web", Size: 2, Zones: true, Step: func(*testing.T) {}, Resize: w.resize,
			Cannot: map[string]string{"a termination hook": noEnd},
		}
	})
}

// TestCopiesAndInstancesOfAWS holds what only AWS has: what a copy takes over, EC2 tags, and hosts.
func TestCopiesAndInstancesOfAWS(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := open(t, counterpart.Moto(t), "eu-west-1", nil)
	group := func(name string) sdktypes.AutoScalingGroup {
		t.Helper()
		out := must[*sdk.DescribeAutoScalingGroupsOutput](t)(w.groups.DescribeAutoScalingGroups(ctx, &sdk.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}}))
		if len(out.AutoScalingGroups) != 1 {
			t.Fatalf("the groups named %s: %+v", name, out.AutoScalingGroups)
		}
		return out.AutoScalingGroups[0]
	}
	if err := w.Copy(ctx, account, "web", "CodeDeploy_web_d-1", 3); err != nil {
		t.Fatal(err)
	}
	is, was := group("CodeDeploy_web_d-1"), group("web")
	if *is.DesiredCapacity != 3 || *is.MinSize != 0 || *is.MaxSize != 9 || len(is.Instances) != 3 || *is.HealthCheckGracePeriod != 42 ||
		*is.LaunchTemplate.LaunchTemplateId != *was.LaunchTemplate.LaunchTemplateId || *is.LaunchTemplate.Version != "1" ||
		!slices.Equal(is.AvailabilityZones, was.AvailabilityZones) || !slices.Equal(is.TerminationPolicies, was.TerminationPolicies) {
		t.Errorf("the copy is %+v, of %+v", is, was)
	}
	if len(is.Tags) != 1 || *is.Tags[0].Key != "Environment" || *is.Tags[0].Value != "blue" || !*is.Tags[0].PropagateAtLaunch || *is.Tags[0].ResourceId != "CodeDeploy_web_d-1" {
		t.Errorf("the copy's tags are %+v", is.Tags)
	}

	// One instance alone, with a tag that says where it serves.
	alone := counterpart.EC2(t, w.endpoint, w.region, "instanceId", map[string]string{
		"Action": "RunInstances", "ImageId": w.image(t), "MinCount": "1", "MaxCount": "1", "TagSpecification.1.ResourceType": "instance",
		"TagSpecification.1.Tag.1.Key": "Environment", "TagSpecification.1.Tag.1.Value": "b*e",
		"TagSpecification.1.Tag.2.Key": deploy.AddressTag, "TagSpecification.1.Tag.2.Value": "10.9.8.7:80",
	})
	find := func(s deploy.Selection) []string {
		t.Helper()
		var names []string
		for _, i := range must[[]fleet.Instance](t)(w.Find(ctx, account, s)) {
			names = append(names, i.Name)
		}
		return names
	}
	filter := func(key, value, kind string) []deploy.TagFilter {
		return []deploy.TagFilter{{Key: key, Value: value, Type: kind}}
	}
	for name, tt := range map[string]struct {
		s    deploy.Selection
		want int
	}{
		"a tag":                {deploy.Selection{EC2Filters: filter("Environment", "blue", deploy.KeyAndValue)}, 5},
		"a tag like a pattern": {deploy.Selection{EC2Filters: filter("Environment", "b*e", deploy.KeyAndValue)}, 1},
		"a key":                {deploy.Selection{EC2Filters: filter("Environment", "", deploy.KeyOnly)}, 6},
		"a tag set":            {deploy.Selection{EC2TagSet: deploy.TagSet{filter("Environment", "", deploy.KeyOnly), filter(deploy.AddressTag, "", deploy.KeyOnly)}}, 1},
		"a tag and a group":    {deploy.Selection{EC2Filters: filter("Environment", "blue", deploy.KeyAndValue), AutoScalingGroups: []string{"web"}}, 5},
		"an on-premises tag":   {deploy.Selection{OnPremFilters: filter("Environment", "blue", deploy.KeyAndValue)}, 0},
	} {
		if got := find(tt.s); len(got) != tt.want {
			t.Errorf("%s finds %v", name, got)
		}
	}
	if a := must[string](t)(w.Address(ctx, account, alone)); a != "10.9.8.7:80" {
		t.Errorf("its address is %q", a)
	}
	// Its agent signs as itself, or as the registered instance that says so.
	found := must[[]fleet.Instance](t)(w.Lookup(ctx, account, []string{alone}))
	if arn := "arn:aws:ec2:eu-west-1:" + account + ":instance/" + alone; len(found) != 1 || found[0].ARN != arn || found[0].Host != arn || found[0].Zone == "" {
		t.Errorf("looked up %+v", found)
	}
	known := registry{{Account: account, Name: "app-7", IAMUserARN: "arn:user/app-7", Tags: map[string]string{autoscaling.InstanceTag: alone}}}
	d := must[*autoscaling.Driver](t)(autoscaling.New(ctx, autoscaling.Options{
		Account: account, Region: "eu-west-1", Endpoint: w.endpoint, AccessKeyID: "A", SecretAccessKey: "B", Registry: known,
	}))
	if found := must[[]fleet.Instance](t)(d.Lookup(ctx, account, []string{alone})); len(found) != 1 || found[0].Host != "arn:user/app-7" {
		t.Errorf("with a registration: %+v", found)
	}
	for range 2 {
		if notes, err := w.Terminate(ctx, account, []string{alone, "i-0000000000000000f", "web-1"}); err != nil || len(notes) != 0 {
			t.Errorf("terminate: %v, %v", notes, err)
		}
	}
	if found := must[[]fleet.Instance](t)(w.Lookup(ctx, account, []string{alone})); len(found) != 0 {
		t.Errorf("terminated, and there: %+v", found)
	}
}

func TestHalfOfAKeyIsRefused(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]autoscaling.Options{"half of an access key": {Region: "x", AccessKeyID: "A"}, "have no region": {}} {
		if _, err := autoscaling.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
