package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"

	"crossfade/internal/auth"
	"crossfade/internal/config"
	"crossfade/internal/deploy"
	"crossfade/internal/edge"
	"crossfade/internal/notify"
	"crossfade/internal/notify/lost"
	"crossfade/internal/notify/outbox"
	"crossfade/internal/notify/sns"
	"crossfade/internal/notify/stream"
	"crossfade/internal/notify/webhook"
	"crossfade/internal/store"
	"crossfade/internal/telemetry"

	"github.com/google/uuid"
)

// purposeEvents derives what tells the ids of this server's events from those of another.
const purposeEvents = "event identifiers"

// The pages for those who sign.
const (
	eventsPath = "/events"             // the changes of state, as they happen
	lostPath   = "/notifications/lost" // the messages that were given up
)

// notifications are the parts that tell others of deployments.
type notifications struct {
	config outbox.Config
	queue  *outbox.Outbox // takes tests of triggers, and sends nothing itself
	outbox atomic.Pointer[outbox.Service]
	stream *stream.Handler
	lost   lost.Handler
	log    *slog.Logger
}

// openNotifications makes the sinks of the configuration. Nothing is sent before begin.
func openNotifications(ctx context.Context, o Options, kept store.Notices, secret []byte, metrics *telemetry.Metrics) (*notifications, error) {
	key, err := auth.Derive(secret, purposeEvents)
	if err != nil {
		return nil, err
	}
	words := notify.Words{Region: o.Config.Region, Server: uuid.UUID(key[:16])}
	routes, followers, err := sinks(ctx, o.Config)
	if err != nil {
		return nil, err
	}
	log := o.Log.With("part", "notifications")
	messages := outbox.Config{
		Store: kept, Clock: systemClock(o.Now), Words: words, Routes: routes, Followers: followers, Jitter: rand.Float64, Observe: metrics.Notifications(), Log: log,
	}
	return &notifications{
		config: messages, queue: outbox.New(messages), stream: stream.New(stream.Config{Log: kept, Words: words, Account: callerAccount, Logger: log}),
		lost: lost.Handler{Deliveries: kept, Account: callerAccount, Logger: log}, log: log,
	}, nil
}

// sinks makes what the configuration describes. It asks nobody anything.
func sinks(ctx context.Context, c config.Config) (routes notify.Routes, followers []outbox.Follower, err error) {
	n := c.Notifications
	if n.SNS.Enabled {
		sink, err := sns.New(ctx, sns.Options{
			Region: cmp.Or(n.SNS.Region, c.Region), Endpoint: n.SNS.Endpoint, AccessKeyID: n.SNS.AccessKeyID, SecretAccessKey: n.SNS.SecretAccessKey,
		})
		if err != nil {
			return routes, nil, fmt.Errorf("notifications.sns: %w", err)
		}
		routes.SNS = &notify.Route{Name: "sns", Sink: sink, DoubleEncode: n.SNS.DoubleEncode}
	}
	for _, w := range n.Webhooks {
		sink, err := webhook.New(webhook.Options{URL: w.URL, Secrets: w.Secrets})
		if err != nil {
			return routes, nil, fmt.Errorf("notifications.webhooks: %s: %w", w.Name, err)
		}
		name := "webhook:" + w.Name
		if len(w.Topics) > 0 {
			routes.Mapped = append(routes.Mapped, notify.Route{Name: name, Sink: sink, Topics: w.Topics, DoubleEncode: w.DoubleEncode})
		}
		if w.StateChanges {
			followers = append(followers, outbox.Follower{Name: name, Sink: sink})
		}
	}
	return routes, followers, nil
}

// callerAccount is the account of whoever signed the request.
func callerAccount(ctx context.Context) string {
	c, _ := auth.FromContext(ctx)
	return c.Account
}

// TestTrigger implements api.Triggers.
func (n *notifications) TestTrigger(ctx context.Context, g deploy.Group, t deploy.Trigger) {
	if err := n.queue.TestTrigger(ctx, g, t); err != nil {
		n.log.Error("the test of a trigger could not be queued", "group", g.Name, "trigger", t.Name, "destination", t.Target, "error", err)
	}
	n.wakeOutbox()
}

// begin sends what is outstanding, and what comes, until the end that it returns.
func (n *notifications) begin(ctx context.Context) (end func(), err error) {
	messages, err := outbox.Start(ctx, n.config)
	if err != nil {
		return nil, fmt.Errorf("start the outbox: %w", err)
	}
	n.outbox.Store(messages)
	return func() {
		n.outbox.Store(nil)
		messages.Stop()
	}, nil
}

// wakeOutbox says that there may be something to send, if it is this server that sends.
func (n *notifications) wakeOutbox() {
	if messages := n.outbox.Load(); messages != nil {
		messages.Wake()
	}
}

// told says that the store has notices that it did not have before.
func (n *notifications) told() {
	n.wakeOutbox()
	n.stream.Wake()
}

// reads are the pages for those who sign.
func (n *notifications) reads() map[string]edge.Read {
	return map[string]edge.Read{
		eventsPath: {Operation: "GetEvents", Handler: n.stream}, lostPath: {Operation: "GetLostNotifications", Handler: n.lost},
	}
}
