package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestAnAgentTakesTheOfficialConfiguration holds that a host can change agents without being configured anew, and that flags win.
func TestAnAgentTakesTheOfficialConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	host := write("host.yml", "region: r\niam_user_arn: arn:aws:iam::1:user/h\naws_access_key_id: AKIDEXAMPLE\naws_secret_access_key: s\n")
	conf := write("codedeployagent.yml", `---
:deploy_control_endpoint: https://deploy.example.com:8470
:s3_endpoint_override: https://store.example.com
:proxy_uri: http://proxy.example.com:3128
:root_dir: /srv/deployments
:on_premises_config_file: `+host+`
:max_revisions: 3
:http_read_timeout: 70
:kill_agent_max_wait_time_seconds: 60
:enable_auth_policy: true
:enable_deployments_log: false
:ongoing_deployment_tracking: running
:log_dir: /var/log
`)
	var flags agentFlags
	c := &cobra.Command{}
	flags.add(c)
	if err := c.ParseFlags([]string{"--agent-config", conf, "--max-revisions", "7"}); err != nil {
		t.Fatal(err)
	}
	official, err := flags.useOfficial(c)
	if err != nil {
		t.Fatal(err)
	}
	o, err := flags.options(nil, c, official)
	if err != nil {
		t.Fatal(err)
	}
	if o.Endpoint != "https://deploy.example.com:8470" || o.S3Endpoint != "https://store.example.com" || o.Root != "/srv/deployments" || o.Identity.Host != "arn:aws:iam::1:user/h" {
		t.Errorf("got %s, %s, %s, %s", o.Endpoint, o.S3Endpoint, o.Root, o.Identity.Host)
	}
	if o.MaxRevisions != 7 || o.ReadTimeout != 70*time.Second || o.StopTimeout != time.Minute || !o.AuthPolicy || !o.NoDeploymentsLog || o.Tracking != "running" {
		t.Errorf("got %+v", o)
	}
	if proxy, err := o.Proxy(&http.Request{}); err != nil || proxy.Host != "proxy.example.com:3128" {
		t.Errorf("proxy %v, %v", proxy, err)
	}
	if len(official.Notes) != 1 {
		t.Errorf("notes %q", official.Notes)
	}
}
