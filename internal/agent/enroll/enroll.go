package enroll

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"crossfade/internal/awsjson/client"
	"crossfade/internal/join"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire/control"
)

// Options say how a host enrols. Token, Directory and Now are required.
type Options struct {
	Token     join.Token
	Directory Directory
	// Name is the host's; empty: the one that the token says.
	Name     string
	Tags     []control.Tag
	Endpoint string // base URL of the server; empty: the token's
	Root     string // directory of deployments, for the agent to know; empty: its default
	// Authorities are PEM certificates that the server's is checked against, in the place of what the token says.
	Authorities []byte
	// Plain allows a server without TLS beyond this machine. Whoever listens then gets the host's credentials.
	Plain bool
	// Again replaces an enrolment that the directory holds.
	Again bool
	Proxy func(*http.Request) (*url.URL, error)
	Now   func() time.Time
}

// Host is an enrolled host.
type Host struct {
	Name, ARN string // ARN is the one that it signs as
	Endpoint  string
	Session   Session
}

// The limits of one call.
const (
	callTimeout = 30 * time.Second
	maxAnswer   = 1 << 20 // bytes
)

// Enroll uses the token and writes the new host's identity. What can be refused here is refused before the token is used.
func Enroll(ctx context.Context, o Options) (Host, error) {
	if err := o.Check(); err != nil {
		return Host{}, err
	}
	o.Endpoint = o.endpoint()
	if err := o.Directory.Prepare(); err != nil {
		return Host{}, err
	}
	if len(o.Authorities) == 0 && o.Token.Authority != "" && strings.HasPrefix(o.Endpoint, "https:") {
		var err error
		if o.Authorities, err = o.authority(ctx); err != nil {
			return Host{}, fmt.Errorf("enrol: %w", err)
		}
	}
	trust, err := trusting(o.Authorities, "--ca")
	if err != nil {
		return Host{}, err
	}
	out, err := o.call(ctx, trust)
	var trouble *client.Trouble
	switch {
	case errors.As(err, &trouble):
		return Host{}, fmt.Errorf("enrol: %w; try again, and if the token has been used by then, make one with crossfade host token --replace", err)
	case err != nil:
		return Host{}, fmt.Errorf("enrol: %w", err)
	}
	h, err := o.keep(out)
	if err != nil {
		name := o.Name
		if out.Name != nil {
			name = *out.Name
		}
		return Host{}, fmt.Errorf("the server has enrolled host %s, but its identity could not be kept: %w; make a new token with crossfade host token --name %s --replace", name, err, name)
	}
	return h, nil
}

func (o Options) call(ctx context.Context, trust *tls.Config) (join.EnrollHostOutput, error) {
	c := newHTTPClient(trust, o.Proxy)
	defer c.CloseIdleConnections()
	in := join.EnrollHostInput{Tags: o.Tags}
	if o.Name != "" {
		in.Name = &o.Name
	}
	var out join.EnrollHostOutput
	err := call(ctx, c, o.Endpoint, o.Token.Region, o.Token.Credential(), o.Now, "EnrollHost", in, &out)
	return out, err
}

func call(ctx context.Context, c *http.Client, endpoint, region string, key sigv4.Credential, now func() time.Time, operation string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	service := client.Client{
		Endpoint: endpoint, Region: region, Service: join.SigningName, Target: join.TargetPrefix, Credential: key, HTTP: c, Now: now, MaxAnswer: maxAnswer,
	}
	return service.Call(ctx, operation, in, out)
}

// newHTTPClient makes a client that trusts as the configuration says. A signed request is not for where a redirection leads.
func newHTTPClient(trust *tls.Config, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{Proxy: proxy, TLSClientConfig: trust, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true},
	}
}

func (o Options) endpoint() string {
	if o.Endpoint == "" {
		return o.Token.Endpoint
	}
	return o.Endpoint
}

// Check refuses what needs no server to be refused: a directory that is taken, or a server to which a host must not give itself away.
func (o Options) Check() error {
	if o.Directory.Exists() && !o.Again {
		return fmt.Errorf("%s holds an enrolled host already: give another --dir, or --again to replace it", o.Directory)
	}
	u, err := url.Parse(o.endpoint())
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("the server %q is not an http or https URL", o.endpoint())
	}
	if u.Scheme == "http" && !o.Plain && !onThisMachine(u.Hostname()) {
		return fmt.Errorf("%s has no TLS, so whoever listens gets the host's credentials: give an https URL with --endpoint, or --plain-http to accept that", o.endpoint())
	}
	return nil
}

// trusting is the TLS configuration for a server whose certificate comes from the authorities; without any, from one that the system trusts.
func trusting(authorities []byte, name string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(authorities) == 0 {
		return t, nil
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("%s holds no PEM certificate", name)
	}
	return t, nil
}

func onThisMachine(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || net.ParseIP(host).IsLoopback()
}

// keep checks the server's answer and writes it down.
func (o Options) keep(out join.EnrollHostOutput) (Host, error) {
	if out.Name == nil || out.IAMSessionARN == nil || out.Region == nil {
		return Host{}, errors.New("the answer lacks the host's identity: is it a Crossfade server of this version?")
	}
	s, err := sessionOf(out.Session, o.Now())
	if err != nil {
		return Host{}, err
	}
	e := enrolled{arn: *out.IAMSessionARN, region: *out.Region, endpoint: o.Endpoint, root: o.Root, authorities: o.Authorities, session: s}
	if out.SignerCertificates != nil {
		e.signers = []byte(*out.SignerCertificates)
		if !x509.NewCertPool().AppendCertsFromPEM(e.signers) {
			return Host{}, errors.New("the answer's certificates of signers are none")
		}
	}
	if err := o.Directory.write(e); err != nil {
		return Host{}, err
	}
	return Host{Name: *out.Name, ARN: e.arn, Endpoint: e.endpoint, Session: s}, nil
}

// maxCertificate bounds what is read of an authority's certificate, in bytes.
const maxCertificate = 64 << 10

// authority asks the server for the certificate of its authority, over a connection that proves nothing yet, and takes the one that has the
// fingerprint in the token. Nothing is said on that connection that others must not know.
func (o Options) authority(ctx context.Context) ([]byte, error) {
	c := newHTTPClient(&tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, o.Proxy) // #nosec G402 -- the fingerprint decides
	defer c.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(o.Endpoint, "/")+"/ca.pem", nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, fmt.Errorf("get the certificate of the server's authority: %w", err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxCertificate))
	if err != nil {
		return nil, fmt.Errorf("get the certificate of the server's authority: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get the certificate of the server's authority: the server answers %s; give it with --ca", answer.Status)
	}
	return pinned(content, o.Token.Authority)
}

// pinned is the one certificate with the fingerprint, in PEM, without what stands beside it.
func pinned(content []byte, fingerprint string) ([]byte, error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if sum := sha256.Sum256(block.Bytes); block.Type == "CERTIFICATE" && hex.EncodeToString(sum[:]) == fingerprint {
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}), nil
		}
	}
	return nil, errors.New("the server's authority is another one than the join token says: somebody may be between this host and the server, or the token is of another server")
}
