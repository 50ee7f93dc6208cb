package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/authority"
	"crossfade/internal/awsjson"
	"crossfade/internal/edge"
	"crossfade/internal/engine"
	"crossfade/internal/envelope"
	"crossfade/internal/eventlog"
	"crossfade/internal/hostapi"
	"crossfade/internal/iam"
	"crossfade/internal/operator"
	"crossfade/internal/sigv4"
	"crossfade/internal/telemetry"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
	"crossfade/internal/wire/host"
)

// What the data directory holds beside the database.
const (
	keyFile         = "secret.key" // seals access keys and tokens and derives all other keys; without it the database's secrets are lost
	signerFile      = "signer.pem" // signs deployment specifications: certificate and key
	objectDirectory = "revisions"
)

// The purposes of derived keys.
const (
	purposeTokens   = "next-token"
	purposeCommands = "host-command"
	purposeGitHub   = "GitHub tokens"
)

// systemClock tells the time to the parts.
type systemClock func() time.Time

func (c systemClock) Now() time.Time { return c() }

// parts is what the services behind the endpoint are made of.
type parts struct {
	database  *database
	secret    []byte // derives keys
	shared    shared
	keys      *auth.Keys
	sealer    *auth.Sealer // of GitHub tokens
	fleets    *fleets
	mailbox   *hostapi.Mailbox
	revisions revisions
	tells     *notifications
	rounds    *rounds
	logs      *eventlog.Handler
	cleaning  *cleaning
	proxies   operator.Proxies // nil: the load balancer is in the server
}

// assemble opens the data directory and makes all parts behind the endpoint.
func (s *Server) assemble(ctx context.Context, o Options, metrics *telemetry.Metrics) error {
	database, err := o.open(ctx, o)
	if err != nil {
		return err
	}
	s.store = database
	secret, shared, err := openKey(ctx, "", o.Config.Data, database.secrets())
	if err != nil {
		return err
	}
	if err := shared.open(ctx, sharedAuthority, authorityFiles(), func() error { return s.openAuthority(o) }); err != nil {
		return err
	}
	keys, err := auth.NewKeys(database.keys, secret, o.Now)
	if err != nil {
		return err
	}
	if database.sharing == nil {
		keys.Alone()
	}
	if s.root, err = keys.EnsureRoot(ctx, o.Config.Account, o.Root); err != nil {
		return err
	}
	identity, err := openIdentity(o, database, keys)
	if err != nil {
		return err
	}
	router, proxies, err := s.openTraffic(ctx, o, database, metrics)
	if err != nil {
		return err
	}
	sealer, err := auth.NewSealer(secret, purposeGitHub)
	if err != nil {
		return err
	}
	decide := &auth.Authorizer{Policies: identity, Hosts: hosts{database}, Region: o.Config.Region, Now: o.Now}
	revisions, err := openRevisions(ctx, o, s.names(), database, sealer, decide)
	if err != nil {
		return err
	}
	clock := systemClock(o.Now)
	mailbox := hostapi.NewMailbox(clock)
	ca, _, _ := s.OwnAuthority()
	instances, err := openFleets(ctx, o, database, router, s.Endpoint(), ca)
	if err != nil {
		return err
	}
	alarms, err := alarmSource(ctx, o.Config, o.Log.With("part", "alarms"))
	if err != nil {
		return err
	}
	rounds := &rounds{}
	tells, err := openNotifications(ctx, o, database, secret, metrics)
	if err != nil {
		return err
	}
	sole := newDuties(o.Log.With("part", "duties"), dutyNames()...)
	configuration := engine.Config{
		Store: metrics.Deployments(database), Clock: clock, Agents: mailbox, Router: router, Splitter: router, Fleet: instances, Scaling: instances,
		Revisions: revisions.preparer, Alarms: alarms, AlarmInterval: o.Config.Alarms.Interval, Told: rounds.told(tells), Log: o.Log.With("part", "engine"),
	}
	s.replica = replicate(&configuration, database, metrics, sole)
	if s.engine, err = engine.Start(ctx, configuration); err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	s.time.engine.Store(s.engine)
	s.stops = append(s.stops, s.engine.Stop)
	if database.listen != nil {
		s.stops = append(s.stops, database.listen(s.engine.News))
	}
	logs := eventlog.New(eventlog.Config{Logs: database, Account: callerAccount, Now: o.Now, Logger: o.Log.With("part", "logs")})
	clean := newCleaning(o, database, revisions.bundles, metrics)
	services, authorize, operations, err := s.services(ctx, o, decide, parts{database, secret, shared, keys, sealer, instances, mailbox, revisions, tells, rounds, logs, clean, proxies})
	if err != nil {
		return err
	}
	sole.set(dutyNotices, tells.begin)
	sole.set(dutyFleets, func(ctx context.Context) (func(), error) { return instances.begin(ctx, operations), nil })
	sole.set(dutyUpkeep, func(ctx context.Context) (func(), error) {
		return rounds.begin(ctx, o, database, s.engine, instances), nil
	})
	sole.set(dutyRetention, clean.begin)
	clean.Start(ctx)
	s.stops = append(s.stops, clean.Stop)
	s.duties = sole
	if err := sole.start(ctx, s.replica == ""); err != nil {
		return err
	}
	metrics.HeldPolls(mailbox.Waiting)
	return s.front(o, metrics, keys, identity, services, authorize, decide, revisions.objects, withLogs(tells.reads(), logs))
}

// withLogs adds the page on which logs are followed. Who may read them with an operation may follow them as well.
func withLogs(reads map[string]edge.Read, logs *eventlog.Handler) map[string]edge.Read {
	reads[operator.LogsPath] = edge.Read{Operation: "GetEventLogs", Handler: logs}
	return reads
}

// services makes what the endpoint answers to in JSON.
func (s *Server) services(ctx context.Context, o Options, decide *auth.Authorizer, p parts) ([]wire.Service, authorizer, *operator.Service, error) {
	tokenKey, err := auth.Derive(p.secret, purposeTokens)
	if err != nil {
		return nil, nil, nil, err
	}
	commandKey, err := auth.Derive(p.secret, purposeCommands)
	if err != nil {
		return nil, nil, nil, err
	}
	var signer *envelope.Signer
	err = p.shared.open(ctx, sharedSigner, map[string]fs.FileMode{signerFile: 0o600}, func() (err error) {
		signer, err = openSigner(filepath.Join(o.Config.Data, signerFile), o.Now(), s.authority)
		return err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	controlAPI, err := api.New(api.Config{
		Store: p.database, Engine: s.engine, Fleet: p.fleets, Scaling: p.fleets, Caller: controlCaller, Now: o.Now, IDs: identifiers{}, Region: o.Config.Region, TokenKey: tokenKey,
		Sealer: p.sealer, Triggers: p.tells, Changed: p.rounds.wake,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	hostAPI := hostapi.New(hostapi.Config{
		Arrived: p.rounds.wake, Logged: p.logs.Wake,
		Mailbox: p.mailbox, Engine: s.engine, Store: p.database, Signer: signer, Key: commandKey, Region: o.Config.Region,
		Hold: o.Config.Agents.PollHold, Clock: systemClock(o.Now), Caller: hostCaller, Log: o.Log.With("part", "hosts"),
	})
	if err := errors.Join(p.keys.Recall(ctx, o.Config.Account), hostAPI.Recall(ctx, o.Config.Account)); err != nil {
		return nil, nil, nil, err
	}
	operations := &operator.Service{
		Instances: controlAPI, Keys: p.keys, Tokens: controlAPI, Plans: controlAPI, Bundles: p.revisions.inspector, Fleets: p.fleets.own,
		Joining: s.joining(o, p, signer), Logs: p.database, Cleaning: p.cleaning, Proxies: p.proxies, Region: o.Config.Region,
	}
	return []wire.Service{control.Describe(controlAPI), host.Describe(hostAPI), operator.Describe(operations)}, authorizeBy(controlAPI, decide), operations, nil
}

// front makes the endpoint.
func (s *Server) front(o Options, metrics *telemetry.Metrics, keys *auth.Keys, identity *iam.Service, services []wire.Service, authorize authorizer, decide *auth.Authorizer, objects edge.Objects, reads map[string]edge.Read) error {
	codec, err := awsjson.New(awsjson.Config{
		Services: services, Log: o.Log.With("part", "api"), NewRequestID: identifiers{}.UUID, Authorize: authorize, Explain: explain,
	})
	if err != nil {
		return err
	}
	query, err := identityCodec(identity, decide, o.Log)
	if err != nil {
		return err
	}
	names := []string{sigv4.ServiceS3, auth.ServiceIdentities, auth.ServiceSessions}
	for _, service := range services {
		names = append(names, service.SigningNames...)
	}
	entries, err := s.openAudit(o, metrics)
	if err != nil {
		return err
	}
	s.edge = edge.New(edge.Config{
		JSON: codec, Query: query, Objects: objects, Reads: reads, Authorize: decide.Authorize, Audit: entries, Limits: limits(o),
		Pages: map[string]http.Handler{
			"/healthz": http.HandlerFunc(healthz), "/readyz": http.HandlerFunc(s.readyz), "/metrics": metrics.Handler(), "/": http.HandlerFunc(front), "/" + authority.CertificateFile: http.HandlerFunc(s.certificateOfAuthority),
		},
		Verifier: &sigv4.Verifier{
			Region: o.Config.Region, Services: names, Keys: identity, Now: o.Now, QueryServices: []string{auth.ServiceSessions},
			OtherRegions: map[string][]string{auth.ServiceIdentities: {globalRegion}, auth.ServiceSessions: {globalRegion}},
		},
		Principals: keys, NewRequestID: identifiers{}.UUID, Log: o.Log.With("part", "edge"),
		Observe: func(service, operation, code string, took time.Duration) {
			metrics.Request(service, operation, code, took)
			if o.Observe != nil {
				o.Observe(service, operation, code, took)
			}
		},
	})
	return nil
}
