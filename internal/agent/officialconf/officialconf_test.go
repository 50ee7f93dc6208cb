package officialconf

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// shipped is what a package of the official agent installs, and what is added to it to reach a server of one's own.
const shipped = `---
:log_aws_wire: false
:log_dir: '/var/log/aws/codedeploy-agent/'
:pid_dir: '/opt/codedeploy-agent/state/.pid/'
:program_name: codedeploy-agent
:root_dir: '/opt/codedeploy-agent/deployment-root'
:verbose: false
:wait_between_runs: 1
:proxy_uri:
:max_revisions: 5
`

func TestTheShippedFileAndWhatPeopleAdd(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte(shipped + `:deploy_control_endpoint: https://deploy.example.com:8470
:s3_endpoint_override: 'https://10.0.0.1:8470'
:on_premises_config_file: /etc/host.yml
:http_read_timeout: 60
:kill_agent_max_wait_time_seconds: 90
:enable_auth_policy: true
:enable_deployments_log: false
:ongoing_deployment_tracking: 'running'
`))
	want := Conf{
		Endpoint: "https://deploy.example.com:8470", S3Endpoint: "https://10.0.0.1:8470", Root: "/opt/codedeploy-agent/deployment-root", OnPremises: "/etc/host.yml",
		MaxRevisions: 5, ReadTimeout: time.Minute, StopTimeout: 90 * time.Second, AuthPolicy: true, Tracking: "running", NoDeploymentsLog: true,
		Notes: []string{"log_dir has no effect: this agent logs to standard error, which systemd and its like keep"},
		Idle:  []string{"log_aws_wire", "pid_dir", "program_name", "wait_between_runs"},
	}
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v, %v\nwant %+v", c, err, want)
	}
}

func TestEveryKeyOfTheOfficialAgentHasAJudgement(t *testing.T) {
	t.Parallel()
	var all []string
	for _, k := range keys() {
		all = append(all, k.name)
	}
	slices.Sort(all)
	want := []string{
		"children", "codedeploy_test_profile", "deploy_control_endpoint", "disable_imds_v1", "enable_auth_policy", "enable_deployments_log", "group",
		"http_read_timeout", "kill_agent_max_wait_time_seconds", "log_aws_wire", "log_dir", "max_revisions", "max_runs_per_worker", "on_premises_config_file",
		"ongoing_deployment_tracking", "pid_dir", "program_name", "proxy_uri", "root_dir", "s3_endpoint_override", "use_fips_mode", "user", "verbose",
		"wait_after_error", "wait_after_throttle_error", "wait_between_runs",
	}
	if !slices.Equal(all, want) {
		t.Errorf("got %q, want %q", all, want)
	}
}

func TestKeysWorkWithoutTheColonAndSayWhenNobodyKnowsThem(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte("root_dir: /r\n:rootdir: /x\n:user: deploy\n:group:\n"))
	want := []string{
		"user has no effect: this agent runs as the user that starts it: say so in its service",
		`"rootdir" in line 2 has no effect: neither agent has such a key, check how it is spelled`,
	}
	if err != nil || c.Root != "/r" || !slices.Equal(c.Notes, want) {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, nothing := range []string{"", "---\n", "# a comment\n", "~\n"} {
		if c, err := Parse([]byte(nothing)); err != nil || !reflect.DeepEqual(c, Conf{}) {
			t.Errorf("%q: got %+v, %v", nothing, c, err)
		}
	}
}

func TestWhatIsWrongWithAFile(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"- a":                                  `no list of ":key: value" lines`,
		"a: [":                                 "no YAML",
		":root_dir: /a\nroot_dir: /b":          `line 2: "root_dir" is there twice`,
		":max_revisions: 0":                    `line 1: max_revisions is "0": write a whole number of at least 1`,
		"\n:max_revisions: many":               `line 2: max_revisions is "many"`,
		":http_read_timeout: -1":               "http_read_timeout is",
		":deploy_control_endpoint: codedeploy": "deploy_control_endpoint is no URL",
		":proxy_uri: ftp://u:secret@h":         "proxy_uri is no URL such as",
		":enable_auth_policy: perhaps":         `"perhaps": write true or false`,
		":root_dir: [a]":                       "root_dir is no text",
		":ongoing_deployment_tracking: ../x":   "without a path",
		":ongoing_deployment_tracking: .":      "without a path",
		strings.Repeat("#", maxFile+1):         "larger than",
	} {
		if _, err := Parse([]byte(content)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.60q: got %v, want %q", content, err, want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "conf.yml")
	if _, err := Load(path); err == nil {
		t.Error("a file out of nowhere was read")
	}
	if err := os.WriteFile(path, []byte(":max_revisions: x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(path, []byte(shipped), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(path); err != nil || c.Root == "" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{shipped, ":proxy_uri: http://u:p@h\n", "a: &x [1]\nb: *x\n", ":max_revisions: 9999999999999999999", "? [a]\n: b\n", "<<: {root_dir: x}\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := Parse(content)
		if err != nil {
			if !reflect.DeepEqual(c, Conf{}) {
				t.Errorf("an error and %+v", c)
			}
			return
		}
		if c.MaxRevisions < 0 || c.StopTimeout < 0 || c.ReadTimeout < 0 || strings.ContainsAny(c.Tracking, `/\`) {
			t.Errorf("%q gives %+v", content, c)
		}
	})
}
