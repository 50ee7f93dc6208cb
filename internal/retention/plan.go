package retention

import (
	"context"
	"fmt"

	"crossfade/internal/store"
)

// planMost is how many entries of each kind a plan looks at, and examples how many it names of each group or application.
const (
	planMost = 10_000
	examples = 5
)

// Plan is what a round would remove of an account.
type Plan struct {
	Deployments []Share `json:"deployments"` // by deployment group
	Logs        Share   `json:"logs"`        // the examples are deployments
	Revisions   []Share `json:"revisions"`   // by application
	// More says that there is more than was looked at.
	More bool `json:"more,omitempty"`
}

// Share is what a round would remove of one group or application.
type Share struct {
	ID       string             `json:"id,omitempty"`   // of the group or the application
	Name     string             `json:"name,omitempty"` // of a group: application/group, as the newest of what is over has it
	Count    int                `json:"count"`
	Why      map[Reason]int     `json:"why,omitempty"`
	Held     map[store.Hold]int `json:"held,omitempty"` // what stays though it is over a bound
	Bytes    int64              `json:"bytes,omitempty"`
	Examples []string           `json:"examples,omitempty"`
}

func (s *Share) add(v Verdict, name string, bytes int64) {
	switch {
	case v.Held != "":
		if s.Held == nil {
			s.Held = map[store.Hold]int{}
		}
		s.Held[v.Held]++
	case v.Goes != "":
		if s.Why == nil {
			s.Why = map[Reason]int{}
		}
		s.Why[v.Goes]++
		s.Count++
		s.Bytes += bytes
		if len(s.Examples) < examples {
			s.Examples = append(s.Examples, name)
		}
	}
}

// empty reports whether there is nothing to say.
func (s Share) empty() bool { return s.Count == 0 && len(s.Held) == 0 }

// errEnough ends the reading of a plan.
var errEnough = fmt.Errorf("the plan has %d entries", planMost)

// Plan is what a round would remove now of an account, and why. It removes nothing.
func (r *Rounds) Plan(ctx context.Context, account string) (Plan, error) {
	round := &round{Rounds: r, now: r.Clock.Now()}
	p := Plan{Deployments: []Share{}, Revisions: []Share{}}
	looked := 0
	enough := func() error {
		if looked++; looked > planMost {
			p.More = true
			return errEnough
		}
		return nil
	}
	err := round.eachGroup(ctx, func(group string) error {
		s := Share{ID: group}
		err := round.eachDeployment(ctx, group, func(d store.OldDeployment, v Verdict) error {
			if d.Account != account {
				return nil
			}
			s.Name = d.Application + "/" + d.Group
			s.add(v, d.ID, 0)
			return enough()
		})
		if !s.empty() {
			p.Deployments = append(p.Deployments, s)
		}
		return err
	})
	if err != nil && err != errEnough {
		return Plan{}, fmt.Errorf("plan the deployments: %w", err)
	}
	looked = 0
	err = round.eachLog(ctx, func(l store.OldLog, v Verdict) (int64, error) {
		if l.Account != account {
			return 0, nil
		}
		p.Logs.add(v, l.DeploymentID, l.Bytes)
		if v.Goes == "" {
			return 0, enough()
		}
		return l.Bytes, enough()
	})
	if err != nil && err != errEnough {
		return Plan{}, fmt.Errorf("plan the logs: %w", err)
	}
	looked = 0
	err = round.eachApplication(ctx, func(application string) error {
		s := Share{ID: application}
		err := round.eachRevision(ctx, application, func(rev store.OldRevision, v Verdict) error {
			if rev.Account != account {
				return nil
			}
			s.Name = rev.Application
			s.add(v, name(rev), 0)
			return enough()
		})
		if !s.empty() {
			p.Revisions = append(p.Revisions, s)
		}
		return err
	})
	if err != nil && err != errEnough {
		return Plan{}, fmt.Errorf("plan the revisions: %w", err)
	}
	return p, nil
}

// name is a revision for people.
func name(r store.OldRevision) string {
	switch l := r.Revision; {
	case l.S3 != nil:
		return "s3://" + l.S3.Bucket + "/" + l.S3.Key
	case l.GitHub != nil:
		return l.GitHub.Repository + "@" + l.GitHub.CommitID
	default:
		return string(l.Type)
	}
}
