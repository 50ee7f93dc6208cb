package enroll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"crossfade/internal/awsjson/client"
	"crossfade/internal/join"
)

// Renewer keeps a directory's credentials fresh. Directory, Now, Chance and Log are required.
type Renewer struct {
	Directory Directory
	Proxy     func(*http.Request) (*url.URL, error)
	Now       func() time.Time
	// Wait waits for the duration, or returns false when the context ends first; nil: by the system's clock.
	Wait func(ctx context.Context, d time.Duration) bool
	// Chance is from 0 to 1 and spreads the hosts that enrolled together.
	Chance func() float64
	// Renewed is called after each renewal; nil: nobody is told.
	Renewed func()
	Log     *slog.Logger
}

const (
	firstRetry   = 2 * time.Second
	longestRetry = 5 * time.Minute
	// leastPause is between two renewals that succeed, whatever the clocks say.
	leastPause = time.Second
)

// due is how long a session's renewal has time: until about half its life is over. What says no times is renewed at once.
func due(s Session, now time.Time, chance float64) time.Duration {
	life := s.ExpiresAt.Sub(s.IssuedAt)
	if life <= 0 {
		return leastPause
	}
	at := s.IssuedAt.Add(life * 2 / 5).Add(time.Duration(chance * float64(life) / 5))
	return max(leastPause, at.Sub(now))
}

// retry is the pause after a number of failures in a row.
func retry(failures int, chance float64) time.Duration {
	wait := longestRetry
	if failures < 9 {
		wait = min(longestRetry, firstRetry<<max(0, failures-1))
	}
	return wait/2 + time.Duration(chance*float64(wait)/2)
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Run renews until the context ends. A server that refuses is asked again, ever more seldom.
func (r *Renewer) Run(ctx context.Context) {
	pause := r.Wait
	if pause == nil {
		pause = wait
	}
	next := time.Duration(0)
	if s, err := r.Directory.Session(); err == nil && r.Now().Before(s.ExpiresAt) {
		next = due(s, r.Now(), r.Chance())
	}
	for failures := 0; ; {
		if next > 0 && !pause(ctx, next) {
			return
		}
		s, err := r.Renew(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			r.failed(err, failures)
			next = retry(failures, r.Chance())
		default:
			failures = 0
			next = due(s, r.Now(), r.Chance())
		}
	}
}

// failed logs the first failure of a row, and then ever more seldom.
func (r *Renewer) failed(err error, failures int) {
	if failures&(failures-1) != 0 {
		return
	}
	var refused *client.Refusal
	if errors.As(err, &refused) {
		r.Log.Error("the server does not renew the host's credentials", "error", err, "failures", failures,
			"hint", "if the host was removed or was off for too long, enrol it again with a new join token")
		return
	}
	r.Log.Warn("could not renew the host's credentials, trying again", "error", err, "failures", failures)
}

// Renew gets the next session and writes it down.
func (r *Renewer) Renew(ctx context.Context) (Session, error) {
	s, err := r.renew(ctx)
	if err != nil {
		return Session{}, fmt.Errorf("renew the host's credentials: %w", err)
	}
	r.Log.Info("the host's credentials were renewed", "expires", s.ExpiresAt.UTC().Format(time.RFC3339))
	if r.Renewed != nil {
		r.Renewed()
	}
	return s, nil
}

func (r *Renewer) renew(ctx context.Context) (Session, error) {
	settings, err := r.Directory.Load()
	if err != nil {
		return Session{}, err
	}
	before, err := r.Directory.Session()
	if err != nil {
		return Session{}, err
	}
	trust, err := settings.trust()
	if err != nil {
		return Session{}, err
	}
	c := newHTTPClient(trust, r.Proxy)
	defer c.CloseIdleConnections()
	var out join.RenewHostCredentialsOutput
	if err := call(ctx, c, settings.Endpoint, settings.Region, before.Credential, r.Now, "RenewHostCredentials", join.RenewHostCredentialsInput{}, &out); err != nil {
		return Session{}, err
	}
	s, err := sessionOf(out.Session, r.Now())
	if err != nil {
		return Session{}, err
	}
	return s, r.Directory.WriteSession(s)
}

func (s Settings) trust() (*tls.Config, error) {
	if s.CA == "" {
		return trusting(nil, "")
	}
	content, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, err
	}
	return trusting(content, s.CA)
}
