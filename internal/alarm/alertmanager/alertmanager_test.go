package alertmanager_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/alarm"
	"crossfade/internal/alarm/alarmtest"
	"crossfade/internal/alarm/alertmanager"
	"crossfade/internal/alarm/httpapi"
	"crossfade/internal/counterpart"
)

func source(t *testing.T, url string, timeout time.Duration, alarms ...alertmanager.Alarm) alarm.Source {
	t.Helper()
	s, err := alertmanager.New(alertmanager.Options{API: httpapi.Options{URL: url, Timeout: timeout}, Alarms: alarms})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shows are the states that an Alertmanager can say.
var shows = []alarm.State{alarm.StateOK, alarm.StateAlarm}

// recorded answers as Alertmanager 0.25 does, of alerts by the filters that find them.
func recorded(t *testing.T, byFilter map[string]string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method != http.MethodGet || r.URL.Path != "/api/v2/alerts" || q.Get("active") != "true" || q.Get("silenced") != "false" || q.Get("inhibited") != "false" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		if answer, ok := byFilter[strings.Join(q["filter"], " & ")]; ok {
			fmt.Fprint(w, answer)
			return
		}
		fmt.Fprint(w, "[]\n")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// firing is an alert as 0.25 writes it.
func firing(state string) string {
	return fmt.Sprintf(`{"annotations":{},"endsAt":"2026-11-23T06:30:00.000Z","fingerprint":"f3de0dbc9d9d0b3c","receivers":[{"name":"nobody"}],`+
		`"startsAt":"2026-11-23T06:20:00.000Z","status":{"inhibitedBy":[],"silencedBy":[],"state":%q},"updatedAt":"2026-11-23T06:20:00.000Z","labels":{"alertname":"a"}}`, state)
}

func TestPort(t *testing.T) {
	t.Parallel()
	alarmtest.Run(t, alarmtest.Driver{
		Shows: shows, AnyName: true,
		Make: func(t *testing.T, alarms map[string]alarm.State) alarm.Source {
			byFilter := map[string]string{}
			for name, state := range alarms {
				if state == alarm.StateAlarm {
					byFilter[`alertname="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)+`"`] = "[" + firing("active") + "]"
				}
			}
			return source(t, recorded(t, byFilter), time.Minute)
		},
		At: func(t *testing.T, url string, timeout time.Duration) alarm.Source { return source(t, url, timeout) },
	})
}

func TestNamedSelectorsAreAllThatThereIs(t *testing.T) {
	t.Parallel()
	url := recorded(t, map[string]string{
		`alertname="HighErrors" & service="shop" & severity=~"page|call"`: "[" + firing("active") + "]", `alertname="Slow"`: "[" + firing("unprocessed") + "]",
		`alertname="Quiet"`: "[" + firing("suppressed") + "," + firing("suppressed") + "]",
	})
	s := source(t, url, 0, alertmanager.Alarm{Name: "shop errors", Alert: `HighErrors{service="shop", severity=~"page|call"}`},
		alertmanager.Alarm{Name: "Slow"}, alertmanager.Alarm{Name: "Quiet"}, alertmanager.Alarm{Name: "other errors", Alert: `HighErrors{service="other"}`})
	got, err := s.States(t.Context(), []string{"shop errors", "Slow", "Quiet", "other errors", "HighErrors"})
	want := map[string]alarm.State{"shop errors": alarm.StateAlarm, "Slow": alarm.StateAlarm, "Quiet": alarm.StateOK, "other errors": alarm.StateOK}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestANameThatIsNoSelectorSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	s := source(t, recorded(t, nil), 0)
	if got, err := s.States(t.Context(), []string{"fine", "High{a=b}"}); err == nil || got != nil || !strings.Contains(err.Error(), `the alarm "High{a=b}"`) || !strings.Contains(err.Error(), `write them as label="value"`) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	api := httpapi.Options{URL: "http://127.0.0.1:9093"}
	for says, o := range map[string]alertmanager.Options{
		"is not of the form":          {API: httpapi.Options{URL: "127.0.0.1:9093"}},
		"has not 1 to 255 characters": {API: api, Alarms: []alertmanager.Alarm{{"", "Up"}}},
		`two alarms have the name`:    {API: api, Alarms: []alertmanager.Alarm{{"a", ""}, {"a", "Down"}}},
		`the alarm "a": "Down{"`:      {API: api, Alarms: []alertmanager.Alarm{{"a", "Down{"}}},
	} {
		if _, err := alertmanager.New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// real is an Alertmanager that can be told things.
type real struct{ url string }

func (r real) post(t *testing.T, path string, body any) {
	t.Helper()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(r.url+path, "application/json", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, answer.Status)
	}
}

type labels map[string]string

func (r real) fire(t *testing.T, alerts ...labels) {
	t.Helper()
	var list []any
	for _, l := range alerts {
		list = append(list, map[string]any{"labels": l})
	}
	r.post(t, "/api/v2/alerts", list)
}

// TestARealAlertmanager tries everything against the program itself.
func TestARealAlertmanager(t *testing.T) {
	t.Parallel()
	r := real{counterpart.Alertmanager(t, `- source_matchers: [alertname=Outage]
  target_matchers: [severity=warn]
`)}
	t.Run("port", func(t *testing.T) {
		t.Parallel()
		alarmtest.Run(t, alarmtest.Driver{
			Shows: shows, AnyName: true,
			Make: func(t *testing.T, alarms map[string]alarm.State) alarm.Source {
				// The label keeps the claims apart.
				var raised []labels
				var named []alertmanager.Alarm
				for name, state := range alarms {
					if state == alarm.StateAlarm {
						raised = append(raised, labels{"alertname": name, "claim": t.Name()})
					}
					named = append(named, alertmanager.Alarm{Name: name, Alert: fmt.Sprintf("%s{claim=%q}", name, t.Name())})
				}
				r.fire(t, raised...)
				return source(t, r.url, time.Minute, named...)
			},
		})
	})
	t.Run("names, labels, silences", func(t *testing.T) {
		t.Parallel()
		r.fire(t, labels{"alertname": "Errors", "service": "shop", "severity": "page"}, labels{"alertname": "Errors", "service": "blog", "severity": "warn"},
			labels{"alertname": "Hushed", "service": "shop"}, labels{"alertname": "Outage"}, labels{"alertname": "Inhibited", "severity": "warn"},
			labels{"alertname": `odd "name" \o/`})
		r.post(t, "/api/v2/silences", map[string]any{
			"matchers": []any{map[string]any{"name": "alertname", "value": "Hushed", "isRegex": false, "isEqual": true}},
			"startsAt": time.Now().UTC().Format(time.RFC3339), "endsAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "createdBy": "test", "comment": "test",
		})
		want := map[string]alarm.State{
			"Errors": alarm.StateAlarm, `Errors{service="shop"}`: alarm.StateAlarm, `Errors{service=~"shop|blog",severity!="page"}`: alarm.StateOK, // the warning is inhibited
			`Errors{service!~"s.*"}`: alarm.StateOK, `Errors{service="ship"}`: alarm.StateOK, `Errors{service="shop",nothing=""}`: alarm.StateAlarm,
			"Hushed": alarm.StateOK, "Outage": alarm.StateAlarm, "Inhibited": alarm.StateOK, "Nobody": alarm.StateOK, "Err": alarm.StateOK, ".*": alarm.StateOK,
			`odd "name" \o/`: alarm.StateAlarm,
		}
		s, names := source(t, r.url, time.Minute), slices.Sorted(maps.Keys(want))
		got, err := s.States(t.Context(), names)
		// The silence and the inhibition take effect a moment later.
		for end := time.Now().Add(time.Minute); !maps.Equal(got, want) && time.Now().Before(end); got, err = s.States(t.Context(), names) {
			time.Sleep(50 * time.Millisecond)
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}
