package bench

import (
	"context"
	"fmt"
)

// grow runs a scenario at several sizes, the smallest first, and puts what one item cost side by side.
func grow(ctx context.Context, stage Stage, o Options) (*Report, error) {
	all := newReport(o.Scenario, "%s at %d sizes, cost per item with its ratio to the smallest", o.Of, len(o.Factors))
	for i, factor := range o.Factors {
		step := o
		step.Scenario, step.Of, step.Factors = o.Of, "", nil
		step.Name = fmt.Sprintf("%s-%d", o.Name, factor)
		items := 0
		switch o.Of {
		case ScenarioIdle, ScenarioFleet:
			step.Hosts *= factor
			items = step.Hosts
		case ScenarioMany, ScenarioRestart:
			step.Deployments *= factor
			items = step.Deployments
		case ScenarioAPI:
			step.Stored *= factor
			items = step.Stored
		}
		o.Progress("step %d of %d: %d items", i+1, len(o.Factors), items)
		report, err := Run(ctx, stage, step)
		if err != nil {
			return nil, fmt.Errorf("%d times the first size: %w", factor, err)
		}
		s := Step{Factor: factor, Items: items, PerOne: costs(report, items), Report: report}
		base := s.PerOne
		if i > 0 {
			base = all.Growth[0].PerOne
		}
		for k := range s.PerOne {
			if base[k].Value != 0 {
				s.PerOne[k].Ratio = round(s.PerOne[k].Value / base[k].Value)
			}
		}
		all.Growth = append(all.Growth, s)
	}
	return all, nil
}

// perItem are the figures that are the cost of all items together.
var perItem = []string{"deployment: creation to success", "all deployments", "start of the new process until all move", "server: processor time"}

// costs is what one item cost: shares of figures, and latencies of single calls as they are, which must not grow either.
func costs(r *Report, items int) []Cost {
	var out []Cost
	for _, name := range perItem {
		f, ok := r.figure(name)
		// The calls of the API are counted by time, so the processor time is of the window and not of what is stored.
		if ok && r.Scenario != ScenarioAPI {
			out = append(out, Cost{Figure: Figure{name, round(f.Value / float64(items) * 1000), "ms"}})
		}
	}
	if f, ok := r.figure("server: resident memory for a host"); ok {
		out = append(out, Cost{Figure: f})
	}
	// Where all items are under way at the same time, each waits for the others: that is no cost of its own.
	if r.Scenario != ScenarioAPI && r.Scenario != ScenarioIdle {
		return out
	}
	for _, l := range r.Latencies {
		out = append(out, Cost{Figure: Figure{l.Name + ", p50", float64(l.P50), "ms"}}, Cost{Figure: Figure{l.Name + ", p99", float64(l.P99), "ms"}})
	}
	return out
}
