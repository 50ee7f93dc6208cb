package config

import (
	"testing"
	"time"
)

func TestRetentionThatCanNotBeIsRefused(t *testing.T) {
	t.Parallel()
	for key, change := range map[string]func(*Retention){
		"":                            func(*Retention) {},
		"retention.deployments.age":   func(r *Retention) { r.Deployments.Age = time.Minute },
		"retention.logs.age":          func(r *Retention) { r.Logs.Age = -time.Hour },
		"retention.revisions.age":     func(r *Retention) { r.Revisions.Age = time.Nanosecond },
		"retention.deployments.count": func(r *Retention) { r.Deployments.Count = -1 },
		"retention.revisions.count":   func(r *Retention) { r.Revisions.Count = -1 },
		"retention.logs.megabytes":    func(r *Retention) { r.Logs.Megabytes = -1 },
		"retention.interval":          func(r *Retention) { r.Interval = 0 },
	} {
		c := Default()
		change(&c.Retention)
		switch p := c.check(); {
		case p == nil && key != "":
			t.Errorf("%s is not refused", key)
		case p != nil && p.key != key:
			t.Errorf("%s is refused for %s: %s", key, p.key, p.text)
		}
	}
	forever := Default()
	forever.Retention.Deployments, forever.Retention.Logs = Kept{}, KeptLogs{}
	if p := forever.check(); p != nil {
		t.Errorf("for ever is refused: %+v", p)
	}
}
