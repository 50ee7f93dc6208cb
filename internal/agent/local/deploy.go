package local

import (
	"context"
	"errors"
	"time"

	"crossfade/internal/agent/hostlock"
	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/script"
	"crossfade/internal/envelope"
)

// Deployer deploys on this host. All fields are required.
type Deployer struct {
	Host *lifecycle.Host // its Custom is set by Deploy
	Root string          // the root directory of Host, absolute
	Lock *hostlock.Lock  // of Root
	Tell Teller
	Now  func() time.Time
}

// EventError says which event failed.
type EventError struct {
	Event string
	Err   error
}

func (e *EventError) Error() string { return e.Event + ": " + e.Err.Error() }
func (e *EventError) Unwrap() error { return e.Err }

// Deploy carries out the plan's events one after the other and stops at the first that fails. Its error is an *[EventError] then, or the context's
// when that ended, which kills what runs, or says why nothing was begun.
func (d *Deployer) Deploy(ctx context.Context, p Plan) (err error) {
	if err := p.apart(d.Root); err != nil {
		return err
	}
	d.Host.Custom = p.Custom
	holder := hostlock.Holder{What: "crossfade local", Deployment: p.Spec.DeploymentID, Group: p.Spec.DeploymentGroupName}
	release, err := d.Lock.Acquire(ctx, holder, d.Tell.Waiting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	for _, event := range p.Events {
		if err := d.event(ctx, event, p.Spec); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deployer) event(ctx context.Context, name string, spec envelope.Specification) error {
	d.Tell.Begins(name)
	began := d.Now()
	o := Outcome{Event: name, Status: Succeeded}
	do, err := d.Host.Prepare(name, spec)
	switch {
	case err != nil:
	case do == nil:
		o.Status = Nothing
	default:
		out := output{tell: d.Tell, event: name}
		err = do(ctx, &out)
		o.Scripts = out.scripts
	}
	o.Duration = d.Now().Sub(began)
	if err != nil {
		o.Status, o.Diagnostics = Failed, lifecycle.Diagnose(err)
		d.Tell.Ends(o)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &EventError{Event: name, Err: err}
	}
	d.Tell.Ends(o)
	return nil
}

// output passes on what the scripts of an event say.
type output struct {
	tell    Teller
	event   string
	scripts int
}

// Script implements lifecycle.Output.
func (o *output) Script(location string) {
	o.scripts++
	o.tell.Script(o.event, location)
}

// Line implements lifecycle.Output.
func (o *output) Line(stream script.Stream, text string) { o.tell.Line(stream, text) }
