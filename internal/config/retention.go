package config

import (
	"fmt"
	"time"
)

// Retention is what is kept of what is over. What a deployment under way or its group needs stays whatever is written here.
type Retention struct {
	Deployments Kept     `koanf:"deployments"` // of each deployment group
	Logs        KeptLogs `koanf:"logs"`
	Revisions   Kept     `koanf:"revisions"` // of each application: registrations, and bundles in the built-in store
	// Interval is the time between two rounds of cleaning.
	Interval time.Duration `koanf:"interval"`
}

// Kept bounds what is kept of one kind.
type Kept struct {
	Age   time.Duration `koanf:"age"`   // since its end or last use; 0: any
	Count int           `koanf:"count"` // of the newest; 0: any number
}

// KeptLogs bounds what is kept of what scripts write.
type KeptLogs struct {
	Age       time.Duration `koanf:"age"`       // since the end of the deployment; 0: any
	Megabytes int           `koanf:"megabytes"` // of all logs together; 0: any number
}

// defaultRetention keeps the history for more than a year, as auditors ask for, and the logs for as long as somebody looks into them. Bundles stay: one may
// be its owner's only copy.
func defaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Deployments: Kept{Age: 400 * day, Count: 10_000}, Logs: KeptLogs{Age: 30 * day}, Interval: time.Hour}
}

// leastAge is the least age: clients still ask how what has just ended went, and hosts report late.
const leastAge = time.Hour

func (r Retention) check() *problem {
	for _, k := range []struct {
		key string
		age time.Duration
	}{{"retention.deployments.age", r.Deployments.Age}, {"retention.logs.age", r.Logs.Age}, {"retention.revisions.age", r.Revisions.Age}} {
		if k.age != 0 && k.age < leastAge {
			return &problem{k.key, fmt.Sprintf("%s is less than %s: write a longer time such as 720h, or 0s for ever", k.age, leastAge)}
		}
	}
	for _, k := range []struct {
		key   string
		count int
	}{{"retention.deployments.count", r.Deployments.Count}, {"retention.revisions.count", r.Revisions.Count}, {"retention.logs.megabytes", r.Logs.Megabytes}} {
		if k.count < 0 {
			return &problem{k.key, fmt.Sprintf("%d is negative: write 0 for any number", k.count)}
		}
	}
	if r.Interval < time.Minute {
		return &problem{"retention.interval", fmt.Sprintf("%s is less than 1m: cleaning more often removes no more", r.Interval)}
	}
	return nil
}
