package test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/operator"
)

// plan runs crossfade plan and returns what it prints and its exit code.
func (s *stand) plan(args ...string) (string, int) {
	s.t.Helper()
	cmd := exec.Command(s.program, append([]string{"plan", "--endpoint", s.endpoint, "--application-name", "shop", "--deployment-group-name", "prod"}, args...)...)
	cmd.Env, cmd.Dir = s.environment(), s.dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestPlan holds that a plan says what the deployment then does, finds what is wrong beforehand, and changes nothing.
func TestPlan(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(nil)
	v2 := s.upload("v2.zip", bundle(t, "v2", nil))
	green := `{"tagFilters":[{"Key":"env","Value":"green","Type":"KEY_AND_VALUE"}]}`
	location := func(key string) string { return "bucket=" + bucket + ",key=" + key + ",bundleType=zip" }

	before, err := s.deploy.ListDeployments(t.Context(), &codedeploy.ListDeploymentsInput{})
	if err != nil {
		t.Fatal(err)
	}
	out, code := s.plan("--s3-location", location("v2.zip"), "--target-instances", green, "--output", "json")
	if code != 0 {
		t.Fatalf("the plan ended with %d:\n%s", code, out)
	}
	var p operator.PlanOutput
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	var phases []string
	for _, g := range p.Stages {
		phases = append(phases, g.Phase)
	}
	if got := strings.Join(phases, " "); got != "Install ReadyWait Reroute Block TerminationWait Terminate" || len(p.Targets) != 4 || p.Bundle.Entries < 3 || len(p.Bundle.Problems) > 0 {
		t.Errorf("the plan is %s", out)
	}
	if waves := p.Stages[0].Waves; len(waves) != 1 || strings.Join(waves[0], " ") != "green-1 green-2" || p.Stages[1].WaitSeconds != 3600 || !p.Stages[1].Stops {
		t.Errorf("the first stages are %+v", p.Stages[:2])
	}
	after, err := s.deploy.ListDeployments(t.Context(), &codedeploy.ListDeploymentsInput{})
	if err != nil || len(after.Deployments) != len(before.Deployments) {
		t.Errorf("the plan changed the list of deployments: %v, %v", after, err)
	}

	// What the plan says is what happens.
	id := s.blueGreen(v2, nil)
	s.awaitStatus(id, types.DeploymentStatusReady)
	for _, target := range p.Targets {
		got, err := s.deploy.GetDeploymentTarget(t.Context(), &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: &target.ID})
		if err != nil {
			t.Fatal(err)
		}
		is := got.DeploymentTarget.InstanceTarget
		var events []string
		for _, e := range is.LifecycleEvents {
			events = append(events, aws.ToString(e.LifecycleEventName))
		}
		var planned []string
		for _, e := range target.Events {
			planned = append(planned, string(e))
		}
		if string(is.InstanceLabel) != target.Label || strings.Join(events, " ") != strings.Join(planned, " ") {
			t.Errorf("%s was planned as %+v and is %s %v", target.ID, target, is.InstanceLabel, events)
		}
	}

	// While it runs, another one would be refused.
	out, code = s.plan("--s3-location", location("v2.zip"), "--target-instances", green)
	if code != 3 || !strings.Contains(out, "NOT NOW") || !strings.Contains(out, id) {
		t.Errorf("with another one active, %d: %s", code, out)
	}
	if _, err := s.deploy.StopDeployment(t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &id}); err != nil {
		t.Fatal(err)
	}
	s.awaitStatus(id, types.DeploymentStatusStopped)

	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"a bundle that is not there": {[]string{"--s3-location", location("nowhere.zip"), "--target-instances", green}, 3, []string{"HOSTS WOULD REFUSE IT", "nowhere.zip"}},
		"the environment that serves": {
			[]string{"--s3-location", location("v2.zip"), "--target-instances", strings.Replace(green, "green", "blue", 1)}, 3, []string{"IT WOULD FAIL AT ONCE: NO_INSTANCES", "blue-1"},
		},
		"no such group":  {[]string{"--deployment-group-name", "none", "--s3-location", location("v2.zip")}, 1, []string{"DeploymentGroupDoesNotExistException"}},
		"a bad flag":     {[]string{"--s3-location", "bucket"}, 2, []string{`--s3-location: "bucket" is not name=value`}},
		"unknown member": {[]string{"--s3-location", "bucket=b,name=k"}, 2, []string{`unknown field "name"`}},
	} {
		out, code := s.plan(c.args...)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, c.code, out)
		}
		for _, say := range c.says {
			if !strings.Contains(out, say) {
				t.Errorf("%s does not say %q: %s", name, say, out)
			}
		}
	}
	broken := bundle(t, "v3", map[string]string{"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: scripts/gone.sh\n"})
	s.upload("v3.zip", broken)
	if out, code := s.plan("--s3-location", location("v3.zip"), "--target-instances", green); code != 3 || !strings.Contains(out, "appspec.yml:5") || !strings.Contains(out, "gone.sh") {
		t.Errorf("a script that is not in the bundle, %d: %s", code, out)
	}
}
