package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/smithy-go"
)

// aws runs the real command line against the stand and returns its output, or the error that it prints.
func (s *stand) aws(args ...string) (string, error) {
	s.t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		s.t.Skip("the aws command line is not on this machine: install it to run this test")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = s.dir
	cmd.Env = s.environment("AWS_CONFIG_FILE="+filepath.Join(s.dir, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(s.dir, "none"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("aws %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

func (s *stand) mustAWS(args ...string) string {
	s.t.Helper()
	out, err := s.aws(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// field reads a member of the JSON that a command printed.
func field(t *testing.T, out string, path ...string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("no member %v in %s", path, out)
		}
		v = m[p]
	}
	return fmt.Sprint(v)
}

// TestAWSCommandLine drives the whole job with the ordinary aws command line: push, deploy, look, continue, continue again.
func TestAWSCommandLine(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.addHosts()
	source := filepath.Join(s.dir, "source")
	if err := os.CopyFS(source, os.DirFS("../examples/app")); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"install", "start", "stop", "validate"} {
		if err := os.Chmod(filepath.Join(source, "scripts", script+".sh"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	push := func(version string) {
		if err := os.WriteFile(filepath.Join(source, "site", "VERSION"), []byte(version+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		out := s.mustAWS("deploy", "push", "--application-name", "shop", "--s3-location", "s3://"+bucket+"/shop-"+version+".zip", "--source", source)
		if !strings.Contains(out, "aws deploy create-deployment") {
			t.Errorf("push says %s", out)
		}
	}
	s.mustAWS("deploy", "create-application", "--application-name", "shop")
	push("v1")
	push("v2")
	common := []string{"deploy", "create-deployment-group", "--application-name", "shop", "--service-role-arn", "arn:aws:iam::000000000000:role/deploy",
		"--deployment-config-name", "CodeDeployDefault.AllAtOnce", "--load-balancer-info", "targetGroupInfoList=[{name=web}]",
		"--on-premises-instance-tag-filters", "Key=env,Value=blue,Type=KEY_AND_VALUE"}
	s.mustAWS(append(common, "--deployment-group-name", "first", "--deployment-style", "deploymentType=IN_PLACE,deploymentOption=WITH_TRAFFIC_CONTROL")...)
	s.mustAWS(append(common, "--deployment-group-name", "prod", "--deployment-style", "deploymentType=BLUE_GREEN,deploymentOption=WITH_TRAFFIC_CONTROL",
		"--blue-green-deployment-configuration", `{"deploymentReadyOption":{"actionOnTimeout":"STOP_DEPLOYMENT","waitTimeInMinutes":60},
		"terminateBlueInstancesOnDeploymentSuccess":{"action":"TERMINATE","terminationWaitTimeInMinutes":60},
		"greenFleetProvisioningOption":{"action":"DISCOVER_EXISTING"}}`)...)
	create := func(group, version string, more ...string) string {
		out := s.mustAWS(append([]string{"deploy", "create-deployment", "--application-name", "shop", "--deployment-group-name", group,
			"--s3-location", "bucket=" + bucket + ",key=shop-" + version + ".zip,bundleType=zip"}, more...)...)
		return field(t, out, "deploymentId")
	}
	first := create("first", "v1")
	s.mustAWS("deploy", "wait", "deployment-successful", "--deployment-id", first)
	visitors := s.visit()

	id := create("prod", "v2", "--target-instances", `{"tagFilters":[{"Key":"env","Value":"green","Type":"KEY_AND_VALUE"}]}`)
	s.until("get-deployment says Ready", func() error {
		if status := field(t, s.mustAWS("deploy", "get-deployment", "--deployment-id", id), "deploymentInfo", "status"); status != "Ready" {
			return errors.New(status)
		}
		return nil
	})
	if out, err := s.aws("deploy", "continue-deployment", "--deployment-id", id, "--deployment-wait-type", "TERMINATION_WAIT"); err == nil || !strings.Contains(out, "InvalidDeploymentStatusException") {
		t.Errorf("the other wait: %s", out)
	}
	if out := s.mustAWS("deploy", "continue-deployment", "--deployment-id", id, "--deployment-wait-type", "READY_WAIT"); strings.TrimSpace(out) != "" {
		t.Errorf("continue-deployment printed %q", out)
	}
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.mustAWS("deploy", "continue-deployment", "--deployment-id", id, "--deployment-wait-type", "TERMINATION_WAIT")
	s.mustAWS("deploy", "wait", "deployment-successful", "--deployment-id", id)
	if out, err := s.aws("deploy", "continue-deployment", "--deployment-id", id); err == nil || !strings.Contains(out, "DeploymentAlreadyCompletedException") {
		t.Errorf("after the end: %s", out)
	}
	visitors.end()
	if n := visitors.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the last with %s", n, visitors.requests.Load(), visitors.failure)
	}
	if versions, last := visitors.answers(); last != "v2" || versions["v1"] == 0 {
		t.Errorf("answered %v, last %s", versions, last)
	}
	out := s.mustAWS("deploy", "list-deployment-targets", "--deployment-id", id, "--target-filters", `{"ServerInstanceLabel":["Green"]}`)
	if !strings.Contains(out, "green-1") || !strings.Contains(out, "green-2") || strings.Contains(out, "blue-1") {
		t.Errorf("the green targets are %s", out)
	}
	out = s.mustAWS("s3", "ls", "s3://"+bucket+"/")
	if !strings.Contains(out, "shop-v1.zip") || !strings.Contains(out, "shop-v2.zip") {
		t.Errorf("the bucket holds %s", out)
	}
}

// boto3Script meets ContinueDeployment's errors that need no running deployment, and reads pages and times, with boto3's own parsers.
const boto3Script = `
import boto3, botocore, datetime, json
c = boto3.client("codedeploy")
got = {}
def code(name, **kw):
    try:
        c.continue_deployment(**kw)
        got[name] = "none"
    except botocore.exceptions.ClientError as e:
        got[name] = e.response["Error"]["Code"]
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 400, e.response
        assert e.response["Error"]["Message"], e.response
        assert e.response["ResponseMetadata"]["RequestId"], e.response
code("no id")
code("bad id", deploymentId="d-lower")
code("bad wait", deploymentId="d-NOWHERE00", deploymentWaitType="SOON")
code("unknown", deploymentId="d-NOWHERE00")
c.create_application(applicationName="shop")
assert c.get_application(applicationName="shop")["application"]["createTime"].tzinfo is not None
for i in range(120):
    c.create_deployment_config(deploymentConfigName="c%03d" % i, minimumHealthyHosts={"type": "HOST_COUNT", "value": i})
names = [n for p in c.get_paginator("list_deployment_configs").paginate() for n in p["deploymentConfigsList"]]
assert len(names) == 137, len(names)
assert names == sorted(set(names)), names
try:
    c.get_deployment_config(deploymentConfigName="nope")
except c.exceptions.DeploymentConfigDoesNotExistException:
    got["typed"] = "yes"
print(json.dumps(got))
`

// TestBoto3 holds that boto3's parsers read the answers.
func TestBoto3(t *testing.T) {
	t.Parallel()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not on this machine: install it to run this test")
	}
	s := newStand(t)
	cmd := exec.Command("python3", "-c", boto3Script)
	cmd.Env = s.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[string]string{
		"no id": "DeploymentIdRequiredException", "bad id": "InvalidDeploymentIdException",
		"bad wait": "InvalidDeploymentWaitTypeException", "unknown": "DeploymentDoesNotExistException", "typed": "yes",
	}
	for name, code := range want {
		if got := field(t, string(out), name); got != code {
			t.Errorf("%s: %s, want %s", name, got, code)
		}
	}
}

// TestSDKWaiter drives a deployment with the Go SDK's own waiter, and meets the errors that need a deployment in a certain state.
func TestSDKWaiter(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(func(g *codedeploy.CreateDeploymentGroupInput) {
		g.BlueGreenDeploymentConfiguration.DeploymentReadyOption = &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionContinueDeployment}
		g.BlueGreenDeploymentConfiguration.TerminateBlueInstancesOnDeploymentSuccess = &types.BlueInstanceTerminationOption{Action: types.InstanceActionKeepAlive}
	})
	waiter := codedeploy.NewDeploymentSuccessfulWaiter(s.deploy, func(o *codedeploy.DeploymentSuccessfulWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, 200*time.Millisecond
	})
	id := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	if err := waiter.Wait(t.Context(), &codedeploy.GetDeploymentInput{DeploymentId: &id}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := s.refusal(id); got != "DeploymentAlreadyCompletedException" {
		t.Errorf("after the end: %s", got)
	}
	if _, err := s.deploy.CreateDeploymentGroup(t.Context(), groupOf("in-place", types.DeploymentTypeInPlace)); err != nil {
		t.Fatal(err)
	}
	inPlace, err := s.deploy.CreateDeployment(t.Context(), &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("in-place"), Revision: s.upload("v1.zip", bundle(t, "v1", nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.refusal(*inPlace.DeploymentId); got != "UnsupportedActionForDeploymentTypeException" {
		t.Errorf("in place: %s", got)
	}
	s.awaitStatus(*inPlace.DeploymentId, types.DeploymentStatusSucceeded)
	broken := s.blueGreen(s.upload("broken.zip", bundle(t, "v3", map[string]string{"scripts/validate.sh": "#!/bin/sh\necho this went wrong >&2\nexit 3\n"})), func(in *codedeploy.CreateDeploymentInput) {
		in.TargetInstances.TagFilters[0].Value = aws.String("blue")
	})
	if err := waiter.Wait(t.Context(), &codedeploy.GetDeploymentInput{DeploymentId: &broken}, time.Minute); err == nil {
		t.Error("the waiter took a failed deployment for a success")
	}
	i, err := s.info(broken)
	if err != nil {
		t.Fatal(err)
	}
	if m := aws.ToString(i.ErrorInformation.Message); i.ErrorInformation.Code != types.ErrorCodeHealthConstraints || !strings.Contains(m, "blue-1 at ValidateService: ScriptFailed") {
		t.Errorf("it failed with %s %s", i.ErrorInformation.Code, m)
	}
	out, err := s.deploy.GetDeploymentTarget(t.Context(), &codedeploy.GetDeploymentTargetInput{DeploymentId: &broken, TargetId: aws.String("blue-1")})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range out.DeploymentTarget.InstanceTarget.LifecycleEvents {
		switch aws.ToString(e.LifecycleEventName) {
		case "ValidateService":
			if e.Status != types.LifecycleEventStatusFailed || e.Diagnostics.ErrorCode != types.LifecycleErrorCodeScriptFailed || !strings.Contains(aws.ToString(e.Diagnostics.LogTail), "this went wrong") {
				t.Errorf("ValidateService shows %+v", e.Diagnostics)
			}
		case "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic":
			if e.Status != types.LifecycleEventStatusSkipped {
				t.Errorf("%s is %s, want Skipped", *e.LifecycleEventName, e.Status)
			}
		default:
			if e.Status != types.LifecycleEventStatusSucceeded {
				t.Errorf("%s is %s", *e.LifecycleEventName, e.Status)
			}
		}
	}
}

// refusal is the exception that ContinueDeployment answers with.
func (s *stand) refusal(id string) string {
	_, err := s.deploy.ContinueDeployment(s.t.Context(), &codedeploy.ContinueDeploymentInput{DeploymentId: &id})
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}
