// Package server puts a running server together: the store, the engine, the control API, the agents' door, the revision store, the load
// balancer and the endpoint in front of them, so that the command line, the demo and the tests start the same thing.
//
// It owns the data directory's layout, the order in which the parts are started and stopped, and the pages that need no signature (/healthz,
// /readyz, /metrics). It holds no rule of its own about deployments, signatures or traffic. Beside cmd it is the only place that joins
// drivers. A [Server]'s methods are safe for concurrent use; it owns every goroutine of its parts, and Stop waits for them.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"crossfade/internal/audit"
	"crossfade/internal/authority"
	"crossfade/internal/config"
	"crossfade/internal/edge"
	"crossfade/internal/engine"
	"crossfade/internal/lb"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/telemetry"
)

// Options say what to start. Config, Log and Version are required.
type Options struct {
	Config  config.Config
	Log     *slog.Logger
	Version string
	// Root is the root's access key. Zero: the one that there is, or a fresh one at the first start.
	Root sigv4.Credential
	// Observe is told of every answered call, beside the metrics; nil: nobody is.
	Observe edge.Observe
	// HostSession is how long the credentials of an enrolled host hold before it has to renew them; zero: an hour.
	HostSession time.Duration
	// ProxyLease is how long a proxy counts as live after it was last heard of; zero: 15 s.
	ProxyLease time.Duration
	// Now is the clock of signatures, resources and deployments; nil: the system's.
	Now func() time.Time
	// open opens the store; nil: the one of the configuration.
	open func(context.Context, Options) (*database, error)
}

// Server is a running server.
type Server struct {
	log      *slog.Logger
	config   config.Config
	root     sigv4.Credential
	store    store.Store
	balancer *lb.Balancer // nil: it runs in proxies
	engine   *engine.Service
	duties   *duties
	time     sharedTime
	replica  string // its name among the servers on the store; empty: it is alone
	audit    *audit.Log
	stops    []func() // of what runs in the background, in the order in which it was started
	edge     *edge.Edge
	// authority is the server's own CA; certificate is what the endpoint speaks TLS with, nil: it speaks plain HTTP.
	authority   *authority.Authority
	certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	http        *http.Server
	listener    net.Listener
	served      chan struct{}
	failed      chan error

	ready    atomic.Bool
	stopping sync.Once
	stopErr  error
}

// The endpoint's own limits. There is none on reading a body or writing an answer as a whole: bundles are large and polls are held.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
)

// Start starts a server and returns when it answers. ctx bounds the start only; Stop ends the server.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.open == nil {
		o.open = openDatabase
	}
	s := &Server{log: o.Log, config: o.Config, served: make(chan struct{}), failed: make(chan error, 1)}
	s.time.own = o.Now
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	metrics := telemetry.New(o.Version)
	// The port first: a second server on it must not touch the data.
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Config.Listen); err != nil {
		return nil, fmt.Errorf("listen on %s: %w; stop what listens there or give another address with --listen", o.Config.Listen, err)
	}
	if err := s.assemble(ctx, o, metrics); err != nil {
		return nil, err
	}
	if s.balancer != nil {
		if err := s.balancer.Start(ctx); err != nil {
			return nil, fmt.Errorf("start the load balancer: %w", err)
		}
	}
	s.serve()
	s.ready.Store(true)
	return s, nil
}

// serve begins to answer.
func (s *Server) serve() {
	listener := s.listener
	if s.certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{
			GetCertificate: s.certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		})
	}
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.lastCall), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.log.With("part", "http").Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.ready.Store(false)
			s.failed <- fmt.Errorf("serve %s: %w", s.Addr(), err)
		}
	}()
}

// Addr is the host:port on which the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Endpoint is the URL by which clients reach the server.
func (s *Server) Endpoint() string {
	switch {
	case s.config.Endpoint != "":
		return s.config.Endpoint
	case s.config.HTTPS():
		return "https://" + reachable(s.Addr())
	default:
		return "http://" + reachable(s.Addr())
	}
}

// Root is the root's access key when it was made or given at this start, else zero: a secret is shown once.
func (s *Server) Root() sigv4.Credential { return s.root }

// BalancerAddress is the host:port of a listener of the load balancer; empty for an unknown one, and when the load balancer runs in proxies.
func (s *Server) BalancerAddress(listener string) string {
	if s.balancer == nil {
		return ""
	}
	return s.balancer.ListenerAddress(listener)
}

// Failed tells when the server can't go on serving.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop ends the server: it is not ready any more, goes on as before for the configured time, gives up what other servers on the store can go on with,
// answers held polls, takes no more calls, lets those under way finish until ctx ends, lets the load balancer's requests finish likewise, and closes
// the store. It may be called twice; each call returns when all has stopped.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

// linger goes on with everything until whoever asks /readyz has turned away.
func (s *Server) linger(ctx context.Context) {
	if s.config.Linger == 0 {
		return
	}
	s.log.Info("not ready any more, and still serving", "for", s.config.Linger)
	select {
	case <-ctx.Done():
	case <-time.After(s.config.Linger):
	}
}

// lastCall is the handler of the endpoint. While the server is not ready it has each client connect anew after its call, to another server.
func (s *Server) lastCall(w http.ResponseWriter, r *http.Request) {
	if !s.ready.Load() {
		w.Header().Set("Connection", "close")
	}
	s.edge.ServeHTTP(w, r)
}

func (s *Server) stop(ctx context.Context) error {
	if s.ready.Swap(false) {
		s.linger(ctx)
	}
	var errs []error
	// First of all, so that others go on at once. What only one may do has ended before another one does it.
	if s.duties != nil {
		s.duties.stop()
	}
	if s.engine != nil {
		if err := s.engine.Resign(ctx); err != nil {
			s.log.Warn("the leases of this server could not be given up; others wait until they run out", "error", err)
		}
	}
	if s.http != nil {
		s.edge.Drain()
		if err := s.http.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("calls were cut off: %w", err), s.http.Close())
		}
		<-s.served
	} else if s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	for _, stop := range slices.Backward(s.stops) {
		stop()
	}
	if s.balancer != nil {
		if err := s.balancer.Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop the load balancer: %w", err))
		}
	}
	if s.audit != nil {
		if err := s.audit.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the audit log: %w", err))
		}
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the store: %w", err))
		}
	}
	return errors.Join(errs...)
}
