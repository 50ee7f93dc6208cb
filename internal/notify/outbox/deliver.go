package outbox

import (
	"context"
	"slices"
	"time"

	"crossfade/internal/notify"
	"crossfade/internal/store"
)

// deliver begins to send what triggers have due, until all that may be under way is.
func (o *Outbox) deliver(ctx context.Context, now time.Time) error {
	var skip []string // destinations that have enough under way
	for ctx.Err() == nil {
		o.mu.Lock()
		limit, troubled := batchSize+len(o.underWay), len(o.troubles) > 0
		clear(o.over)
		o.mu.Unlock()
		if troubled {
			return nil // what is sent now would be sent again
		}
		due, err := o.Store.DueDeliveries(ctx, now, skip, limit)
		if err != nil {
			return err
		}
		progress := false
		for _, d := range due {
			if ctx.Err() != nil {
				return nil
			}
			route, routeErr := o.Routes.Find(d.Destination)
			switch o.take(d, route.Name) {
			case started:
				progress = true
				o.spawn(func() { o.send(ctx, d, route, routeErr) })
			case full:
				if !slices.Contains(skip, d.Destination) {
					progress = true
					skip = append(skip, d.Destination)
				}
			}
		}
		if !progress {
			return nil
		}
	}
	return nil
}

// taking says what became of an attempt to begin with a delivery.
type taking int

const (
	started taking = iota
	running        // it is under way already, or was until a moment ago
	full           // its destination or its sink has enough
)

func (o *Outbox) take(d store.Delivery, sink string) taking {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.underWay[d.ID] || o.over[d.ID]:
		return running
	case o.destinations[d.Destination] >= perDestination || o.sinks[sink] >= perSink:
		return full
	}
	o.underWay[d.ID] = true
	o.destinations[d.Destination]++
	o.sinks[sink]++
	return started
}

func (o *Outbox) give(d store.Delivery, sink string) {
	o.mu.Lock()
	delete(o.underWay, d.ID)
	o.over[d.ID] = true
	release(o.destinations, d.Destination)
	release(o.sinks, sink)
	o.mu.Unlock()
	o.nudge()
}

func release(counts map[string]int, key string) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// send tries once and keeps what came of it. What is sent before a crash and kept only after it is sent again.
func (o *Outbox) send(ctx context.Context, d store.Delivery, route notify.Route, err error) {
	defer o.give(d, route.Name)
	if err == nil {
		m := o.Words.Trigger(notify.Trigger{Number: d.ID, Name: d.Trigger, Topic: d.Destination}, d.Notice, route.DoubleEncode)
		err = route.Sink.Send(ctx, m)
	}
	if err != nil && ctx.Err() != nil {
		return // the outbox stops: that is no failure of the receiver
	}
	log := o.Log.With("deployment", d.Notice.DeploymentID, "destination", d.Destination, "trigger", d.Trigger, "tries", d.Tries+1)
	sink := route.Name
	if sink == "" {
		sink = "none"
	}
	// What came of it is kept even when the outbox stops meanwhile.
	keep := context.WithoutCancel(ctx)
	now := o.Clock.Now()
	switch {
	case err == nil:
		log.Debug("trigger's message sent", "moment", d.Notice.Moment, "sink", sink)
		o.Observe(sink, Delivered)
		err = o.Store.DeliveryDone(keep, d.ID)
	case notify.IsPermanent(err) || now.Sub(d.CreatedAt) >= keepTrying:
		log.Error("trigger's message given up", "moment", d.Notice.Moment, "sink", sink, "created", d.CreatedAt, "error", err)
		o.Observe(sink, Lost)
		err = o.Store.DeliveryLost(keep, d.ID, now, err.Error())
	default:
		again := now.Add(o.pause(d.Tries + 1))
		log.Warn("trigger's message not taken, will be tried again", "moment", d.Notice.Moment, "sink", sink, "again", again.Format(time.RFC3339), "error", err)
		o.Observe(sink, Retried)
		err = o.Store.DeliveryFailed(keep, d.ID, again, err.Error())
	}
	if err != nil {
		o.trouble(err)
	}
}
