package counterpart

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// listens is how Prometheus and Alertmanager say where they listen.
var listens = regexp.MustCompile(`msg="?Listening on"? .*address=(127\.0\.0\.1:\d+)`)

const prometheusConfig = `global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
- job_name: itself
  file_sd_configs: [{files: [itself.json]}]
`

// Prometheus starts a Prometheus that scrapes itself as the job "itself" and what listens at the addresses, host:port, as the job "tested", and
// evaluates the rules of a rule file, each every second; without rules: none. It returns its URL.
func Prometheus(t testing.TB, rules string, tested ...string) string {
	t.Helper()
	dir := t.TempDir()
	if rules == "" {
		rules = "groups: []\n"
	}
	config := prometheusConfig
	if len(tested) > 0 {
		config += fmt.Sprintf("- job_name: tested\n  static_configs: [{targets: ['%s']}]\n", strings.Join(tested, "', '"))
	}
	write(t, filepath.Join(dir, "prometheus.yml"), config)
	write(t, filepath.Join(dir, "rules.yml"), rules)
	address := program{
		names: []string{"prometheus"}, have: "Prometheus (on Debian: apt install prometheus)",
		args: []string{
			"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0",
		},
		listens: listens, ready: regexp.MustCompile(`Server is ready to receive web requests`),
	}.start(t)
	// Which port it has is known only now. It looks at the directory of the file and sees it come.
	write(t, filepath.Join(dir, "itself.json"), fmt.Sprintf(`[{"targets": [%q]}]`, address))
	return "http://" + address
}

const alertmanagerConfig = `route: {receiver: nobody, group_wait: 0s, group_interval: 1s}
receivers: [{name: nobody}]
`

// Alertmanager starts an Alertmanager that notifies nobody and has these inhibit_rules, in YAML; without: none. It returns its URL.
func Alertmanager(t testing.TB, inhibitRules string) string {
	t.Helper()
	dir := t.TempDir()
	config := alertmanagerConfig
	if inhibitRules != "" {
		config += "inhibit_rules:\n" + inhibitRules
	}
	write(t, filepath.Join(dir, "alertmanager.yml"), config)
	return "http://" + program{
		names: []string{"prometheus-alertmanager", "alertmanager"}, have: "Alertmanager (on Debian: apt install prometheus-alertmanager)",
		args: []string{
			"--config.file=" + filepath.Join(dir, "alertmanager.yml"), "--storage.path=" + filepath.Join(dir, "data"),
			"--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--web.get-concurrency=64",
		},
		listens: listens, ready: listens,
	}.start(t)
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
