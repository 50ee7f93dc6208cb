package prometheus

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"crossfade/internal/alarm"
)

// rules is the answer to the question for the rules.
type rules struct {
	Status string `json:"status"`
	Data   struct {
		Groups []struct {
			Rules []rule `json:"rules"`
		} `json:"groups"`
	} `json:"data"`
}

type rule struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	State  string `json:"state"`  // firing, pending or inactive
	Health string `json:"health"` // ok, err or unknown
}

// alerting finds the states of alerting rules. They are read from the rules and not from the alerts, which say nothing of a rule that is quiet,
// so that a rule that isn't there would pass for one that is.
func (s *Source) alerting(ctx context.Context, names []string, out *alarm.Answer) error {
	var answer rules
	// Servers that don't know the filters send everything.
	query := url.Values{"type": {"alert"}, "exclude_alerts": {"true"}, "rule_name[]": names}
	if err := s.api.Get(ctx, "api/v1/rules", query, &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return errors.New("the answer is not a Prometheus's")
	}
	for name, state := range answer.states() {
		if slices.Contains(names, name) {
			out.Is(name, state)
		}
	}
	return nil
}

// states is the state of each name. Several rules may have one name, as warnings and pages often do: the worst counts.
func (r rules) states() map[string]alarm.State {
	out := map[string]alarm.State{}
	for _, g := range r.Data.Groups {
		for _, one := range g.Rules {
			if one.Type != "alerting" {
				continue
			}
			if state := one.alarm(); severity(state) >= severity(out[one.Name]) {
				out[one.Name] = state
			}
		}
	}
	return out
}

// alarm is the rule's state in CloudWatch's words. What is pending has not lasted long enough to be an alarm; a rule that can't be evaluated, or
// was not yet, says nothing.
func (r rule) alarm() alarm.State {
	switch {
	case r.State == "firing":
		return alarm.StateAlarm
	case r.Health == "err" || r.Health == "unknown":
		return alarm.StateInsufficient
	default:
		return alarm.StateOK
	}
}

func severity(s alarm.State) int {
	switch s {
	case alarm.StateAlarm:
		return 3
	case alarm.StateInsufficient:
		return 2
	case alarm.StateOK:
		return 1
	default:
		return 0
	}
}
