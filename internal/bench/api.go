package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"crossfade/internal/wire/control"
)

// api measures calls of the control API.
func api(ctx context.Context, at *Installation, o Options) (_ *Report, err error) {
	w, err := newWorld(ctx, at, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.remove(ctx)) }()
	if err := w.callersGroups(ctx, o.Clients); err != nil {
		return nil, err
	}
	first := look(at)
	stored := 0
	r := newReport(o.Scenario, "%d callers at the same time", o.Clients)
	if at.Stored != nil {
		stored = at.Stored.Count
		r.Size += fmt.Sprintf(", %d deployments stored before", stored)
		r.addTime("stored in", at.Stored.Took)
	}
	creating, stopping := newMeter("CreateDeployment"), newMeter("StopDeployment")
	ids := make([][]string, o.Clients) // of a caller's own deployments
	type round struct {
		name string
		do   func(ctx context.Context, caller int) error
		m    []*meter
	}
	timed := func(m *meter, do func(ctx context.Context, caller int) error) func(context.Context, int) error {
		return func(ctx context.Context, caller int) error {
			begun := time.Now()
			err := do(ctx, caller)
			m.add(time.Since(begun), err)
			return nil
		}
	}
	rounds := []round{{"CreateDeployment and StopDeployment", func(ctx context.Context, caller int) error {
		id := ""
		err := timed(creating, func(ctx context.Context, caller int) (err error) {
			id, err = w.deploy(ctx, callersGroup(caller), nil)
			return err
		})(ctx, caller)
		if err != nil || id == "" {
			return err
		}
		ids[caller] = append(ids[caller], id)
		return timed(stopping, func(ctx context.Context, _ int) error {
			return w.call(ctx, "StopDeployment", control.StopDeploymentInput{DeploymentId: &id}, nil)
		})(ctx, caller)
	}, []*meter{creating, stopping}}}
	one := func(name string, do func(ctx context.Context, caller int) error) {
		m := newMeter(name)
		rounds = append(rounds, round{name, timed(m, do), []*meter{m}})
	}
	one("GetDeployment", func(ctx context.Context, caller int) error {
		id := w.some(ids[caller])
		return w.call(ctx, "GetDeployment", control.GetDeploymentInput{DeploymentId: &id}, nil)
	})
	one("ListDeployments, first page of all", func(ctx context.Context, _ int) error {
		return w.call(ctx, "ListDeployments", control.ListDeploymentsInput{}, nil)
	})
	next := make([]*string, o.Clients)
	one("ListDeployments, page after page", func(ctx context.Context, caller int) error {
		var out control.ListDeploymentsOutput
		err := w.call(ctx, "ListDeployments", control.ListDeploymentsInput{NextToken: next[caller]}, &out)
		next[caller] = out.NextToken
		return err
	})
	one("ListDeployments, first page of a group", func(ctx context.Context, caller int) error {
		application, group := w.someGroup(caller)
		return w.call(ctx, "ListDeployments", control.ListDeploymentsInput{ApplicationName: &application, DeploymentGroupName: &group}, nil)
	})
	one("ListDeployments, of a group, succeeded", func(ctx context.Context, caller int) error {
		application, group := w.someGroup(caller)
		return w.call(ctx, "ListDeployments", control.ListDeploymentsInput{
			ApplicationName: &application, DeploymentGroupName: &group, IncludeOnlyStatuses: []control.DeploymentStatus{control.DeploymentStatusSucceeded},
		}, nil)
	})
	err = profiled(ctx, at, func() error {
		for _, round := range rounds {
			o.Progress("%s for %v", round.name, o.Window)
			over, err := w.callFor(ctx, o, round.do)
			if err != nil {
				return err
			}
			r.addMeters(over, round.m...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.addUsage(first, look(at))
	return r, nil
}

// callFor has the callers call for the window, each once at least, and returns how long that was.
func (w *world) callFor(ctx context.Context, o Options, do func(ctx context.Context, caller int) error) (time.Duration, error) {
	begun := time.Now()
	err := parallel(ctx, o.Clients, o.Clients, func(ctx context.Context, caller int) error {
		for {
			if err := do(ctx, caller); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if time.Since(begun) >= o.Window {
				return nil
			}
		}
	})
	return time.Since(begun), err
}

func callersGroup(caller int) string { return "caller" + strconv.Itoa(caller) }

// callersGroups makes a group with one host for each caller: a group has one unfinished deployment at a time, and a deployment without hosts
// fails. No agent polls for the hosts.
func (w *world) callersGroups(ctx context.Context, callers int) error {
	_, err := w.register(ctx, callers, func(i int) map[string]string { return map[string]string{tagRole: w.name + "-" + callersGroup(i)} })
	if err != nil {
		return err
	}
	return w.each(ctx, "groups", callers, func(ctx context.Context, i int) error {
		return w.group(ctx, callersGroup(i), func(in *control.CreateDeploymentGroupInput) {
			in.OnPremisesInstanceTagFilters = selecting(tagRole, w.name+"-"+callersGroup(i))
		})
	})
}

// some is any of the stored deployments, or of the caller's own when there are none.
func (w *world) some(own []string) string {
	if s := w.at.Stored; s != nil && len(s.Deployments) > 0 {
		own = s.Deployments
	}
	if len(own) == 0 {
		return "d-NONE00000"
	}
	return own[rand.N(len(own))]
}

// someGroup is any of the groups with stored deployments, or the caller's own.
func (w *world) someGroup(caller int) (application, group string) {
	if s := w.at.Stored; s != nil && len(s.Groups) > 0 {
		return s.Application, s.Groups[rand.N(len(s.Groups))]
	}
	return w.name, callersGroup(caller)
}
