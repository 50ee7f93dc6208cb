package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// commandLine is the real aws command line, pointed at a served world.
type commandLine struct {
	t    *testing.T
	path string
	env  []string
}

func newCommandLine(t *testing.T, endpoint string) *commandLine {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the aws command line is not on this machine: install it to run this test")
	}
	config := filepath.Join(t.TempDir(), "config")
	// Versions 1 and 2 print times differently unless they are told.
	if err := os.WriteFile(config, []byte("[default]\ncli_timestamp_format = iso8601\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return &commandLine{t, path, append(clientEnvironment(t, endpoint), "AWS_CONFIG_FILE="+config)}
}

// run runs aws deploy and returns what it prints, what it complains of, and how it ends.
func (c *commandLine) run(args ...string) (out, complaint string, code int) {
	c.t.Helper()
	var stdout, stderr strings.Builder
	cmd := exec.Command(c.path, append([]string{"deploy"}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return stdout.String(), stderr.String(), exit.ExitCode()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), 0
}

func (c *commandLine) must(args ...string) map[string]any {
	c.t.Helper()
	out, complaint, code := c.run(args...)
	if code != 0 {
		c.t.Fatalf("aws deploy %v ended with %d: %s", args, code, complaint)
	}
	var answer map[string]any
	if strings.TrimSpace(out) == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		c.t.Fatalf("aws deploy %v printed %s", args, out)
	}
	return answer
}

// TestCommandLine drives a sample of the operations with the aws command line: its own spelling of the members, its paging, its waiter and its way of
// telling errors.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	aws := newCommandLine(t, w.serve())
	w.agents.answering = true

	if out := aws.must("create-application", "--application-name", "line", "--tags", "Key=team,Value=a"); out["applicationId"] == "" {
		t.Errorf("create-application printed %v", out)
	}
	if out := aws.must("update-application", "--application-name", "line", "--new-application-name", "renamed"); out != nil {
		t.Errorf("update-application printed %v", out)
	}
	aws.must("register-application-revision", "--application-name", "renamed", "--s3-location", "bucket=b,key=k.zip,bundleType=zip,eTag=x", "--description", "by hand")
	aws.must("create-deployment-group", "--application-name", "renamed", "--deployment-group-name", "g", "--service-role-arn", role, "--deployment-config-name", "mine",
		"--on-premises-instance-tag-filters", "Key=colour,Value=blue,Type=KEY_AND_VALUE", "--auto-rollback-configuration", "enabled=true,events=DEPLOYMENT_FAILURE",
		"--alarm-configuration", "enabled=false,alarms=[{name=a}]", "--outdated-instances-strategy", "IGNORE")
	if out := aws.must("list-tags-for-resource", "--resource-arn", "arn:aws:codedeploy:eu-central-1:123456789012:application:renamed"); fmt.Sprint(out["Tags"]) != "[map[Key:team Value:a]]" {
		t.Errorf("list-tags-for-resource printed %v", out)
	}

	// The waiter looks at once and then every 15 seconds, so what it waits for has happened.
	create := func(group string) string {
		out := aws.must("create-deployment", "--application-name", "shop", "--deployment-group-name", group, "--s3-location", "bucket=bundles,key=shop.zip,bundleType=zip",
			"--file-exists-behavior", "OVERWRITE", "--description", "by hand")
		w.run()
		return fmt.Sprint(out["deploymentId"])
	}
	good := create("flat")
	if out, complaint, code := aws.run("wait", "deployment-successful", "--deployment-id", good); code != 0 || out != "" {
		t.Errorf("waiting for a success ended with %d: %s%s", code, out, complaint)
	}
	w.agents.fails = "Install"
	bad := create("flat")
	if _, complaint, code := aws.run("wait", "deployment-successful", "--deployment-id", bad); code != 255 || !strings.Contains(complaint, "terminal failure state") {
		t.Errorf("waiting for a failure ended with %d: %s", code, complaint)
	}
	out := aws.must("get-deployment", "--deployment-id", good, "--query", "deploymentInfo.{status: status, app: applicationName, done: completeTime, seen: deploymentOverview.Succeeded}")
	if fmt.Sprintf("%v %v %v", out["status"], out["app"], out["seen"]) != "Succeeded shop 2" || !strings.HasPrefix(fmt.Sprint(out["done"]), "2026-01-02T03:04:05.006") {
		t.Errorf("get-deployment printed %v", out)
	}
	out = aws.must("list-deployments", "--application-name", "shop", "--deployment-group-name", "flat", "--include-only-statuses", "Failed", "--create-time-range", "start=2026-01-01T00:00:00Z,end=2026-01-03")
	if fmt.Sprint(out["deployments"]) != "["+bad+"]" {
		t.Errorf("list-deployments printed %v", out)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"get-application", "--application-name", "none"}, "An error occurred (ApplicationDoesNotExistException) when calling the GetApplication operation: No application found for name: none"},
		{[]string{"continue-deployment", "--deployment-id", good}, "An error occurred (UnsupportedActionForDeploymentTypeException) when calling the ContinueDeployment operation: "},
	} {
		if _, complaint, code := aws.run(c.args...); code == 0 || !strings.Contains(complaint, c.want) {
			t.Errorf("aws deploy %v ended with %d: %s", c.args, code, complaint)
		}
	}
}

// TestPagesOnTheCommandLine reads a list in parts that end within a page, each from the token of the one before.
func TestPagesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	aws := newCommandLine(t, w.serve())
	var want []any
	for n := range 150 {
		name := fmt.Sprintf("a-%03d", n)
		want = append(want, name)
		w.must("CreateApplication", `{"applicationName":"`+name+`"}`)
	}
	var got []any
	args := []string{"list-applications", "--max-items", "80"}
	for parts := 0; ; parts++ {
		out := aws.must(args...)
		got = append(got, out["applications"].([]any)...)
		token, more := out["NextToken"]
		if !more {
			break
		}
		if parts == 3 {
			t.Fatal("it does not end")
		}
		args = []string{"list-applications", "--max-items", "80", "--starting-token", fmt.Sprint(token)}
	}
	if !slices.Equal(got, want) {
		t.Errorf("in parts: %v", got)
	}
	if out := aws.must("list-applications"); !slices.Equal(out["applications"].([]any), want) {
		t.Errorf("in one: %v", out)
	}
	if _, complaint, code := aws.run("list-applications", "--starting-token", "forged"); code == 0 || !strings.Contains(complaint, "InvalidNextTokenException") {
		t.Errorf("a forged token ended with %d: %s", code, complaint)
	}
}
