package server

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"crossfade/internal/alarm"
	"crossfade/internal/config"
)

// TestAlarmsComeFromTheConfiguredSources asks all three kinds at once, each played by one server.
func TestAlarmsComeFromTheConfiguredSources(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tenant/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" || r.FormValue("query") != "up == 0" {
			t.Errorf("Prometheus is asked %q with %q", r.FormValue("query"), r.Header.Get("Authorization"))
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{}]}}`)
	})
	mux.HandleFunc("GET /tenant/api/v1/rules", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{"groups":[{"rules":[{"type":"alerting","name":"Rule","state":"inactive","health":"ok"}]}]}}`)
	})
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=A/") || !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/monitoring/") {
			t.Errorf("CloudWatch is asked with %q", r.Header.Get("Authorization"))
		}
		fmt.Fprint(w, `<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms><member><AlarmName>metric</AlarmName><StateValue>INSUFFICIENT_DATA</StateValue></member>`+
			`</MetricAlarms></DescribeAlarmsResult></DescribeAlarmsResponse>`)
	})
	mux.HandleFunc("GET /api/v2/alerts", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" || r.URL.Query()["filter"][0] != `alertname="Slow"` {
			t.Errorf("Alertmanager is asked %s", r.URL)
		}
		fmt.Fprint(w, `[]`)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c := config.Default()
	c.Region = "eu-west-1"
	c.Alarms = config.Alarms{
		Prometheus: []config.Prometheus{{
			URL: server.URL + "/tenant/", BearerToken: "t0ken", Rules: true, Alarms: []config.PrometheusAlarm{{Name: "down", Expr: "up == 0"}},
		}},
		CloudWatch:   []config.CloudWatch{{Endpoint: server.URL, AccessKeyID: "A", SecretAccessKey: "S"}},
		Alertmanager: []config.Alertmanager{{URL: server.URL, Username: "me", Password: "secret", Alarms: []config.AlertmanagerAlarm{{Name: "slow", Alert: "Slow"}}}},
	}
	s, err := alarmSource(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.States(t.Context(), []string{"slow", "metric", "Rule", "down", "nobody"})
	want := map[string]alarm.State{"slow": alarm.StateOK, "metric": alarm.StateInsufficient, "Rule": alarm.StateOK, "down": alarm.StateAlarm}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	server.Close()
	if got, err = s.States(t.Context(), []string{"down"}); err == nil || errors.Is(err, alarm.ErrDenied) ||
		!strings.Contains(err.Error(), "alarms.prometheus[0]: ") || !strings.Contains(err.Error(), "alarms.cloudWatch[0]: ") {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestWithoutSourcesThereAreNoAlarms(t *testing.T) {
	t.Parallel()
	if s, err := alarmSource(t.Context(), config.Default(), slog.New(slog.DiscardHandler)); s != nil || err != nil {
		t.Errorf("got %v, %v", s, err)
	}
	c := config.Default()
	c.Alarms.Alertmanager = []config.Alertmanager{{URL: "http://127.0.0.1:9093", Alarms: []config.AlertmanagerAlarm{{Name: "a", Alert: "Down{a=b}"}}}}
	if _, err := alarmSource(t.Context(), c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), `alarms.alertmanager[0]: use an Alertmanager: the alarm "a": `) {
		t.Errorf("got %v", err)
	}
}
