// Package github downloads commits from GitHub, GitHub Enterprise and Gitea: the archive that the source host makes of one commit.
//
// It owns the two forms of the API, the reading of refusals, and that a token goes to the configured host and nowhere else. It picks no token,
// unpacks nothing and stores nothing. When a host says that it was asked too often, the client does not ask it again with the same token before
// the time that the host named. A [Client] is safe for concurrent use and owns no goroutine.
//
// GitHub: https://docs.github.com/en/rest/repos/contents#download-a-repository-archive-tar and
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api; Gitea: repoGetArchive of its API.
package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Kind is the form of a source host's API.
type Kind string

// The kinds. GitHub Enterprise speaks as GitHub, Forgejo as Gitea.
const (
	GitHub Kind = "github"
	Gitea  Kind = "gitea"
)

// DefaultURL is GitHub's own API.
const DefaultURL = "https://api.github.com"

const (
	maxRedirects = 5
	// answerTime is how long a source host may take to begin its answer: it may have to make the archive first.
	answerTime = 5 * time.Minute
)

// Options say which source host to ask.
type Options struct {
	Kind Kind // empty: GitHub
	// URL is where the API begins: https://api.github.com, https://HOST/api/v3 of GitHub Enterprise, or the address of a Gitea. Empty: GitHub's own.
	URL string
	// Timeout bounds a download as a whole; zero: none but the context's.
	Timeout time.Duration
	// HTTP sends the requests; nil: a client of the package's own. Its CheckRedirect is not used.
	HTTP *http.Client
	Now  func() time.Time // nil: the system's
}

// Client asks one source host.
type Client struct {
	kind    Kind
	base    *url.URL
	timeout time.Duration
	http    *http.Client
	now     func() time.Time

	mu     sync.Mutex
	closed map[string]time.Time // by token: when the host may be asked again
}

// New makes a client. It asks nothing.
func New(o Options) (*Client, error) {
	if o.Kind == "" {
		o.Kind = GitHub
	}
	if o.Kind != GitHub && o.Kind != Gitea {
		return nil, fmt.Errorf("the kind of source host %q is not known: give github or gitea", o.Kind)
	}
	if o.URL == "" {
		if o.Kind != GitHub {
			return nil, fmt.Errorf("a source host of the kind %s has no URL: give its address", o.Kind)
		}
		o.URL = DefaultURL
	}
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the URL of the source host %q is not of the form https://HOST/PATH", o.URL)
	}
	if o.Kind == Gitea {
		base = base.JoinPath("api/v1")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Client{kind: o.Kind, base: base, timeout: o.Timeout, now: o.Now, closed: map[string]time.Time{}}
	if o.HTTP != nil {
		own := *o.HTTP
		c.http = &own
	} else {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = answerTime
		// The archive is gzip as it is, and is to stay so.
		transport.DisableCompression = true
		c.http = &http.Client{Transport: transport}
	}
	c.http.CheckRedirect = redirect
	return c, nil
}

// Host names the source host, for messages.
func (c *Client) Host() string { return c.base.Host }

// redirect follows to where the archive is, without the token: not to another host, nor another port or a weaker scheme of the same one.
func redirect(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	switch {
	case len(before) > maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	case next.URL.Scheme != "https" && (next.URL.Scheme != "http" || first.Scheme == "https"):
		return errors.New("it redirects to what is not https")
	case next.URL.Scheme != first.Scheme || next.URL.Host != first.Host:
		next.Header.Del("Authorization")
	}
	// What leads to the archive of a private repository may itself open it.
	next.Header.Del("Referer")
	return nil
}

// Commit names a commit of a repository.
type Commit struct {
	Repository string // OWNER/NAME
	ID         string // 40 hexadecimal digits
}

// Token opens private repositories. The zero Token is that of nobody.
type Token struct {
	Name   string // for messages
	Secret string
}

var partForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// split takes a repository's name apart. Nothing that means something in a URL gets through.
func (c Commit) split() (owner, name string, err error) {
	owner, name, _ = strings.Cut(c.Repository, "/")
	for _, part := range []string{owner, name} {
		if !partForm.MatchString(part) || part == "." || part == ".." {
			return "", "", fmt.Errorf("%q can't be the name of a repository: %w", c.Repository, ErrNoRepository)
		}
	}
	return owner, name, nil
}

// Archive begins to download the archive of a commit: a tar.gz, everything in one directory. The caller closes it. An error wraps ErrToken,
// ErrNoRepository or ErrNoCommit, is a *Later, or may be gone another time.
func (c *Client) Archive(ctx context.Context, commit Commit, token Token) (io.ReadCloser, error) {
	owner, name, err := commit.split()
	if err != nil {
		return nil, err
	}
	if err := c.open(token); err != nil {
		return nil, err
	}
	end := func() {}
	if c.timeout > 0 {
		ctx, end = context.WithTimeout(ctx, c.timeout)
	}
	answer, err := c.get(ctx, token, c.archivePath(owner, name, commit.ID)...)
	if err != nil {
		end()
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return &download{answer.Body, end}, nil
	}
	err = c.refusal(ctx, answer, commit, token)
	answer.Body.Close()
	end()
	return nil, err
}

func (c *Client) archivePath(owner, name, id string) []string {
	if c.kind == Gitea {
		return []string{"repos", owner, name, "archive", id + ".tar.gz"}
	}
	return []string{"repos", owner, name, "tarball", id}
}

// download is an archive on its way.
type download struct {
	io.ReadCloser
	end context.CancelFunc
}

// Close ends the download.
func (d *download) Close() error {
	defer d.end()
	return d.ReadCloser.Close()
}

func (c *Client) get(ctx context.Context, token Token, path ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path...).String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make a request to %s: %w", c.Host(), err)
	}
	r.Header.Set("User-Agent", "crossfade")
	if token.Secret != "" {
		r.Header.Set("Authorization", "token "+token.Secret) // the form that both kinds take
	}
	answer, err := c.http.Do(r)
	if err != nil {
		// The URL in the error may be that of a redirect, which opens a private archive.
		var about *url.Error
		if errors.As(err, &about) {
			err = about.Err
		}
		return nil, fmt.Errorf("ask %s: %w", c.Host(), err)
	}
	return answer, nil
}
