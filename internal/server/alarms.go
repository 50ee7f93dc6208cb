package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"crossfade/internal/alarm"
	"crossfade/internal/alarm/alertmanager"
	"crossfade/internal/alarm/cloudwatch"
	"crossfade/internal/alarm/httpapi"
	"crossfade/internal/alarm/prometheus"
	"crossfade/internal/config"
)

// alarmSource joins the configured sources of alarms, in the order that [config.Alarms] promises: Alertmanagers are last, because one whose alarms
// are not listed knows every name. Nil: there are none. Nothing is asked yet.
func alarmSource(ctx context.Context, c config.Config, log *slog.Logger) (alarm.Source, error) {
	out := alarm.Joined{Log: log}
	add := func(key string, s alarm.Source, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		out.Sources = append(out.Sources, alarm.Named{Name: key, Source: s})
		return nil
	}
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	for i, s := range c.Alarms.Prometheus {
		o := prometheus.Options{Rules: s.Rules, API: httpapi.Options{
			URL: s.URL, BearerToken: s.BearerToken, Username: s.Username, Password: s.Password, Timeout: c.Alarms.Timeout, HTTP: client,
		}}
		for _, a := range s.Alarms {
			o.Alarms = append(o.Alarms, prometheus.Alarm{Name: a.Name, Expr: a.Expr})
		}
		source, err := prometheus.New(o)
		if err := add(fmt.Sprintf("alarms.prometheus[%d]", i), source, err); err != nil {
			return nil, err
		}
	}
	for i, s := range c.Alarms.CloudWatch {
		source, err := cloudwatch.New(ctx, cloudwatch.Options{
			Region: cmp.Or(s.Region, c.Region), Endpoint: s.Endpoint, AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey, Timeout: c.Alarms.Timeout,
		})
		if err := add(fmt.Sprintf("alarms.cloudWatch[%d]", i), source, err); err != nil {
			return nil, err
		}
	}
	for i, s := range c.Alarms.Alertmanager {
		o := alertmanager.Options{API: httpapi.Options{
			URL: s.URL, BearerToken: s.BearerToken, Username: s.Username, Password: s.Password, Timeout: c.Alarms.Timeout, HTTP: client,
		}}
		for _, a := range s.Alarms {
			o.Alarms = append(o.Alarms, alertmanager.Alarm{Name: a.Name, Alert: a.Alert})
		}
		source, err := alertmanager.New(o)
		if err := add(fmt.Sprintf("alarms.alertmanager[%d]", i), source, err); err != nil {
			return nil, err
		}
	}
	if len(out.Sources) == 0 {
		return nil, nil
	}
	return out, nil
}
