package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/awsjson/client"
	"crossfade/internal/follow"
	"crossfade/internal/operator"
	"crossfade/internal/telemetry"
	"crossfade/internal/traffic/feed"
)

const (
	defaultProxyAdmin = "127.0.0.1:8471"
	defaultProxyDir   = "crossfade-proxy"
)

func newProxyCommand() *cobra.Command {
	var o proxyOptions
	var output string
	c := &cobra.Command{
		Use: "proxy", Short: "Run the load balancer as a process of its own", Args: cobra.NoArgs,
		Long: `Run the load balancer as a process of its own. There may be any number of them. Each follows the listeners and target groups of a server whose
configuration says loadBalancer.mode: proxies, and deployments go on only when each proxy has done what they wish.

While no server answers, a proxy goes on with the last state that it knew, also when it is killed and started meanwhile: the state is in --dir. The
server then waits for the proxy before any instance that it may still send requests to counts as out of traffic, so nothing is installed on such an
instance, and it is not terminated, until the proxy is back, was removed with crossfade proxy remove, or has been silent for half an
hour (loadBalancer.forgetProxyAfter).

The calls are signed with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the CROSSFADE_ROOT_* variables) of a user that may do
crossfade:FollowTargetGroups, crossfade:ReportTargetGroups and crossfade:LeaveTargetGroups. --endpoint may be given several times, for the replicas of a
server: the next one is asked when one does not answer. The server's certificate is checked against --ca, else AWS_CA_BUNDLE.

On --admin are /readyz, for what is in front of proxies, /healthz, /status and /metrics. SIGTERM and SIGINT end the proxy in good order: /readyz says 503
for --linger, then no connection is taken any more, the requests under way end, and the server is told.`,
		Example: `  crossfade proxy --name edge-1 --dir /var/lib/crossfade-proxy --endpoint https://deploy.example.com --ca ca.pem
  crossfade proxy --name edge-2 --dir edge-2 --listen web=127.0.0.1:8481 --admin 127.0.0.1:8482 --output json`,
		RunE: func(c *cobra.Command, _ []string) error {
			clients, err := o.clients(os.Environ())
			if err != nil {
				return err
			}
			log, err := telemetry.NewLogger(c.ErrOrStderr(), o.logLevel, o.logFormat)
			if err != nil {
				return &usageError{err}
			}
			p, err := o.start(c.Context(), clients, log)
			if err != nil {
				return err
			}
			if err := p.announce(c.OutOrStdout(), output); err != nil {
				return errors.Join(err, p.stop(context.WithoutCancel(c.Context())))
			}
			select {
			case <-c.Context().Done():
			case err = <-p.failed:
			case err = <-p.follower.Failed():
			}
			return errors.Join(err, p.stop(context.WithoutCancel(c.Context())))
		},
	}
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	f := c.Flags()
	f.StringArrayVar(&o.endpoints, "endpoint", nil, "URL of the server; may be given several times (default: $AWS_ENDPOINT_URL, else the one of this machine)")
	f.StringVar(&o.region, "region", "", "region of the server (default: $AWS_REGION, $AWS_DEFAULT_REGION, else the server's default)")
	f.StringVar(&o.ca, "ca", "", "PEM file with the certificates that the server's is checked against (default: $AWS_CA_BUNDLE, else the system's)")
	f.StringVar(&o.name, "name", name, "name of the proxy, unique among those of the server (default: the host's name)")
	f.StringVar(&o.directory, "dir", defaultProxyDir, "directory of the last state; one proxy at a time uses it")
	f.StringArrayVar(&o.listen, "listen", nil, "NAME=HOST:PORT where a listener is, in place of what the server says; may be given several times")
	f.StringVar(&o.admin, "admin", defaultProxyAdmin, "host:port of /readyz, /status and /metrics, which need no signature; port 0 takes a free one")
	f.DurationVar(&o.linger, "linger", 0, "how long to go on after /readyz has begun to say 503, so that whoever asks it can turn away")
	f.DurationVar(&o.timeout, "shutdown-timeout", 30*time.Second, "how long the requests under way may take at the end")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	addOutputFlag(c, &output)
	c.AddCommand(newProxyStatusCommand(), newProxyListCommand(), newProxyRemoveCommand())
	return c
}

// proxyOptions are what the flags say.
type proxyOptions struct {
	endpoints, listen                  []string
	region, ca, name, directory, admin string
	logLevel, logFormat                string
	linger, timeout                    time.Duration
}

func (o *proxyOptions) clients(environ []string) ([]*operator.Client, error) {
	endpoints := o.endpoints
	if len(endpoints) == 0 {
		endpoints = []string{""}
	}
	clients := make([]*operator.Client, len(endpoints))
	for i, endpoint := range endpoints {
		var err error
		if clients[i], err = (&reach{endpoint, o.region, o.ca}).client(environ); err != nil {
			return nil, err
		}
	}
	return clients, nil
}

// proxyProcess is a running proxy with its admin page.
type proxyProcess struct {
	options  *proxyOptions
	follower *follow.Follower
	listener net.Listener
	admin    *http.Server
	failed   chan error
}

func (o *proxyOptions) start(ctx context.Context, clients []*operator.Client, log *slog.Logger) (_ *proxyProcess, err error) {
	listen := map[string]string{}
	for _, l := range o.listen {
		name, address, ok := strings.Cut(l, "=")
		if _, _, err := net.SplitHostPort(address); !ok || name == "" || err != nil {
			return nil, &usageError{fmt.Errorf("--listen %q is not NAME=HOST:PORT, such as web=127.0.0.1:8480", l)}
		}
		listen[name] = address
	}
	if o.name == "" {
		return nil, &usageError{errors.New("give the proxy a name with --name")}
	}
	p := &proxyProcess{options: o, failed: make(chan error, 1)}
	if p.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", o.admin); err != nil {
		return nil, fmt.Errorf("listen on %s: %w; give another address with --admin", o.admin, err)
	}
	p.follower, err = follow.Open(follow.Options{
		Name: o.name, Directory: o.directory, Control: &replicas{clients: clients}, Log: log, Listen: listen,
	})
	if err != nil {
		return nil, errors.Join(err, p.listener.Close())
	}
	p.serve(log)
	if err := p.follower.Start(ctx); err != nil {
		return nil, errors.Join(err, p.stop(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// serve begins to answer on the admin page.
func (p *proxyProcess) serve(log *slog.Logger) {
	metrics := telemetry.New(version())
	metrics.Balancer(p.follower.Metrics)
	pages := http.NewServeMux()
	pages.Handle("GET /metrics", metrics.Handler())
	pages.Handle("GET /", p.follower.Pages())
	p.admin = &http.Server{Handler: pages, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() {
		if err := p.admin.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- fmt.Errorf("serve the admin page: %w", err)
		}
	}()
}

func (p *proxyProcess) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.options.linger+p.options.timeout)
	defer cancel()
	// The admin page tells until the last that the proxy is not ready.
	return errors.Join(p.follower.Stop(ctx, p.options.linger), p.admin.Close())
}

func (p *proxyProcess) announce(w io.Writer, output string) error {
	about := struct {
		follow.Status
		Admin     string `json:"admin"`
		Directory string `json:"directory"`
	}{p.follower.Status(), "http://" + p.listener.Addr().String(), p.options.directory}
	if output == "json" {
		return json.NewEncoder(w).Encode(about) // on one line: whoever starts the proxy reads up to its end
	}
	return writeProxyStatus(w, about.Admin, about.Status)
}

// replicas asks the servers of a list, the next one when one does not answer.
type replicas struct {
	clients []*operator.Client
	at      atomic.Int64
}

func (r *replicas) call(f func(*operator.Client) error) error {
	at := r.at.Load()
	err := f(r.clients[at%int64(len(r.clients))])
	var trouble *client.Trouble
	if errors.As(err, &trouble) {
		r.at.CompareAndSwap(at, at+1)
	}
	return err
}

// Follow implements follow.Control.
func (r *replicas) Follow(ctx context.Context, q feed.Question) (a feed.Answer, err error) {
	err = r.call(func(c *operator.Client) (err error) {
		a, err = c.Follow(ctx, q)
		return err
	})
	return a, err
}

// Report implements follow.Control.
func (r *replicas) Report(ctx context.Context, x feed.Report) error {
	return r.call(func(c *operator.Client) error { return c.Report(ctx, x) })
}

// Leave implements follow.Control.
func (r *replicas) Leave(ctx context.Context, id feed.Identity) error {
	return r.call(func(c *operator.Client) error { return c.Leave(ctx, id) })
}
