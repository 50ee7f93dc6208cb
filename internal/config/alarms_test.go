package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAlarmSourcesAreConfigured(t *testing.T) {
	t.Parallel()
	file := write(t, `alarms:
  interval: 30s
  timeout: 3s
  prometheus:
  - url: https://prometheus.example.com/tenant
    bearerToken: t0ken
    alarms:
    - {name: shop errors, expr: 'sum(rate(http_errors_total{service="shop"}[1m])) > 5'}
  - {url: "http://127.0.0.1:9090", username: me, password: secret, rules: true}
  cloudWatch:
  - {}
  - {endpoint: "http://127.0.0.1:5000", region: eu-west-1, accessKeyId: A, secretAccessKey: S}
  alertmanager:
  - url: http://alertmanager:9093
    alarms:
    - {name: outage}
    - {name: slow, alert: 'Slow{service="shop"}'}
`)
	c, err := Load(Sources{File: file, Environ: []string{"CROSSFADE_ALARMS_ALERTMANAGER=[{url: \"http://alertmanager:9094\"}]"}})
	if err != nil {
		t.Fatal(err)
	}
	want := Alarms{
		Interval: 30 * time.Second, Timeout: 3 * time.Second,
		Prometheus: []Prometheus{
			{URL: "https://prometheus.example.com/tenant", BearerToken: "t0ken", Alarms: []PrometheusAlarm{{"shop errors", `sum(rate(http_errors_total{service="shop"}[1m])) > 5`}}},
			{URL: "http://127.0.0.1:9090", Username: "me", Password: "secret", Rules: true},
		},
		CloudWatch:   []CloudWatch{{}, {Endpoint: "http://127.0.0.1:5000", Region: "eu-west-1", AccessKeyID: "A", SecretAccessKey: "S"}},
		Alertmanager: []Alertmanager{{URL: "http://alertmanager:9094"}},
	}
	if !reflect.DeepEqual(c.Alarms, want) {
		t.Errorf("got %+v, want %+v", c.Alarms, want)
	}
	for name, says := range map[string]string{"ALERTMANAGER": "alarms.alertmanager[0] has no url", "CLOUD_WATCH": "give both or neither", "PROMETHEUS": "alarms.prometheus[0] has no url"} {
		if _, err := Load(Sources{File: file, Environ: []string{"CROSSFADE_ALARMS_" + name + "=[{accessKeyId: A}]"}}); err == nil {
			t.Errorf("%s: a later list is mixed with an earlier one", says)
		}
		key := "{}"
		if name == "CLOUD_WATCH" {
			key = "{accessKeyId: A}"
		}
		if _, err := Load(Sources{File: file, Environ: []string{"CROSSFADE_ALARMS_" + name + "=[" + key + "]"}}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", name, err, says)
		}
	}
}

func TestAMistakeInAnAlarmSourceIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"often":          {"interval: 900ms", "alarms.interval 900ms is not between 1s and 5m0s"},
		"rarely":         {"interval: 301s", "alarms.interval 5m1s is not between 1s and 5m0s"},
		"timeout":        {"timeout: -1s", "alarms.timeout -1s is negative"},
		"no URL":         {"prometheus: [{rules: true}]", "alarms.prometheus[0] has no url: give one such as http://127.0.0.1:9090"},
		"bad URL":        {"prometheus: [{rules: true, url: prometheus}]", `alarms.prometheus[0].url "prometheus" is not a URL`},
		"user in URL":    {"alertmanager: [{url: \"https://me:secret@example.com\"}]", "credentials have keys of their own"},
		"in the clear":   {"prometheus: [{url: \"http://prometheus:9090\", rules: true, bearerToken: t}]", "in the clear"},
		"password too":   {"alertmanager: [{url: \"http://alertmanager:9093\", username: me, password: p}]", "in the clear"},
		"two kinds":      {"prometheus: [{url: \"https://p.example.com\", rules: true, bearerToken: t, username: me}]", "give one kind of credentials"},
		"half":           {"alertmanager: [{url: \"https://a.example.com\", password: p}]", "a password and no username"},
		"no alarms":      {"prometheus: [{url: \"http://p:9090\"}]", "alarms.prometheus[0] has no alarms"},
		"no expression":  {"prometheus: [{url: \"http://p:9090\", alarms: [{name: a, expr: up}, {name: b}]}]", "alarms.prometheus[0].alarms[1] has no expr"},
		"no name":        {"prometheus: [{url: \"http://p:9090\", alarms: [{expr: up}]}]", "alarms.prometheus[0].alarms[0] has a name of 0 characters"},
		"long name":      {"alertmanager: [{url: \"http://a:9093\", alarms: [{name: " + strings.Repeat("n", 256) + "}]}]", "a name of 256 characters"},
		"twice":          {"alertmanager: [{url: \"http://a:9093\", alarms: [{name: a}, {name: b}, {name: a}]}]", `alarms.alertmanager[0].alarms[2] has the name "a", as alarms[0] has`},
		"no region":      {"cloudWatch: [{region: Frankfurt}]", `alarms.cloudWatch[0].region "Frankfurt" is no region`},
		"endpoint":       {"cloudWatch: [{endpoint: monitoring}]", "alarms.cloudWatch[0].endpoint"},
		"half a key":     {"cloudWatch: [{accessKeyId: A}]", "give both or neither"},
		"mistyped":       {"prometheus: [{url: \"http://p:9090\", alarms: [{name: a, exp: up}]}]", "did you mean alarms.prometheus.alarms.expr?"},
		"mistyped names": {"cloudwatch: []", "did you mean alarms.cloudWatch?"},
	} {
		_, err := Load(Sources{File: write(t, "alarms:\n  "+c.file+"\n")})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), ":2: ") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Load(Sources{File: write(t, "insecurePlainHttp: true\nalarms: {alertmanager: [{url: \"http://a:9093\", bearerToken: t}]}\n")}); err != nil {
		t.Errorf("what is allowed is refused: %v", err)
	}
}
