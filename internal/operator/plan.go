package operator

import (
	"context"
	"errors"
	"slices"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/deploy"
	"crossfade/internal/revision/inspect"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const planDeployment = "PlanDeployment"

// Plans says what deployments would do.
type Plans interface {
	PlanDeployment(ctx context.Context, in *control.CreateDeploymentInput) (api.Plan, error)
}

// Bundles says what is wrong with a revision's bundle.
type Bundles interface {
	Inspect(ctx context.Context, account string, r deploy.Revision) (inspect.Facts, []inspect.Problem, error)
}

// PlanOutput is what a deployment would do if it were created now, when nothing goes wrong.
type PlanOutput struct {
	Application string `json:"applicationName"`
	Group       string `json:"deploymentGroupName"`
	Config      string `json:"deploymentConfigName"`
	Kind        string `json:"kind"`
	// Busy is the unfinished deployment of the group; the new one would wait for it when Queues is set, else it would be refused.
	Busy   string `json:"busyWith,omitempty"`
	Queues bool   `json:"queues,omitempty"`
	// Problem is why the deployment would fail at once.
	Problem  *deploy.ErrorInfo `json:"problem,omitempty"`
	Messages []string          `json:"messages,omitempty"`
	Targets  []PlannedTarget   `json:"targets"`
	Stages   []PlannedStage    `json:"stages"`
	// LimitSeconds is the longest that the deployment may take.
	LimitSeconds int64         `json:"limitSeconds"`
	Rollback     string        `json:"rollback"`
	Alarms       []string      `json:"alarms,omitempty"`
	Bundle       PlannedBundle `json:"bundle"`
}

// PlannedTarget is an instance that would take part.
type PlannedTarget struct {
	ID     string             `json:"targetId"`
	Label  string             `json:"label,omitempty"` // Blue or Green
	Zone   string             `json:"zone,omitempty"`
	Health string             `json:"health"` // unhealthy or new, unknown, old or current: the order in which instances are taken
	Events []deploy.EventName `json:"lifecycleEvents"`
}

// PlannedStage is one phase of the deployment.
type PlannedStage struct {
	Phase          string             `json:"phase"`
	What           string             `json:"what"`
	Zone           string             `json:"zone,omitempty"`
	Label          string             `json:"label,omitempty"`
	Events         []deploy.EventName `json:"lifecycleEvents,omitempty"`
	Waves          [][]string         `json:"waves,omitempty"`
	Total          int                `json:"total,omitempty"`
	MinimumHealthy int                `json:"minimumHealthy,omitempty"`
	AtOnce         int                `json:"atOnce,omitempty"`
	MustSucceed    int                `json:"mustSucceed,omitempty"`
	MayFail        int                `json:"mayFail,omitempty"`
	NoneMayFail    bool               `json:"noneMayFail,omitempty"` // the first failure ends the deployment; the minimum plays no part
	WaitSeconds    int64              `json:"waitSeconds,omitempty"`
	Continue       bool               `json:"continueDeploymentEndsIt,omitempty"`
	Stops          bool               `json:"stopsWhenNobodyContinues,omitempty"`
	Percent        int                `json:"percentOfRequests,omitempty"`
}

// PlannedBundle is what is in the revision.
type PlannedBundle struct {
	Type     string           `json:"type,omitempty"`
	Bytes    int64            `json:"bytes,omitempty"`    // packed
	Unpacked int64            `json:"unpacked,omitempty"` // bytes
	Entries  int              `json:"entries,omitempty"`
	Problems []PlannedProblem `json:"problems,omitempty"`
	Warnings []string         `json:"warnings,omitempty"`
}

// PlannedProblem is what hosts would find wrong with the bundle.
type PlannedProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	What   string `json:"what"`
	Hint   string `json:"hint,omitempty"`
}

// Ready reports whether nothing is known that would make the deployment fail or be refused.
func (p PlanOutput) Ready() bool {
	return p.Problem == nil && len(p.Bundle.Problems) == 0 && (p.Busy == "" || p.Queues)
}

// planErrors is what CreateDeployment declares: a plan is refused as the deployment would be.
func planErrors() []wire.Code {
	for _, op := range control.Describe((*api.Service)(nil)).Operations {
		if op.Name == "CreateDeployment" {
			return slices.Clone(op.Errors)
		}
	}
	return nil
}

var health = [...]string{deploy.RankUnhealthy: "unhealthy", deploy.RankUnknown: "unknown", deploy.RankOld: "old", deploy.RankCurrent: "current"}

// PlanDeployment says what CreateDeployment with the same input would do, and looks into the bundle. Only a commit that is not kept yet is
// downloaded for it; nothing else is changed.
func (s *Service) PlanDeployment(ctx context.Context, in *control.CreateDeploymentInput) (*PlanOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("plan a deployment without a caller")
	}
	plan, err := s.Plans.PlanDeployment(ctx, in)
	if err != nil {
		return nil, err
	}
	spec, r := plan.Spec, plan.Rehearsal
	out := &PlanOutput{
		Application: spec.Application, Group: spec.Group, Config: spec.Config, Kind: string(spec.Kind), Busy: plan.Busy, Queues: spec.Queue,
		Problem: r.Problem, Messages: r.Messages, LimitSeconds: int64(r.Limit.Seconds()), Rollback: rollbackWords(spec),
		Targets: []PlannedTarget{}, Stages: []PlannedStage{},
	}
	if spec.Watch.Watches() {
		out.Alarms = spec.Watch.Names
	}
	for _, t := range r.Targets {
		words := health[t.Rank]
		if t.Rank == deploy.RankUnhealthy && !t.Failed {
			words = "new"
		}
		out.Targets = append(out.Targets, PlannedTarget{ID: t.ID, Label: label(t.Lane), Zone: t.Zone, Health: words, Events: t.Events})
	}
	for _, g := range r.Stages {
		out.Stages = append(out.Stages, PlannedStage{
			Phase: string(g.Phase), What: g.Words, Zone: g.Zone, Label: label(g.Lane), Events: g.Events, Waves: g.Waves, Total: g.Total,
			MinimumHealthy: g.Minimum, AtOnce: g.AtOnce, MustSucceed: g.Needed, MayFail: g.MayFail, NoneMayFail: g.NoFailure, WaitSeconds: int64(g.Wait.Seconds()),
			Continue: g.Continue, Stops: g.Stops, Percent: g.Percent,
		})
	}
	facts, problems, err := s.Bundles.Inspect(ctx, caller.Account, spec.Revision)
	if err != nil {
		return nil, err
	}
	out.Bundle = PlannedBundle{Type: facts.Type, Bytes: facts.Size, Unpacked: facts.Bytes, Entries: facts.Entries, Warnings: facts.Warnings}
	for _, p := range problems {
		out.Bundle.Problems = append(out.Bundle.Problems, PlannedProblem(p))
	}
	return out, nil
}

// label is the environment as the API calls it; in place there is none.
func label(l deploy.Lane) string {
	if l == deploy.LaneInPlace {
		return ""
	}
	return string(l)
}

// rollbackWords says what would become of a failure.
func rollbackWords(s deploy.Spec) string {
	switch {
	case s.AutoRollback == nil || !s.AutoRollback.Enabled:
		return "none: a failed deployment leaves things as they are"
	case s.Kind.BlueGreen():
		return "traffic is routed back to the original environment"
	case s.Previous == nil:
		return "none: there is no previously successful revision"
	default:
		return "the revision of deployment " + s.Previous.DeploymentID + " is deployed again"
	}
}
