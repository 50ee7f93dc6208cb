//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	agent "crossfade/internal/agent/control"
	"crossfade/internal/envelope"
	"crossfade/internal/operator"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire/control"
)

// badKey is the bundle on which AfterInstall fails.
const badKey = "bad.zip"

// host is a machine: an application that answers while it is installed, and a simulated agent that speaks the real protocol.
type host struct {
	name    string
	address string // of the application
	client  *agent.Client
	ledger  *ledger
	up      atomic.Bool // the application answers
	bad     map[string]bool
}

// newHost registers a host and starts both.
func newHost(t *testing.T, by *operator.Client, at string, l *ledger, name string, tags map[string]string) *host {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{name: name, address: listener.Addr().String(), ledger: l, bad: map[string]bool{}}
	app := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := app.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	in := operator.AddHostInput{Name: &name, Tags: []control.Tag{{Key: new("crossfade:address"), Value: &h.address}}}
	for k, v := range tags {
		in.Tags = append(in.Tags, control.Tag{Key: &k, Value: &v})
	}
	made, err := by.AddHost(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	key := sigv4.Credential{AccessKeyID: *made.AccessKeyID, SecretAccessKey: *made.SecretAccessKey}
	h.client = &agent.Client{
		Endpoint: at, Host: *made.IAMUserARN, Version: "crossfade/faults", Now: time.Now,
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}},
		Sign: func(_ context.Context, r *http.Request, service, payload string, at time.Time) error {
			sigv4.Sign(r, key, region, service, payload, at)
			return nil
		},
	}
	running.Go(func() { h.run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := app.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	return h
}

// ServeHTTP is the application: an instance that has traffic while it is being installed shows.
func (h *host) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if !h.up.Load() {
		http.Error(w, h.name+" is not installed", http.StatusServiceUnavailable)
		return
	}
	if _, err := fmt.Fprintln(w, h.name); err != nil {
		return // the visitor has gone
	}
}

func (h *host) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		cmd, err := h.client.Poll(ctx)
		switch {
		case err != nil:
			failures++
			pause(ctx, failures)
		case cmd != nil:
			failures = 0
			h.do(ctx, cmd)
		default:
			failures = 0
		}
	}
}

// do carries a command through, as an agent does.
func (h *host) do(ctx context.Context, cmd *agent.Command) {
	deployment := strings.SplitN(cmd.ExecutionID+"///", "/", 4)[2]
	if _, known := h.bad[deployment]; !known {
		var content []byte
		err := insist(ctx, func() error {
			sealed, err := h.client.Specification(ctx, cmd.ExecutionID)
			if err == nil {
				content, err = envelope.Verify(sealed, envelope.Trust{}, time.Now())
			}
			return err
		})
		if err != nil {
			return
		}
		h.bad[deployment] = bytes.Contains(content, []byte(badKey))
	}
	wanted := false
	err := insist(ctx, func() (err error) {
		wanted, err = h.client.Acknowledge(ctx, cmd.ID, false)
		return err
	})
	if err != nil || !wanted {
		return
	}
	h.ledger.ran(deployment, h.name, cmd.Name)
	switch cmd.Name {
	case "ApplicationStop":
		h.up.Store(false)
	case "ApplicationStart":
		h.up.Store(true)
	}
	time.Sleep(rand.N(20 * time.Millisecond)) // it takes a while, so that faults come in the middle too
	good := !h.bad[deployment] || cmd.Name != "AfterInstall"
	diagnostics := `{"error_code":0,"script_name":"","message":"Succeeded","log":""}`
	if !good {
		diagnostics = `{"error_code":4,"script_name":"after.sh","message":"Script at specified location: after.sh failed with exit code 1","log":""}`
	}
	if err := insist(ctx, func() error { return h.client.Complete(ctx, cmd.ID, good, diagnostics) }); err == nil && good {
		h.ledger.succeeded(deployment, h.name, cmd.Name)
	}
}

// insist repeats a call until it succeeds, fails for good, or the test ends.
func insist(ctx context.Context, call func() error) error {
	for failures := 1; ; failures++ {
		err := call()
		if err == nil || ctx.Err() != nil || agent.Final(err) || !agent.Transient(err) {
			return err
		}
		pause(ctx, failures)
	}
}

// pause waits longer after more failures.
func pause(ctx context.Context, failures int) {
	limit := min(2*time.Second, 50*time.Millisecond<<min(failures-1, 10))
	select {
	case <-ctx.Done():
	case <-time.After(limit/2 + rand.N(limit/2)):
	}
}

// visitors ask a listener of a load balancer again and again, and count what was not answered well.
type visitors struct {
	requests, failed atomic.Int64
	first            atomic.Pointer[string] // failure
}

func (v *visitors) visit(ctx context.Context, url string) {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		v.once(ctx, client, url)
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (v *visitors) once(ctx context.Context, client *http.Client, url string) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		v.fail(err.Error())
		return
	}
	res, err := client.Do(q)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		v.requests.Add(1)
		v.fail(err.Error())
		return
	}
	var body bytes.Buffer
	_, err = body.ReadFrom(res.Body)
	if err = errors.Join(err, res.Body.Close()); ctx.Err() != nil {
		return
	}
	v.requests.Add(1)
	if err != nil || res.StatusCode != http.StatusOK {
		v.fail(fmt.Sprintf("%s: %s: %s %v", url, res.Status, body.String(), err))
	}
}

func (v *visitors) fail(why string) {
	v.failed.Add(1)
	why = time.Now().Format("15:04:05.000") + " " + why
	v.first.CompareAndSwap(nil, &why)
}
