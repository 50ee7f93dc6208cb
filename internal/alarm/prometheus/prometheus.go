// Package prometheus reads alarms from a Prometheus, or from what answers like one: Thanos, Mimir, VictoriaMetrics.
//
// An alarm is an expression that the configuration gives its name, or, if that is asked for, one of the server's own alerting rules by its name.
// An expression is judged as the expr of an alerting rule is, so that it can be moved from one to the other:
//
//   - an instant vector: ALARM when it has any element, whatever the value; OK when it is empty. Write a comparison that filters, such as
//     "rate(errors[1m]) > 5". With "> bool 5" there is always an element, so always an ALARM. That the value doesn't count is on purpose: the
//     elements of "up == 0" have the value 0.
//   - a scalar: ALARM unless it is 0; INSUFFICIENT_DATA when it is NaN.
//   - an empty vector with a warning that data may be missing, as Thanos gives one: INSUFFICIENT_DATA.
//   - a string or a range vector: an error that says what to write.
//
// Where there are no samples at all, a comparison has no element either and the alarm is OK; add "or absent(…)" where silence is a sign of failure.
//
// The driver owns that reading. It keeps nothing, starts no goroutine, and is safe for concurrent use.
// The API: https://prometheus.io/docs/prometheus/latest/querying/api/.
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"unicode/utf8"

	"crossfade/internal/alarm"
	"crossfade/internal/alarm/httpapi"
)

// maxName is the length of the longest name of an alarm, in characters, as CodeDeploy has it.
const maxName = 255

// Alarm is an expression with a name.
type Alarm struct {
	Name string // as alarmConfiguration names it
	Expr string // PromQL
}

// Options say which Prometheus to ask for what.
type Options struct {
	API    httpapi.Options // the URL is that of the page with the expression browser
	Alarms []Alarm
	// Rules makes an alarm of each of the server's own alerting rules too, for the names that Alarms doesn't have. Silences are Alertmanager's and
	// not known here.
	Rules bool
}

// Source is one Prometheus.
type Source struct {
	api   *httpapi.Client
	exprs map[string]string // by the alarm's name
	rules bool
}

var _ alarm.Source = (*Source)(nil)

// New makes a source. It asks nothing; a wrong expression is noticed when it is asked for.
func New(o Options) (*Source, error) {
	api, err := httpapi.New(o.API)
	if err != nil {
		return nil, fmt.Errorf("use a Prometheus: %w", err)
	}
	if len(o.Alarms) == 0 && !o.Rules {
		return nil, errors.New("use a Prometheus: it has no alarms; give expressions names, or take its alerting rules")
	}
	s := &Source{api: api, exprs: map[string]string{}, rules: o.Rules}
	for i, a := range o.Alarms {
		_, twice := s.exprs[a.Name]
		switch {
		case a.Name == "" || utf8.RuneCountInString(a.Name) > maxName:
			return nil, fmt.Errorf("use a Prometheus: the name of alarm %d has not 1 to %d characters", i+1, maxName)
		case a.Expr == "":
			return nil, fmt.Errorf("use a Prometheus: the alarm %q has no expression", a.Name)
		case twice:
			return nil, fmt.Errorf("use a Prometheus: two alarms have the name %q", a.Name)
		}
		s.exprs[a.Name] = a.Expr
	}
	return s, nil
}

// States implements [alarm.Source]: one query for each expression, one question for all rules.
func (s *Source) States(ctx context.Context, names []string) (map[string]alarm.State, error) {
	ctx, done := s.api.Bounded(ctx)
	defer done()
	var out alarm.Answer
	var others []string
	for _, name := range alarm.Distinct(names) {
		expr, ok := s.exprs[name]
		if !ok {
			others = append(others, name)
			continue
		}
		if state, err := s.query(ctx, expr); err != nil {
			out.Unreadable(fmt.Errorf("evaluate the expression of the alarm %q: %w", name, err), name)
		} else {
			out.Is(name, state)
		}
	}
	if s.rules && len(others) > 0 {
		if err := s.alerting(ctx, others, &out); err != nil {
			out.Unreadable(fmt.Errorf("list alerting rules: %w", err), others...)
		}
	}
	return out.States()
}

// result is the answer to an instant query.
type result struct {
	Status string `json:"status"`
	Data   struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
}

func (s *Source) query(ctx context.Context, expr string) (alarm.State, error) {
	var r result
	// One element is as good as a thousand; servers that don't know the limit send all.
	if err := s.api.Post(ctx, "api/v1/query", url.Values{"query": {expr}, "limit": {"1"}}, &r); err != nil {
		return "", err
	}
	return r.judge()
}

func (r result) judge() (alarm.State, error) {
	switch {
	case r.Status != "success":
		return "", fmt.Errorf("the answer is not a Prometheus's: its status is %q", r.Status)
	case r.Data.Type == "vector":
		return r.judgeVector()
	case r.Data.Type == "scalar":
		return r.judgeScalar()
	default:
		return "", fmt.Errorf("it gives a %q: write an expression that gives an instant vector or a scalar", r.Data.Type)
	}
}

func (r result) judgeVector() (alarm.State, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(r.Data.Result, &elements); err != nil || elements == nil {
		return "", errors.New("the answer is not a Prometheus's: its vector is no list")
	}
	switch {
	case len(elements) > 0:
		return alarm.StateAlarm, nil
	case len(r.Warnings) > 0:
		return alarm.StateInsufficient, nil
	default:
		return alarm.StateOK, nil
	}
}

func (r result) judgeScalar() (alarm.State, error) {
	var sample [2]json.RawMessage // when, and the value
	var text string
	if err := errors.Join(json.Unmarshal(r.Data.Result, &sample), json.Unmarshal(sample[1], &text)); err != nil {
		return "", fmt.Errorf("the answer is not a Prometheus's: its scalar has no value: %w", err)
	}
	value, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return "", fmt.Errorf("the answer is not a Prometheus's: its scalar is %.40q", text)
	case math.IsNaN(value):
		return alarm.StateInsufficient, nil
	case value != 0:
		return alarm.StateAlarm, nil
	default:
		return alarm.StateOK, nil
	}
}
