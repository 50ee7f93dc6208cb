package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"crossfade/internal/operator"
)

// mostNames bounds how many instances of a wave are named in text; JSON has them all.
const mostNames = 8

var planKinds = map[string]string{
	"InPlace": "in place", "InPlaceTraffic": "in place, each instance out of traffic meanwhile", "BlueGreen": "blue/green",
	"BlueGreenShift": "blue/green, traffic shifted in steps",
}

// writePlan prints a plan for a person.
func writePlan(w io.Writer, p operator.PlanOutput) error {
	var b strings.Builder
	fmt.Fprintf(&b, "A deployment of %s to %s with %s would be %s.\n", p.Application, p.Group, p.Config, planKinds[p.Kind])
	switch {
	case p.Busy != "" && p.Queues:
		fmt.Fprintf(&b, "It would wait its turn: %s is not over.\n", p.Busy)
	case p.Busy != "":
		fmt.Fprintf(&b, "NOT NOW: it would be refused, because %s is not over.\n", p.Busy)
	}
	for _, m := range p.Messages {
		fmt.Fprintln(&b, m)
	}
	writeBundle(&b, p.Bundle)
	if p.Problem != nil {
		fmt.Fprintf(&b, "\nIT WOULD FAIL AT ONCE: %s: %s\n", p.Problem.Code, p.Problem.Message)
		_, err := io.WriteString(w, b.String())
		return err
	}
	if len(p.Targets) > 0 {
		writeTargets(&b, p.Targets)
	}
	for i, s := range p.Stages {
		fmt.Fprintf(&b, "\n%d. %s\n", i+1, stageTitle(s))
		writeStage(&b, s)
	}
	fmt.Fprintf(&b, "\nrollback   %s\n", p.Rollback)
	if len(p.Alarms) > 0 {
		fmt.Fprintf(&b, "alarms     %s stop it\n", strings.Join(p.Alarms, ", "))
	}
	fmt.Fprintf(&b, "limit      it may take %s\n", time.Duration(p.LimitSeconds)*time.Second)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeBundle(b *strings.Builder, bundle operator.PlannedBundle) {
	b.WriteString("\nbundle     ")
	if bundle.Type != "" {
		fmt.Fprintf(b, "%s, %d entries, %d bytes packed, %d unpacked", bundle.Type, bundle.Entries, bundle.Bytes, bundle.Unpacked)
	} else {
		b.WriteString("can't be read")
	}
	if len(bundle.Problems) == 0 {
		b.WriteString("; hosts would take it\n")
	} else {
		b.WriteString("; HOSTS WOULD REFUSE IT:\n")
	}
	for _, p := range bundle.Problems {
		where := p.File
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, max(1, p.Column))
		}
		fmt.Fprintf(b, "  %s: %s", where, p.What)
		if p.Hint != "" {
			fmt.Fprintf(b, "; %s", p.Hint)
		}
		b.WriteString("\n")
	}
	for _, warning := range bundle.Warnings {
		fmt.Fprintf(b, "  note: %s\n", warning)
	}
}

// writeTargets counts the instances by environment, zone and health.
func writeTargets(b *strings.Builder, targets []operator.PlannedTarget) {
	type kind struct{ label, zone, health string }
	var order []kind
	names := map[kind][]string{}
	for _, t := range targets {
		k := kind{t.Label, t.Zone, t.Health}
		if names[k] == nil {
			order = append(order, k)
		}
		names[k] = append(names[k], t.ID)
	}
	fmt.Fprintf(b, "instances  %d\n", len(targets))
	for _, k := range order {
		b.WriteString("  ")
		if k.label != "" {
			fmt.Fprintf(b, "%s, ", k.label)
		}
		if k.zone != "" {
			fmt.Fprintf(b, "zone %s, ", k.zone)
		}
		fmt.Fprintf(b, "%s: %s\n", k.health, listed(names[k]))
	}
}

func stageTitle(s operator.PlannedStage) string {
	title := s.What
	if s.Zone != "" {
		title += ", " + s.Zone
	}
	if s.Percent > 0 {
		title += fmt.Sprintf(": %d %% of the requests", s.Percent)
	}
	return title
}

func writeStage(b *strings.Builder, s operator.PlannedStage) {
	if len(s.Waves) > 0 {
		fmt.Fprintf(b, "   events   %s\n", joined(s.Events))
		switch {
		case s.NoneMayFail:
			fmt.Fprintf(b, "   health   all %d at once, and none may fail\n", s.Total)
		case s.MayFail > 0:
			fmt.Fprintf(b, "   health   of %d, %d must stay healthy: at most %d at once; %d must succeed, %d may fail on the way\n",
				s.Total, s.MinimumHealthy, s.AtOnce, s.MustSucceed, s.MayFail)
		default:
			fmt.Fprintf(b, "   health   of %d, %d must stay healthy: at most %d at once; a failure ends it unless it is the last one's\n",
				s.Total, s.MinimumHealthy, s.AtOnce)
		}
		for i, wave := range s.Waves {
			fmt.Fprintf(b, "   wave %-3d %s\n", i+1, listed(wave))
		}
	}
	wait := time.Duration(s.WaitSeconds) * time.Second
	switch {
	case s.Continue && s.Stops:
		fmt.Fprintf(b, "   waits %s for ContinueDeployment, else it is stopped\n", wait)
	case s.Continue && wait > 0:
		fmt.Fprintf(b, "   waits %s, or until ContinueDeployment\n", wait)
	case s.Continue:
		b.WriteString("   goes on at once\n")
	case wait > 0:
		fmt.Fprintf(b, "   then waits %s\n", wait)
	}
}

func joined[T ~string](names []T) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = string(n)
	}
	return strings.Join(parts, ", ")
}

// listed names the first few.
func listed(names []string) string {
	if len(names) <= mostNames {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNames], ", "), len(names)-mostNames)
}
