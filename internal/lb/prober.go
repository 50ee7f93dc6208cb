package lb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// prober makes the health checks of one target group. Each probe takes a new connection, so that a target which accepts no more
// connections is noticed.
type prober struct {
	client *http.Client
	check  HealthCheck
	match  matcher
}

func newProber(hc HealthCheck, match matcher) *prober {
	return &prober{
		check: hc,
		match: match,
		client: &http.Client{
			Timeout: hc.Timeout,
			Transport: &http.Transport{
				DisableKeepAlives:      true,
				DisableCompression:     true,
				MaxResponseHeaderBytes: 64 << 10,
				DialContext:            (&net.Dialer{}).DialContext,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// probe returns nil when the target passed, else why not.
func (p *prober) probe(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+p.check.Path, nil)
	if err != nil {
		return fmt.Errorf("make health check request: %w", err)
	}
	req.Header.Set("User-Agent", "crossfade-health-check")
	resp, err := p.client.Do(req)
	if err != nil {
		var network net.Error
		if errors.As(err, &network) && network.Timeout() {
			return fmt.Errorf("health check GET %s had no answer within %s", p.check.Path, p.check.Timeout)
		}
		return fmt.Errorf("health check: %w", errors.Unwrap(err))
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("health check GET %s: end answer: %w", p.check.Path, err)
	}
	if !p.match.accepts(resp.StatusCode) {
		return fmt.Errorf("health check GET %s answered %d, wanted %s", p.check.Path, resp.StatusCode, p.check.Matcher)
	}
	return nil
}

// watch probes the target until ctx ends. It owns the goroutine that calls it.
func (t *target) watch(ctx context.Context, p *prober) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-t.probeNow:
			timer.Stop()
		}
		err := p.probe(ctx, t.address)
		if ctx.Err() != nil {
			return
		}
		pause := t.group.judge(t, err)
		for _, c := range t.group.expired(t, time.Now()) {
			c.close()
		}
		timer.Reset(pause)
	}
}
