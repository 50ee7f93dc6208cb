package agent

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"crossfade/internal/agent/archive"
	"crossfade/internal/agent/bundle"
	"crossfade/internal/agent/identity"
	"crossfade/internal/envelope"
)

// Options say what an agent needs to know. Zero values of what is not required mean the defaults.
type Options struct {
	Endpoint string             // base URL of the server; required
	Identity *identity.Identity // who this host is; required
	Root     string             // directory of deployments and progress; required
	Version  string             // how the agent names itself, such as "crossfade/1.2.3"; required
	Log      *slog.Logger       // required

	S3Endpoint string // base URL of the store of bundles, addressed by path; default: Endpoint
	GitHubURL  string // base URL of GitHub's API; default: the public one

	RootCAs *x509.CertPool // for TLS; default: the system's
	// Trust says whose deployment specifications to accept. The zero value accepts every valid signature and leaves authenticity to TLS.
	Trust envelope.Trust
	// LocalAddr is the address from which the server sees this host; invalid: the system's choice.
	LocalAddr netip.Addr
	Proxy     func(*http.Request) (*url.URL, error)

	// Environ is what scripts inherit, as "KEY=value"; what a lifecycle event sets wins over it.
	Environ []string

	// AuthPolicy calls the server by the names of the official secure endpoint: another service in signatures and another operation prefix.
	AuthPolicy bool
	// Tracking names the directory of running commands in Root; default: the official agent's.
	Tracking string
	// NoDeploymentsLog leaves out the log of all scripts; each deployment still has its own.
	NoDeploymentsLog bool
	// ReadTimeout is how long an answer may take to begin, that to a poll included; default two minutes, the longest.
	ReadTimeout time.Duration

	MaxRevisions int            // how many deployments of a group stay on disk; default 5
	Limits       archive.Limits // of what a bundle may unpack to
	MaxBundle    int64          // size of a bundle in bytes; default 8 GiB
	PollInterval time.Duration  // between polls that a server answers at once with nothing; default 1 s

	// StreamLogs says that what scripts write goes to the server while they run. A server that does not know that extension of the protocol is asked
	// once.
	StreamLogs bool

	// Idle, unless nil, is called before the first poll, and when one has ended with nothing to do, or with no answer, and nothing runs. The next poll
	// waits for it.
	Idle func()

	// StopTimeout is how long running commands may take after the context has ended; default two hours, like the official agent.
	StopTimeout time.Duration
	// Abort, when closed, kills what runs. It only matters after the context has ended.
	Abort <-chan struct{}
}

const (
	// maxCommands run at the same time.
	maxCommands = 16
	// reportGrace is how long a stopping agent tries to tell the server what it has done. The rest is told after the next start.
	reportGrace = 5 * time.Second
	gitHub      = "https://api.github.com"
	// longestRead is more than any call may take as a whole.
	longestRead = 2 * time.Minute
)

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Endpoint == "":
		return o, errors.New("the server's endpoint is missing")
	case o.Identity == nil:
		return o, errors.New("the host's identity is missing")
	case o.Root == "":
		return o, errors.New("the root directory is missing")
	case o.Version == "":
		return o, errors.New("the version is missing")
	case o.Log == nil:
		return o, errors.New("the logger is missing")
	}
	if o.S3Endpoint == "" {
		o.S3Endpoint = o.Endpoint
	}
	if o.GitHubURL == "" {
		o.GitHubURL = gitHub
	}
	for _, base := range []string{o.Endpoint, o.S3Endpoint, o.GitHubURL} {
		if u, err := url.Parse(base); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return o, fmt.Errorf("%q is not an http or https URL", base)
		}
	}
	o.Endpoint = strings.TrimRight(o.Endpoint, "/") + "/"
	o.MaxRevisions = orDefault(o.MaxRevisions, 5)
	o.MaxBundle = orDefault(o.MaxBundle, 8<<30)
	o.PollInterval = orDefault(o.PollInterval, time.Second)
	o.StopTimeout = orDefault(o.StopTimeout, 2*time.Hour)
	o.ReadTimeout = min(orDefault(o.ReadTimeout, longestRead), longestRead)
	return o, nil
}

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// fetcher is made of what the options say.
func (o Options) fetcher(client *http.Client, sign bundle.Sign) *bundle.Fetcher {
	return &bundle.Fetcher{
		HTTP: client, Sign: sign, S3Endpoint: o.S3Endpoint, GitHubURL: o.GitHubURL, UserAgent: o.Version,
		MaxBytes: o.MaxBundle, Waits: bundle.DefaultWaits(), Log: o.Log,
	}
}
