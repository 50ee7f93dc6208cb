package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"crossfade/internal/agent"
	"crossfade/internal/agent/footprint"
	"crossfade/internal/agent/identity"
	"crossfade/internal/agent/officialconf"
	"crossfade/internal/config"
	"crossfade/internal/envelope"
	"crossfade/internal/telemetry"
)

// agentFlags are what can be said to an agent on the command line.
type agentFlags struct {
	endpoint, s3Endpoint string
	config, root         string
	official             string // configuration file of the official agent
	dir                  string // of an enrolled host
	ca, signer           string
	localAddress         string
	maxRevisions         int
	streamLogs           bool
	stopTimeout          time.Duration
	logLevel, logFormat  string
}

// idleMemory is how many resident bytes an agent with nothing to do is content with.
const idleMemory = 16 << 20

func newAgentCommand() *cobra.Command {
	var flags agentFlags
	c := &cobra.Command{
		Use: "agent", Short: "Run the host agent on this machine", Args: cobra.NoArgs,
		Long: `Run the host agent: it asks a CodeDeploy server for lifecycle events, carries them out on this machine, and reports. It speaks the official
host command protocol and keeps its files as the official agent does, so that either can take the place of the other.

The first SIGTERM or SIGINT stops asking and lets running scripts finish, at most for --stop-timeout; a second one kills them. What was
killed is reported as failed after the next start.

Scripts that run as another user, and owners of installed files, need an agent that runs as root.

The agent of a host that has enrolled (crossfade agent enroll) takes everything from the host's directory and renews the host's credentials.

With --agent-config it takes what is not said here from the official agent's configuration file: the server, the directories, the proxy and the limits.
Its log says which of the file's keys mean nothing to it.`,
		Example: `  crossfade host add web-1 --tag Environment=blue --out web-1.yml
  crossfade agent --endpoint http://127.0.0.1:8470 --config web-1.yml --root ./web-1
  crossfade agent --endpoint https://deploy.example.com --ca ca.pem
  crossfade agent --agent-config /etc/codedeploy-agent/conf/codedeployagent.yml --ca ca.pem`,
		RunE: func(c *cobra.Command, _ []string) error {
			environ := os.Environ()
			official, err := flags.useOfficial(c)
			if err != nil {
				return &usageError{err}
			}
			dir, err := flags.useDirectory(environ, c)
			if err != nil {
				return &usageError{err}
			}
			options, err := flags.options(environ, c, official)
			if err != nil {
				return &usageError{err}
			}
			for _, note := range official.Notes {
				options.Log.Warn("the official agent's configuration", "note", note)
			}
			defer keepFresh(c.Context(), dir, options.Log, options.Identity.Refresh)()
			abort, stop := abortOnSecondSignal()
			defer stop()
			options.Abort = abort
			options.Idle = func() {
				if err := footprint.ShrinkAbove(idleMemory); err != nil {
					options.Log.Debug("an idle agent keeps more memory than it needs", "error", err)
				}
			}
			err = agent.Run(c.Context(), options)
			if errors.Is(err, agent.ErrAborted) {
				return errInterrupted
			}
			return err
		},
	}
	flags.add(c)
	c.AddCommand(newAgentEnrollCommand(), newAgentRenewCommand(), newAgentInstallCommand(), newAgentUninstallCommand(), newAgentStatusCommand())
	return c
}

func (a *agentFlags) add(c *cobra.Command) {
	defaultConfig, defaultRoot := agentDefaults()
	f := c.Flags()
	f.StringVar(&a.dir, "dir", defaultDirectory(), "directory of an enrolled host; what it says, --endpoint, --config, --ca, --signer-ca and --root may say otherwise")
	f.StringVar(&a.endpoint, "endpoint", "", "URL of the server (default: $CROSSFADE_ENDPOINT, else http://"+config.Default().Listen+")")
	f.StringVar(&a.config, "config", defaultConfig, "this host's identity and access key, in the official on-premises format")
	f.StringVar(&a.official, "agent-config", "", "configuration file of the official agent, "+officialconf.DefaultPath()+" as a rule, for what is not said here (default: it is not read)")
	f.StringVar(&a.root, "root", defaultRoot, "directory of deployments and progress")
	f.StringVar(&a.ca, "ca", "", "PEM file with the certificates that the server's is checked against (default: $CROSSFADE_CA, $AWS_CA_BUNDLE, else the system's)")
	f.StringVar(&a.signer, "signer-ca", "", "PEM file with the certificates that signers of deployment specifications are checked against (default: any signer)")
	f.StringVar(&a.s3Endpoint, "s3-endpoint", "", "URL of the store of revisions, addressed by path (default: the server)")
	f.StringVar(&a.localAddress, "local-address", "", "IP address to call the server from (default: the system's choice)")
	f.IntVar(&a.maxRevisions, "max-revisions", 5, "how many revisions of a deployment group to keep")
	f.BoolVar(&a.streamLogs, "stream-logs", true, "send what scripts write to the server while they run; other servers than Crossfade's are asked once and left alone")
	f.DurationVar(&a.stopTimeout, "stop-timeout", 2*time.Hour, "how long running scripts may take after a signal to stop")
	f.StringVar(&a.logLevel, "log-level", config.Default().Log.Level, "debug, info, warn or error")
	f.StringVar(&a.logFormat, "log-format", config.Default().Log.Format, "text or json")
}

// agentDefaults are where the official agent has its on-premises configuration and its deployments.
func agentDefaults() (config, root string) {
	if runtime.GOOS == "windows" {
		return `C:\ProgramData\Amazon\CodeDeploy\conf.onpremises.yml`, `C:\ProgramData\Amazon\CodeDeploy`
	}
	return "/etc/codedeploy-agent/conf/codedeploy.onpremises.yml", "/opt/codedeploy-agent/deployment-root"
}

// useOfficial takes what was not said on the command line from the official agent's configuration.
func (a *agentFlags) useOfficial(c *cobra.Command) (officialconf.Conf, error) {
	if a.official == "" {
		return officialconf.Conf{}, nil
	}
	conf, err := officialconf.Load(a.official)
	if err != nil {
		return conf, err
	}
	given := c.Flags().Changed
	for flag, p := range map[string]struct {
		to   *string
		from string
	}{
		"endpoint": {&a.endpoint, conf.Endpoint}, "s3-endpoint": {&a.s3Endpoint, conf.S3Endpoint}, "config": {&a.config, conf.OnPremises}, "root": {&a.root, conf.Root},
	} {
		if !given(flag) && p.from != "" {
			*p.to = p.from
		}
	}
	if !given("max-revisions") && conf.MaxRevisions > 0 {
		a.maxRevisions = conf.MaxRevisions
	}
	if !given("stop-timeout") && conf.StopTimeout > 0 {
		a.stopTimeout = conf.StopTimeout
	}
	if !given("log-level") && conf.Verbose {
		a.logLevel = "debug"
	}
	return conf, nil
}

func (a agentFlags) options(environ []string, c *cobra.Command, official officialconf.Conf) (agent.Options, error) {
	log, err := telemetry.NewLogger(c.ErrOrStderr(), a.logLevel, a.logFormat)
	if err != nil {
		return agent.Options{}, err
	}
	if a.maxRevisions < 1 {
		return agent.Options{}, fmt.Errorf("--max-revisions %d is less than 1", a.maxRevisions)
	}
	id, note, err := identity.Load(a.config)
	if err != nil {
		return agent.Options{}, err
	}
	if note != "" {
		log.Warn(note)
	}
	o := agent.Options{
		Endpoint: a.endpoint, S3Endpoint: a.s3Endpoint, Identity: id, Root: a.root, Version: "crossfade/" + version(), Log: log,
		Proxy: http.ProxyFromEnvironment, Environ: withoutSecrets(environ), MaxRevisions: a.maxRevisions, StopTimeout: a.stopTimeout, StreamLogs: a.streamLogs,
		AuthPolicy: official.AuthPolicy, Tracking: official.Tracking, NoDeploymentsLog: official.NoDeploymentsLog, ReadTimeout: official.ReadTimeout,
	}
	if official.Proxy != "" {
		proxy, err := url.Parse(official.Proxy)
		if err != nil {
			return agent.Options{}, errors.New("proxy_uri of the official agent's configuration can't be read")
		}
		o.Proxy = http.ProxyURL(proxy)
	}
	if o.Endpoint == "" {
		o.Endpoint = variable(environ, "CROSSFADE_ENDPOINT")
	}
	if o.Endpoint == "" {
		o.Endpoint = "http://" + config.Default().Listen
	}
	if a.ca == "" {
		a.ca = variable(environ, caVariables...)
	}
	if o.RootCAs, err = certificates("--ca", a.ca); err != nil {
		return agent.Options{}, err
	}
	signers, err := certificates("--signer-ca", a.signer)
	if err != nil {
		return agent.Options{}, err
	}
	o.Trust = envelope.Trust{Roots: signers}
	if a.localAddress != "" {
		if o.LocalAddr, err = netip.ParseAddr(a.localAddress); err != nil {
			return agent.Options{}, fmt.Errorf("--local-address %q is not an IP address", a.localAddress)
		}
	}
	return o, nil
}

// certificates reads a file of PEM certificates; nil without one.
func certificates(flag, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s %s holds no PEM certificate", flag, path)
	}
	return pool, nil
}

// withoutSecrets is what scripts may see of the agent's environment: not the keys of the server's root nor what else of Crossfade's own settings holds a
// secret, which an operator's shell may have.
func withoutSecrets(environ []string) []string {
	var kept []string
	for _, e := range environ {
		name, _, _ := strings.Cut(strings.ToUpper(e), "=")
		own := strings.HasPrefix(name, "CROSSFADE_")
		secret := name == "CROSSFADE_STORE" || slices.ContainsFunc([]string{"SECRET", "KEY", "TOKEN", "PASSWORD"}, func(part string) bool { return strings.Contains(name, part) })
		if !own || !secret {
			kept = append(kept, e)
		}
	}
	return kept
}

// abortOnSecondSignal closes the channel at the second signal to stop; the first one ends the command's context.
func abortOnSecondSignal() (abort <-chan struct{}, stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	aborted, done, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for range 2 {
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		close(aborted)
	}()
	return aborted, func() {
		signal.Stop(signals)
		close(done)
		<-ended
	}
}
