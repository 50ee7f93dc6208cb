package officialconf

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// key is one key of the file, by its name without the colon.
type key struct {
	name string
	// take puts the value into the Conf; nil: the key means nothing here.
	take func(c *Conf, value *yaml.Node) error
	// note is what there is to say of a key without take; empty: nobody needs to miss it. A value that asks for nothing is not noted.
	note string
}

// keys are all that the official agent knows.
func keys() []key {
	return []key{
		{name: "deploy_control_endpoint", take: address(func(c *Conf) *string { return &c.Endpoint })},
		{name: "s3_endpoint_override", take: address(func(c *Conf) *string { return &c.S3Endpoint })},
		{name: "proxy_uri", take: address(func(c *Conf) *string { return &c.Proxy })},
		{name: "root_dir", take: text(func(c *Conf) *string { return &c.Root })},
		{name: "on_premises_config_file", take: text(func(c *Conf) *string { return &c.OnPremises })},
		{name: "max_revisions", take: maxRevisions},
		{name: "http_read_timeout", take: seconds(func(c *Conf) *time.Duration { return &c.ReadTimeout })},
		{name: "kill_agent_max_wait_time_seconds", take: seconds(func(c *Conf) *time.Duration { return &c.StopTimeout })},
		{name: "enable_auth_policy", take: truth(func(c *Conf, v bool) { c.AuthPolicy = v })},
		{name: "enable_deployments_log", take: truth(func(c *Conf, v bool) { c.NoDeploymentsLog = !v })},
		{name: "verbose", take: truth(func(c *Conf, v bool) { c.Verbose = v })},
		{name: "ongoing_deployment_tracking", take: tracking},

		{name: "log_dir", note: "this agent logs to standard error, which systemd and its like keep"},
		{name: "log_aws_wire", note: "this agent has no log of its requests"},
		{name: "user", note: "this agent runs as the user that starts it: say so in its service"},
		{name: "group", note: "this agent runs as the group that starts it: say so in its service"},
		{name: "use_fips_mode", note: "the server is the one of deploy_control_endpoint, whatever it is called"},

		{name: "pid_dir"}, {name: "program_name"}, {name: "children"}, {name: "max_runs_per_worker"}, {name: "codedeploy_test_profile"},
		// The server answers as soon as there is something to do, and instance metadata is never asked for.
		{name: "wait_between_runs"}, {name: "wait_after_error"}, {name: "wait_after_throttle_error"}, {name: "disable_imds_v1"},
	}
}

func text(field func(*Conf) *string) func(*Conf, *yaml.Node) error {
	return func(c *Conf, value *yaml.Node) error {
		var s string
		if err := value.Decode(&s); err != nil || value.Kind != yaml.ScalarNode {
			return errors.New("is no text: write it on one line")
		}
		*field(c) = strings.TrimSpace(s)
		return nil
	}
}

func address(field func(*Conf) *string) func(*Conf, *yaml.Node) error {
	return func(c *Conf, value *yaml.Node) error {
		if err := text(field)(c, value); err != nil {
			return err
		}
		u, err := url.Parse(*field(c))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			// Without the value: a proxy's may hold a password.
			return errors.New("is no URL such as https://deploy.example.com")
		}
		return nil
	}
}

func number(value *yaml.Node) (int, error) {
	var n int
	if err := value.Decode(&n); err != nil || n < 1 {
		return 0, fmt.Errorf("is %q: write a whole number of at least 1", shorten(value.Value))
	}
	return n, nil
}

func maxRevisions(c *Conf, value *yaml.Node) (err error) {
	c.MaxRevisions, err = number(value)
	return err
}

// longest is the longest time that can be said, in seconds: a year, which keeps it far from what a Duration holds.
const longest = 365 * 24 * 60 * 60

func seconds(field func(*Conf) *time.Duration) func(*Conf, *yaml.Node) error {
	return func(c *Conf, value *yaml.Node) error {
		n, err := number(value)
		if err != nil {
			return err
		}
		*field(c) = time.Duration(min(n, longest)) * time.Second
		return nil
	}
}

func truth(set func(*Conf, bool)) func(*Conf, *yaml.Node) error {
	return func(c *Conf, value *yaml.Node) error {
		var v bool
		if err := value.Decode(&v); err != nil {
			return fmt.Errorf("is %q: write true or false", shorten(value.Value))
		}
		set(c, v)
		return nil
	}
}

func tracking(c *Conf, value *yaml.Node) error {
	if err := text(func(c *Conf) *string { return &c.Tracking })(c, value); err != nil {
		return err
	}
	if !filepath.IsLocal(c.Tracking) || filepath.Base(c.Tracking) != c.Tracking || c.Tracking == "." || strings.Contains(c.Tracking, `\`) {
		return fmt.Errorf("is %q: write the name of a directory, without a path", shorten(c.Tracking))
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
