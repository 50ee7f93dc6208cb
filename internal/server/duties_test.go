package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
)

// TestDutiesComeAndGo holds that a part runs exactly while its duty is held, and that it has ended when stop returns.
func TestDutiesComeAndGo(t *testing.T) {
	t.Parallel()
	d := newDuties(slog.New(slog.DiscardHandler), "duty/x", "duty/none")
	began, ended := make(chan struct{}), make(chan struct{})
	var running atomic.Int32
	first := true
	d.set("duty/x", func(context.Context) (func(), error) {
		if first {
			first = false
			return nil, errors.New("not now")
		}
		if running.Add(1) != 1 {
			t.Error("it runs twice")
		}
		began <- struct{}{}
		return func() { running.Add(-1); ended <- struct{}{} }, nil
	})
	d.hold("duty/none", true)
	if err := d.start(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	d.hold("duty/unknown", true)
	d.hold("duty/x", true)
	d.hold("duty/x", true) // tries again
	<-began
	d.hold("duty/x", false)
	<-ended
	d.hold("duty/x", true)
	<-began
	go func() { <-ended }()
	d.stop()
	d.stop()
	if running.Load() != 0 {
		t.Error("it runs after the stop")
	}
}

// TestOneServerHasAllDuties holds that a server which is alone waits for nobody.
func TestOneServerHasAllDuties(t *testing.T) {
	t.Parallel()
	d := newDuties(slog.New(slog.DiscardHandler), dutyNames()...)
	var began []string
	for _, name := range dutyNames() {
		d.set(name, func(context.Context) (func(), error) {
			began = append(began, name)
			return func() {}, nil
		})
	}
	if err := d.start(t.Context(), true); err != nil || !slices.Equal(began, dutyNames()) {
		t.Errorf("begun are %v: %v", began, err)
	}
	d.stop()
}
