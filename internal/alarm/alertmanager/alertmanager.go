// Package alertmanager reads alarms from an Alertmanager: an alarm is in ALARM while an alert fires that it selects.
//
// An alarm is named as the alert is, HighErrors, or as a selector that takes labels too: HighErrors{service="checkout",severity=~"page|call"}. The
// configuration may also give such selectors names. Alerts that are silenced or inhibited do not count: somebody, or a rule, has said that they
// are to disturb nobody, and a deployment is somebody. Alerts that a time interval mutes for a receiver do count: they are somebody's free
// evening, and no less true.
//
// An Alertmanager knows no alert that does not fire. So without named selectors every name is an alarm that exists and is OK, a mistyped one too,
// and such a source belongs behind all others; with them only these exist. There is no INSUFFICIENT_DATA. One that was just started knows nothing
// until Prometheus sends its alerts again, within about a minute.
//
// The driver owns that reading. It keeps nothing, starts no goroutine, and is safe for concurrent use.
// The API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.
package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"

	"crossfade/internal/alarm"
	"crossfade/internal/alarm/httpapi"
)

// maxName is the length of the longest name of an alarm, in characters, as CodeDeploy has it.
const maxName = 255

// Alarm is a selector with a name.
type Alarm struct {
	Name  string // as alarmConfiguration names it
	Alert string // a selector; empty: the name is the selector
}

// Options say which Alertmanager to ask for what.
type Options struct {
	API httpapi.Options // the URL is that of the page with the alerts
	// Alarms are all alarms that there are. Empty: every name is a selector.
	Alarms []Alarm
}

// Source is one Alertmanager.
type Source struct {
	api    *httpapi.Client
	alarms map[string]selector // nil: every name is one
}

var _ alarm.Source = (*Source)(nil)

// New makes a source. It asks nothing.
func New(o Options) (*Source, error) {
	api, err := httpapi.New(o.API)
	if err != nil {
		return nil, fmt.Errorf("use an Alertmanager: %w", err)
	}
	s := &Source{api: api}
	if len(o.Alarms) > 0 {
		s.alarms = map[string]selector{}
	}
	for i, a := range o.Alarms {
		if a.Name == "" || utf8.RuneCountInString(a.Name) > maxName {
			return nil, fmt.Errorf("use an Alertmanager: the name of alarm %d has not 1 to %d characters", i+1, maxName)
		}
		if _, twice := s.alarms[a.Name]; twice {
			return nil, fmt.Errorf("use an Alertmanager: two alarms have the name %q", a.Name)
		}
		alert := a.Alert
		if alert == "" {
			alert = a.Name
		}
		if s.alarms[a.Name], err = parse(alert); err != nil {
			return nil, fmt.Errorf("use an Alertmanager: the alarm %q: %w", a.Name, err)
		}
	}
	return s, nil
}

// States implements [alarm.Source], with one question for each name: the Alertmanager matches, so its answers are small and its own.
func (s *Source) States(ctx context.Context, names []string) (map[string]alarm.State, error) {
	ctx, done := s.api.Bounded(ctx)
	defer done()
	var out alarm.Answer
	for _, name := range alarm.Distinct(names) {
		state, known, err := s.state(ctx, name)
		switch {
		case err != nil:
			out.Unreadable(fmt.Errorf("look for alerts of the alarm %q: %w", name, err), name)
		case known:
			out.Is(name, state)
		}
	}
	return out.States()
}

func (s *Source) state(ctx context.Context, name string) (state alarm.State, known bool, err error) {
	selects, known := s.alarms[name]
	if s.alarms == nil {
		if selects, err = parse(name); err != nil {
			return "", false, err
		}
	} else if !known {
		return "", false, nil
	}
	query := url.Values{"active": {"true"}, "silenced": {"false"}, "inhibited": {"false"}}
	for _, m := range selects {
		query.Add("filter", m.String())
	}
	var alerts []alert
	if err := s.api.Get(ctx, "api/v2/alerts", query, &alerts); err != nil {
		return "", false, err
	}
	state, err = judge(alerts)
	return state, true, err
}

// alert is what counts of an alert.
type alert struct {
	Status struct {
		State string `json:"state"` // active, suppressed or unprocessed
	} `json:"status"`
}

// judge reads the alerts that a selector found. Suppressed ones were not asked for, and are left out even so, because it is easy to put something in
// between that drops the parameters.
func judge(alerts []alert) (alarm.State, error) {
	if alerts == nil {
		return "", errors.New("the answer is not an Alertmanager's: there is no list of alerts in it")
	}
	state := alarm.StateOK
	for _, a := range alerts {
		switch a.Status.State {
		case "active", "unprocessed":
			state = alarm.StateAlarm
		case "suppressed":
		default:
			return "", fmt.Errorf("the answer is not an Alertmanager's: an alert is in the state %.40q", a.Status.State)
		}
	}
	return state, nil
}
