package prometheus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/alarm"
	"crossfade/internal/alarm/alarmtest"
	"crossfade/internal/alarm/httpapi"
	"crossfade/internal/alarm/prometheus"
	"crossfade/internal/counterpart"
)

// exprs have these states in every Prometheus. As strings they are quoted, so that no alarm's name can end one.
var exprs = map[alarm.State]string{
	alarm.StateOK: `vector(1) > 2`, alarm.StateAlarm: `vector(0)`, alarm.StateInsufficient: `scalar(vector(1) > 2)`,
}

func source(t *testing.T, o prometheus.Options) alarm.Source {
	t.Helper()
	s, err := prometheus.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// driver holds expressions and rules of a Prometheus at a URL to the port.
func driver(url string) alarmtest.Driver {
	return alarmtest.Driver{
		Make: func(t *testing.T, alarms map[string]alarm.State) alarm.Source {
			o := prometheus.Options{API: httpapi.Options{URL: url, Timeout: time.Minute}}
			for name, state := range alarms {
				o.Alarms = append(o.Alarms, prometheus.Alarm{Name: name, Expr: exprs[state]})
			}
			return source(t, o)
		},
		At: func(t *testing.T, url string, timeout time.Duration) alarm.Source {
			return source(t, prometheus.Options{
				API: httpapi.Options{URL: url, Timeout: timeout}, Alarms: []prometheus.Alarm{{Name: "a", Expr: "up == 0"}},
			})
		},
	}
}

func TestPort(t *testing.T) {
	t.Parallel()
	server := recorded(t, map[string]string{
		"vector(1) > 2": `{"resultType":"vector","result":[]}`, "vector(0)": `{"resultType":"vector","result":[{"metric":{},"value":[1763877600.5,"0"]}]}`,
		"scalar(vector(1) > 2)": `{"resultType":"scalar","result":[1763877600.5,"NaN"]}`,
	}, "")
	alarmtest.Run(t, driver(server))
}

func TestPortOverRules(t *testing.T) {
	t.Parallel()
	alarmtest.Run(t, alarmtest.Driver{
		Make: func(t *testing.T, alarms map[string]alarm.State) alarm.Source {
			var list []string
			for name, state := range alarms {
				rule := map[alarm.State]string{
					alarm.StateOK: `"state":"inactive","health":"ok"`, alarm.StateAlarm: `"state":"firing","health":"ok"`, alarm.StateInsufficient: `"state":"inactive","health":"unknown"`,
				}[state]
				quoted, err := json.Marshal(name)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, fmt.Sprintf(`{"type":"alerting","name":%s,%s}`, quoted, rule))
			}
			return source(t, prometheus.Options{API: httpapi.Options{URL: recorded(t, nil, rulesOf(list...)), Timeout: time.Minute}, Rules: true})
		},
		At: func(t *testing.T, url string, timeout time.Duration) alarm.Source {
			return source(t, prometheus.Options{API: httpapi.Options{URL: url, Timeout: timeout}, Rules: true})
		},
	})
}

func rulesOf(rules ...string) string {
	return `{"status":"success","data":{"groups":[{"name":"g","file":"rules.yml","rules":[` + strings.Join(rules, ",") + `],"interval":1}]}}`
}

// recorded answers as Prometheus 2.42 does: each query with its data, a question for the rules with all of them.
func recorded(t *testing.T, data map[string]string, rules string) (url string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		answer, ok := data[r.FormValue("query")]
		switch {
		case !ok:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:3: parse error: unexpected end of input"}`)
		case strings.HasPrefix(answer, `{"resultType"`):
			fmt.Fprintf(w, `{"status":"success","data":%s}`, answer)
		default:
			fmt.Fprint(w, answer)
		}
	})
	mux.HandleFunc("GET /api/v1/rules", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("type") != "alert" {
			t.Errorf("asked for the rules with %s", r.URL.RawQuery)
		}
		fmt.Fprint(w, rules)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestResultsAreJudgedAsByAnAlertingRule has each kind of result, as 2.42 writes them, with what it means.
func TestResultsAreJudgedAsByAnAlertingRule(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]alarm.State{
		`{"resultType":"vector","result":[{"metric":{"job":"web"},"value":[1763877600.5,"12.5"]},{"metric":{"job":"api"},"value":[1763877600.5,"+Inf"]}]}`: alarm.StateAlarm,
		`{"resultType":"vector","result":[{"metric":{"job":"web"},"histogram":[1763877600.5,{"count":"1","sum":"1"}]}]}`:                                   alarm.StateAlarm,
		`{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["no store matched for this query"]}`:                                   alarm.StateInsufficient,
		`{"status":"success","data":{"resultType":"vector","result":[{}]},"warnings":["no store matched for this query"]}`:                                 alarm.StateAlarm,
		`{"status":"success","data":{"resultType":"vector","result":[]},"infos":["might not be a counter"]}`:                                               alarm.StateOK,
		`{"resultType":"scalar","result":[1763877600.5,"0"]}`:                                                                                              alarm.StateOK,
		`{"resultType":"scalar","result":[1763877600.5,"-0"]}`:                                                                                             alarm.StateOK,
		`{"resultType":"scalar","result":[1763877600.5,"-2"]}`:                                                                                             alarm.StateAlarm,
		`{"resultType":"scalar","result":[1763877600.5,"+Inf"]}`:                                                                                           alarm.StateAlarm,
	} {
		s := source(t, prometheus.Options{API: httpapi.Options{URL: recorded(t, map[string]string{"e": answer}, ""), Timeout: time.Minute}, Alarms: []prometheus.Alarm{{Name: "a", Expr: "e"}}})
		if got, err := s.States(t.Context(), []string{"a"}); err != nil || got["a"] != want {
			t.Errorf("%s: %v, %v", answer, got, err)
		}
	}
}

func TestWhatIsNoResultSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"resultType":"string","result":[1763877600.5,"no"]}`:     `gives a "string": write an expression that gives an instant vector or a scalar`,
		`{"resultType":"matrix","result":[]}`:                      `gives a "matrix"`,
		`{"resultType":"scalar","result":[1763877600.5,"many"]}`:   `its scalar is "many"`,
		`{"resultType":"scalar","result":"1"}`:                     "its scalar has no value",
		`{"resultType":"vector","result":{}}`:                      "its vector is no list",
		`{"resultType":"vector","result":null}`:                    "its vector is no list",
		`{"status":"error","error":"boom"}`:                        `its status is "error"`,
		`{"status":"success","data":{"resultType":7,"result":[]}}`: "not what was asked for",
	} {
		s := source(t, prometheus.Options{API: httpapi.Options{URL: recorded(t, map[string]string{"e": answer}, ""), Timeout: time.Minute}, Alarms: []prometheus.Alarm{{Name: "my alarm", Expr: "e"}}})
		got, err := s.States(t.Context(), []string{"my alarm"})
		if err == nil || got != nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `the alarm "my alarm"`) {
			t.Errorf("%s: %v, %v, want %q", answer, got, err, want)
		}
	}
}

func TestOneWrongExpressionHidesNoRaisedAlarm(t *testing.T) {
	t.Parallel()
	url := recorded(t, map[string]string{"up": `{"resultType":"vector","result":[{}]}`, "down": `{"resultType":"vector","result":[]}`}, rulesOf())
	s := source(t, prometheus.Options{API: httpapi.Options{URL: url, Timeout: time.Minute}, Rules: true, Alarms: []prometheus.Alarm{{"wrong", "up ="}, {"raised", "up"}, {"quiet", "down"}}})
	got, err := s.States(t.Context(), []string{"wrong", "raised", "quiet", "none"})
	want := map[string]alarm.State{"wrong": alarm.StateInsufficient, "raised": alarm.StateAlarm, "quiet": alarm.StateOK}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err = s.States(t.Context(), []string{"quiet", "wrong"}); err == nil || got != nil || !strings.Contains(err.Error(), `"wrong": `) || !strings.Contains(err.Error(), "parse error: unexpected end of input") {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRulesOfOneNameAreAsBadAsTheWorst(t *testing.T) {
	t.Parallel()
	url := recorded(t, nil, rulesOf(
		`{"type":"alerting","name":"two","state":"firing","health":"ok"}`, `{"type":"alerting","name":"two","state":"inactive","health":"err"}`,
		`{"type":"alerting","name":"broken","state":"inactive","health":"ok"}`, `{"type":"alerting","name":"broken","state":"pending","health":"err","lastError":"many-to-many"}`,
		`{"type":"alerting","name":"pending","state":"pending","health":"ok"}`, `{"type":"alerting","name":"firing, then broken","state":"firing","health":"err"}`,
		`{"type":"recording","name":"recorded","health":"ok"}`,
	))
	s := source(t, prometheus.Options{API: httpapi.Options{URL: url, Timeout: time.Minute}, Rules: true, Alarms: []prometheus.Alarm{{"unused", "up"}}})
	got, err := s.States(t.Context(), []string{"two", "broken", "pending", "firing, then broken", "recorded"})
	want := map[string]alarm.State{"two": alarm.StateAlarm, "broken": alarm.StateInsufficient, "pending": alarm.StateOK, "firing, then broken": alarm.StateAlarm}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestARealPrometheus tries everything against the program itself, as expressions and as rules.
func TestARealPrometheus(t *testing.T) {
	t.Parallel()
	url := counterpart.Prometheus(t, `groups:
- name: alarms
  rules:
  - {alert: Firing, expr: 'up{job="itself"} == 1'}
  - {alert: Quiet, expr: 'up{job="itself"} == 7'}
  - {alert: Pending, expr: 'vector(1)', for: 1h}
  - {alert: Broken, expr: 'vector(1) + on() (label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", ""))'}
  - {record: recorded, expr: 'vector(1)'}
`)
	alarmtest.Run(t, driver(url))
	t.Run("itself", func(t *testing.T) {
		t.Parallel()
		s := source(t, prometheus.Options{API: httpapi.Options{URL: url + "/", Timeout: time.Minute}, Rules: true, Alarms: []prometheus.Alarm{
			{"up", `up{job="itself"} == 1`}, {"down", `up{job="itself"} == 0`}, {"bool", `up{job="itself"} == bool 0`}, {"scalar", `scalar(up{job="itself"})`},
			{"zero", `scalar(up{job="itself"}) - 1`}, {"absent", `absent(up{job="nobody"})`},
		}})
		want := map[string]alarm.State{
			"up": alarm.StateAlarm, "down": alarm.StateOK, "bool": alarm.StateAlarm, "scalar": alarm.StateAlarm, "zero": alarm.StateOK, "absent": alarm.StateAlarm,
			"Firing": alarm.StateAlarm, "Quiet": alarm.StateOK, "Pending": alarm.StateOK, "Broken": alarm.StateInsufficient,
		}
		names := []string{"up", "down", "bool", "scalar", "zero", "absent", "Firing", "Quiet", "Pending", "Broken", "recorded", "nobody"}
		got, err := s.States(t.Context(), names)
		for end := time.Now().Add(time.Minute); !maps.Equal(got, want) && time.Now().Before(end); got, err = s.States(t.Context(), names) {
			time.Sleep(200 * time.Millisecond) // it scrapes and evaluates once a second
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("wrong", func(t *testing.T) {
		t.Parallel()
		for expr, says := range map[string]string{"up =": "parse error", `"text"`: `gives a "string"`, "up[1m]": `gives a "matrix"`} {
			s := source(t, prometheus.Options{API: httpapi.Options{URL: url, Timeout: time.Minute}, Alarms: []prometheus.Alarm{{"a", expr}}})
			got, err := s.States(t.Context(), []string{"a"})
			if err == nil || got != nil || !strings.Contains(err.Error(), says) || errors.Is(err, alarm.ErrDenied) {
				t.Errorf("%s: %v, %v", expr, got, err)
			}
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	api := httpapi.Options{URL: "http://127.0.0.1:9090/prefix"}
	for says, o := range map[string]prometheus.Options{
		"has no alarms":               {API: api},
		"is not of the form":          {Rules: true},
		"has not 1 to 255 characters": {API: api, Alarms: []prometheus.Alarm{{"", "up"}}},
		"alarm 2 has not 1 to 255":    {API: api, Alarms: []prometheus.Alarm{{"a", "up"}, {strings.Repeat("ü", 256), "up"}}},
		`"a" has no expression`:       {API: api, Alarms: []prometheus.Alarm{{"a", ""}}},
		`two alarms have the name`:    {API: api, Alarms: []prometheus.Alarm{{"a", "up"}, {"b", "up"}, {"a", "down"}}},
	} {
		if _, err := prometheus.New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// FuzzAnswers holds that whatever a server answers is an error or the state of the alarm, and of no other.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"status":"success","data":{"resultType":"vector","result":[]}}`, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`,
		rulesOf(`{"type":"alerting","name":"r","state":"firing","health":"ok"}`), `null`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		client := &http.Client{Transport: answering(answer)}
		s := source(t, prometheus.Options{API: httpapi.Options{URL: "http://prometheus.test", HTTP: client}, Rules: true, Alarms: []prometheus.Alarm{{"a", "up"}}})
		for _, name := range []string{"a", "r"} {
			got, err := s.States(t.Context(), []string{name})
			if (err == nil) != (got != nil) || err == nil && name == "a" && got["a"] == "" {
				t.Errorf("got %v, %v", got, err)
			}
			for n, state := range got {
				if n != name || state != alarm.StateOK && state != alarm.StateAlarm && state != alarm.StateInsufficient {
					t.Errorf("got %v", got)
				}
			}
		}
	})
}

// answering is a transport that always brings the same.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}
