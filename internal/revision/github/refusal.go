package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What a source host refuses for.
var (
	// ErrToken: it wants a token, or another one.
	ErrToken = errors.New("the token is missing or refused")
	// ErrNoRepository: there is no such repository, or none that the token may see; hosts don't say which.
	ErrNoRepository = errors.New("no such repository")
	// ErrNoCommit: the repository is there and does not have the commit.
	ErrNoCommit = errors.New("no such commit")
)

// Later is the refusal of a host that was asked too often.
type Later struct {
	Host string
	At   time.Time // when it may be asked again
}

func (l *Later) Error() string {
	return fmt.Sprintf("%s was asked too often and wants to be asked again at %s", l.Host, l.At.UTC().Format(time.RFC3339))
}

// RetryAt is when to try again, for those who know no Later.
func (l *Later) RetryAt() time.Time { return l.At }

const (
	// laterUnsaid is how long to leave a host alone that does not say how long, as GitHub asks for.
	laterUnsaid = time.Minute
	// laterMost bounds what a host may say: GitHub's limits are by the hour.
	laterMost = time.Hour
	// maxRefusal is how much of a refusal's text is read.
	maxRefusal = 4 << 10
)

// refusal reads an answer that is no archive.
func (c *Client) refusal(ctx context.Context, answer *http.Response, commit Commit, token Token) error {
	if at, limited := c.limited(answer); limited {
		return c.closeUntil(token, at)
	}
	switch status := answer.StatusCode; status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s answers %d: %w", c.Host(), status, ErrToken)
	case http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusUnavailableForLegalReasons:
		return c.missing(ctx, commit, token)
	default:
		return fmt.Errorf("ask %s for commit %s of %s: it answers %s", c.Host(), commit.ID, commit.Repository, answer.Status)
	}
}

// missing finds out whether it is the commit or the repository that is not there.
func (c *Client) missing(ctx context.Context, commit Commit, token Token) error {
	owner, name, err := commit.split()
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, token, "repos", owner, name)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if at, limited := c.limited(answer); limited {
		return c.closeUntil(token, at)
	}
	switch status := answer.StatusCode; status {
	case http.StatusOK:
		return fmt.Errorf("%s has no commit %s in %s: %w", c.Host(), commit.ID, commit.Repository, ErrNoCommit)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%s answers %d: %w", c.Host(), status, ErrToken)
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return fmt.Errorf("%s shows no repository %s: %w", c.Host(), commit.Repository, ErrNoRepository)
	default:
		return fmt.Errorf("ask %s for the repository %s: it answers %s", c.Host(), commit.Repository, answer.Status)
	}
}

// limited tells whether an answer says that the host was asked too often, and until when to leave it alone.
func (c *Client) limited(answer *http.Response) (time.Time, bool) {
	now, h := c.now(), answer.Header
	after := h.Get("Retry-After")
	spent := h.Get("X-RateLimit-Remaining") == "0"
	switch answer.StatusCode {
	case http.StatusTooManyRequests:
	case http.StatusServiceUnavailable:
		if after == "" {
			return time.Time{}, false
		}
	case http.StatusForbidden:
		if after == "" && !spent && !saysLimit(answer.Body) {
			return time.Time{}, false
		}
	default:
		return time.Time{}, false
	}
	at := now.Add(laterUnsaid)
	if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
		at = now.Add(time.Duration(min(seconds, int(laterMost/time.Second))) * time.Second)
	} else if date, err := http.ParseTime(after); err == nil {
		at = date
	} else if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); spent && err == nil {
		at = time.Unix(reset, 0)
	}
	if at.After(now.Add(laterMost)) {
		at = now.Add(laterMost)
	}
	return at, true
}

// saysLimit reads the message of GitHub's secondary limit, which has no header of its own.
func saysLimit(body io.Reader) bool {
	text, err := io.ReadAll(io.LimitReader(body, maxRefusal))
	return err == nil && strings.Contains(strings.ToLower(string(text)), "rate limit")
}

// closeUntil remembers not to ask before the time.
func (c *Client) closeUntil(token Token, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for secret, until := range c.closed {
		if !until.After(now) {
			delete(c.closed, secret)
		}
	}
	c.closed[token.Secret] = at
	return &Later{Host: c.Host(), At: at}
}

// open refuses to ask a host that said when it wants to be asked again.
func (c *Client) open(token Token) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, closed := c.closed[token.Secret]; closed && at.After(c.now()) {
		return &Later{Host: c.Host(), At: at}
	}
	return nil
}
