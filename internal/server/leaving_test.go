package server

import (
	"context"
	"testing"
	"time"

	"crossfade/internal/traffic"
)

// draining is a load balancer in which an instance drains for a few looks.
type draining struct {
	traffic.Router
	looks  int
	wishes []traffic.Want
}

func (d *draining) MakeSo(_ context.Context, w traffic.Want) error {
	d.wishes = append(d.wishes, w)
	return nil
}

func (d *draining) WhatIsSo(_ context.Context, groups []string, instance string) ([]traffic.Observed, error) {
	o := traffic.Observed{TargetGroup: groups[0], Instance: instance, State: traffic.StateAbsent}
	if d.looks > 0 {
		d.looks--
		o.State = traffic.StateDraining
	}
	return []traffic.Observed{o}, nil
}

// TestAnInstanceIsDrainedBeforeItIsStopped holds that an instance is deregistered once, that the return waits for the drain, and that one which
// is in no target group is left alone.
func TestAnInstanceIsDrainedBeforeItIsStopped(t *testing.T) {
	t.Parallel()
	lb := &draining{looks: 3}
	l := leaving{lb, []string{"web"}, time.Now}
	if err := l.leave(t.Context(), "web-1"); err != nil || len(lb.wishes) != 1 || lb.wishes[0].In || lb.looks != 0 || lb.wishes[0].Generation == 0 {
		t.Errorf("%v, %+v, %d looks left", err, lb.wishes, lb.looks)
	}
	lb = &draining{}
	l.router = lb
	if err := l.leave(t.Context(), "web-1"); err != nil || len(lb.wishes) != 0 {
		t.Errorf("an instance that serves nobody: %v, %+v", err, lb.wishes)
	}
	lb.looks = 1 << 30
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.leave(ctx, "web-1"); err == nil {
		t.Error("an instance that never drains was given up for drained")
	}
	l.groups = nil
	if err := l.leave(t.Context(), "web-1"); err != nil {
		t.Errorf("without a load balancer: %v", err)
	}
}
