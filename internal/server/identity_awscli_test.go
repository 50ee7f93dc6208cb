package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/agent/control"
	"crossfade/internal/agent/identity"
	"crossfade/internal/sigv4"
)

// commandLine is the real aws command line in a directory of its own, pointed at a server.
type commandLine struct {
	t         *testing.T
	path, dir string
	env       []string
}

func newCommandLine(t *testing.T, s *Server) *commandLine {
	t.Helper()
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the aws command line is not on this machine: install it to run this test")
	}
	return &commandLine{t, path, t.TempDir(), cleanEnvironment(t, s)}
}

func (c *commandLine) run(args ...string) (out, complaint string, code int) {
	c.t.Helper()
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(c.t.Context(), c.path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.dir, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

func (c *commandLine) must(args ...string) string {
	c.t.Helper()
	out, complaint, code := c.run(args...)
	if code != 0 || complaint != "" {
		c.t.Fatalf("aws %v ended with %d: %s%s", args, code, out, complaint)
	}
	return out
}

// poll is one poll of our agent's client with the credentials of an on-premises configuration file.
func poll(t *testing.T, s *Server, file string) (*control.Command, error) {
	t.Helper()
	id, note, err := identity.Load(file)
	if err != nil || note != "" {
		t.Fatalf("read %s: %v, note %q", file, err, note)
	}
	agent := &control.Client{
		Endpoint: s.Endpoint() + "/", Host: id.Host, Version: "test", HTTP: &http.Client{}, Now: time.Now,
		Sign: func(_ context.Context, r *http.Request, service, payload string, at time.Time) error {
			c, err := id.Credentials(at)
			if err != nil {
				return err
			}
			sigv4.Sign(r, sigv4.Credential{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, id.Region, service, payload, at)
			return nil
		},
	}
	return agent.Poll(t.Context())
}

// TestRegisterOnTheCommandLine is the life of an on-premises instance with the AWS command line alone: its user, key, policy and file; an agent that
// polls with that file; and the end of all of it.
func TestRegisterOnTheCommandLine(t *testing.T) {
	t.Parallel()
	o := identityOptions(t)
	o.Config.Agents.PollHold = 50 * time.Millisecond
	s := start(t, o)
	c := newCommandLine(t, s)
	out := c.must("deploy", "register", "--instance-name", "web-1", "--tags", "Key=Name,Value=web-1")
	for _, part := range []string{"IamUserArn: " + userPrefix + "/AWS/CodeDeploy/web-1\n", "PolicyName: codedeploy-agent\n", "Registering the on-premises instance... DONE\n", "Adding tags to the on-premises instance... DONE\n"} {
		if !strings.Contains(out, part) {
			t.Errorf("register printed %s without %s", out, part)
		}
	}
	file := filepath.Join(c.dir, "codedeploy.onpremises.yml")
	if command, err := poll(t, s, file); err != nil || command != nil {
		t.Errorf("a poll without work: %+v, %v", command, err)
	}
	putObject(t, s, "releases", "own.zip", "x")
	sdkOf := func(key sigv4.Credential) aws.Config {
		c := sdk(s, key)
		c.Region = identityRegion
		return c
	}
	// The file's key may do what a host may, and no more, though its policy says s3:Get* on everything.
	id, _, err := identity.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := id.Credentials(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	host := sdkOf(sigv4.Credential{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey})
	var denied interface{ ErrorCode() string }
	_, err = s3.NewFromConfig(host, func(o *s3.Options) { o.UsePathStyle = true }).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("releases"), Key: aws.String("own.zip")})
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDenied" {
		t.Errorf("a bundle of nobody's deployment: %v", err)
	}
	_, err = codedeploy.NewFromConfig(host).ListApplications(t.Context(), &codedeploy.ListApplicationsInput{})
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDeniedException" {
		t.Errorf("ListApplications: %v", err)
	}
	root := codedeploy.NewFromConfig(sdkOf(testRoot))
	got, err := root.GetOnPremisesInstance(t.Context(), &codedeploy.GetOnPremisesInstanceInput{InstanceName: aws.String("web-1")})
	if err != nil || aws.ToString(got.InstanceInfo.IamUserArn) != id.Host || len(got.InstanceInfo.Tags) != 1 {
		t.Errorf("the instance: %+v, %v", got, err)
	}
	if out, complaint, _ := c.run("deploy", "register", "--instance-name", "web-1"); !strings.Contains(complaint, "(EntityAlreadyExists) when calling the CreateUser operation: User with name web-1 already exists.") {
		t.Errorf("registered twice: %s%s", out, complaint)
	}

	out = c.must("deploy", "deregister", "--instance-name", "web-1")
	for _, part := range []string{"Removing tags", "Deregistering the on-premises instance... DONE\n", "Deleting the IAM user policies... DONE\n", "Deleting the IAM user access keys... DONE\n", "Deleting the IAM user (web-1)... DONE\n"} {
		if !strings.Contains(out, part) {
			t.Errorf("deregister printed %s without %s", out, part)
		}
	}
	_, err = poll(t, s, file)
	var failure *control.Failure
	if !errors.As(err, &failure) || !strings.Contains(err.Error(), "UnrecognizedClientException") {
		t.Errorf("a poll after it: %v", err)
	}
	if out := c.must("iam", "list-users", "--query", "length(Users)"); strings.TrimSpace(out) != "0" {
		t.Errorf("there are still %s users", out)
	}
	// An instance whose user stays.
	c.must("deploy", "register", "--instance-name", "web-1", "--iam-user-arn", userPrefix+"/ops/web-1")
	c.must("deploy", "deregister", "--instance-name", "web-1", "--no-delete-iam-user")
}

// TestSessionsOfRolesOnTheCommandLine registers an instance by the ARN of a role's session, as the user guide's other way is, and polls as it.
func TestSessionsOfRolesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	o := identityOptions(t)
	o.Config.Agents.PollHold = 50 * time.Millisecond
	s := start(t, o)
	c := newCommandLine(t, s)
	arn := "arn:aws:sts::" + identityAccount + ":assumed-role/chain/web-1"
	c.must("deploy", "register-on-premises-instance", "--instance-name", "web-1", "--iam-session-arn", arn)
	out := strings.Fields(c.must("sts", "assume-role", "--role-arn", "arn:aws:iam::"+identityAccount+":role/chain", "--role-session-name", "web-1",
		"--query", "Credentials.[AccessKeyId,SecretAccessKey,SessionToken]", "--output", "text"))
	credentials := filepath.Join(c.dir, "credentials")
	file := filepath.Join(c.dir, "onpremises.yml")
	for path, content := range map[string]string{
		credentials: fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", out[0], out[1], out[2]),
		file:        fmt.Sprintf("---\nregion: %s\niam_session_arn: %s\naws_credentials_file: %s\n", identityRegion, arn, credentials),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if command, err := poll(t, s, file); err != nil || command != nil {
		t.Errorf("a poll: %+v, %v", command, err)
	}
}

// TestInstallOnTheCommandLine runs aws deploy install with the programs of the machine it would change replaced, and the command line's look at the
// distribution answered: what is left is what it asks the server for, and that it runs what it got.
func TestInstallOnTheCommandLine(t *testing.T) {
	t.Parallel()
	o := identityOptions(t)
	bucket := "aws-codedeploy-" + identityRegion
	o.Config.Revisions.Buckets = []string{bucket, "tools"}
	s := start(t, o)
	c := newCommandLine(t, s)
	installer := "#!/bin/sh\necho \"$0 $* as $AWS_ACCESS_KEY_ID in $AWS_REGION\" >installed\n"
	putObject(t, s, bucket, "latest/install", installer)
	putObject(t, s, "tools", "agent/setup.sh", installer)
	programs := t.TempDir()
	for _, name := range []string{"apt-get", "service", "dpkg"} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(programs, "conf")
	patch := fmt.Sprintf(`
import os
import awscli.compat
import awscli.customizations.codedeploy.systems as systems
awscli.compat.linux_distribution = lambda: ("Ubuntu", "", "")
os.geteuid = lambda: 0
systems.Linux.CONFIG_DIR = %q
systems.Linux.CONFIG_PATH = %q
`, conf, conf+"/codedeploy.onpremises.yml")
	if err := os.WriteFile(filepath.Join(programs, "sitecustomize.py"), []byte(patch), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = append(c.env, "PYTHONPATH="+programs, "PATH="+programs+":"+os.Getenv("PATH"))
	if out, complaint, code := c.run("deploy", "uninstall"); code != 0 || !strings.Contains(out, "Uninstalling the AWS CodeDeploy Agent... DONE") {
		t.Skipf("the aws command line of this machine cannot be told which distribution it is on: %d %s%s", code, out, complaint)
	}
	c.must("deploy", "register", "--instance-name", "web-1")
	for _, step := range []struct {
		args []string
		want string
	}{
		{nil, "./install auto as " + testRoot.AccessKeyID + " in " + identityRegion},
		{[]string{"--override-config", "--agent-installer", "s3://tools/agent/setup.sh"}, "./setup.sh auto as " + testRoot.AccessKeyID + " in " + identityRegion},
	} {
		out := c.must(append([]string{"deploy", "install", "--config-file", "codedeploy.onpremises.yml"}, step.args...)...)
		if !strings.Contains(out, "Installing the AWS CodeDeploy Agent... DONE") {
			t.Errorf("install printed %s", out)
		}
		said, err := os.ReadFile(filepath.Join(c.dir, "installed"))
		if err != nil || strings.TrimSpace(string(said)) != step.want {
			t.Errorf("the installer ran as %s, want %s (%v)", said, step.want, err)
		}
	}
	if _, err := identity.Parse(must(t, os.ReadFile, conf+"/codedeploy.onpremises.yml")); err != nil {
		t.Error(err)
	}
	c.must("deploy", "uninstall")
	if _, err := os.Stat(conf + "/codedeploy.onpremises.yml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the configuration is still there: %v", err)
	}
}

func must(t *testing.T, read func(string) ([]byte, error), path string) []byte {
	t.Helper()
	content, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func putObject(t *testing.T, s *Server, bucket, key, content string) {
	t.Helper()
	c := sdk(s, testRoot)
	c.Region = identityRegion
	client := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
}
