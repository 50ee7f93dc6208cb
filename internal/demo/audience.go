package demo

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"crossfade/internal/demo/app"
)

const (
	// askTimeout is how long a request may take; one that takes longer has failed.
	askTimeout = 10 * time.Second
	// maxUnderWay bounds the requests at the same time; one that would be more has failed.
	maxUnderWay = 500
)

// audience sends requests at a steady rate, whatever becomes of those before, and counts who answers.
type audience struct {
	url    string
	rate   int
	client *http.Client
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	tally tally
	marks map[string]*mark
}

// tally is what the audience has seen.
type tally struct {
	requests, failed int64
	byVersion        map[string]int64
	byInstance       map[string]int64 // by the address that it serves on
	versions         map[string]string
	failures         []string // the first few, in words
}

// mark is when a version answered.
type mark struct{ first, last time.Time }

// maxFailures bounds the failures kept in words.
const maxFailures = 3

func newAudience(url string, rate int) *audience {
	return &audience{
		url: url, rate: rate, marks: map[string]*mark{},
		tally: tally{byVersion: map[string]int64{}, byInstance: map[string]int64{}, versions: map[string]string{}},
		client: &http.Client{Timeout: askTimeout, Transport: &http.Transport{
			MaxIdleConnsPerHost: maxUnderWay, DialContext: (&net.Dialer{Timeout: askTimeout}).DialContext,
		}},
	}
}

// start begins to ask.
func (a *audience) start(ctx context.Context) {
	ctx, a.stop = context.WithCancel(ctx)
	a.done.Go(func() { a.ask(ctx) })
}

// end stops asking, and waits until every request has its answer.
func (a *audience) end() {
	a.stop()
	a.done.Wait()
	a.client.CloseIdleConnections()
}

func (a *audience) ask(ctx context.Context) {
	slots := make(chan struct{}, maxUnderWay)
	begun := time.Now()
	sent := int64(0)
	tick := time.NewTicker(time.Second / time.Duration(a.rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// A ticker drops ticks on a busy machine; what is due by the clock is sent all the same.
		due := int64(time.Since(begun) * time.Duration(a.rate) / time.Second)
		for ; sent < due; sent++ {
			select {
			case slots <- struct{}{}:
				// A request outlives the end: what was asked is answered and counted.
				a.done.Go(func() {
					a.one(context.WithoutCancel(ctx))
					<-slots
				})
			default:
				a.count("", "", fmt.Errorf("%d requests wait for an answer already", maxUnderWay))
			}
		}
	}
}

func (a *audience) one(ctx context.Context) {
	version, instance, err := a.request(ctx)
	a.count(version, instance, err)
}

func (a *audience) request(ctx context.Context) (version, instance string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return "", "", err
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return "", "", err
	}
	body, err := io.ReadAll(answer.Body)
	if closeErr := answer.Body.Close(); err == nil {
		err = closeErr
	}
	version, instance = answer.Header.Get(app.HeaderVersion), answer.Header.Get(app.HeaderInstance)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("read an answer: %w", err)
	case answer.StatusCode != http.StatusOK:
		return "", "", fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(body)))
	case version == "" || strings.TrimSpace(string(body)) != version:
		return "", "", fmt.Errorf("an answer %q that names the version %q", body, version)
	}
	return version, instance, nil
}

func (a *audience) count(version, instance string, err error) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tally.requests++
	if err != nil {
		a.tally.failed++
		if len(a.tally.failures) < maxFailures {
			a.tally.failures = append(a.tally.failures, err.Error())
		}
		return
	}
	a.tally.byVersion[version]++
	a.tally.byInstance[instance]++
	a.tally.versions[instance] = version
	m := a.marks[version]
	if m == nil {
		m = &mark{first: now}
		a.marks[version] = m
	}
	m.last = now
}

// seen is a copy of the tally.
func (a *audience) seen() tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tally
	t.byVersion, t.byInstance, t.versions = maps.Clone(t.byVersion), maps.Clone(t.byInstance), maps.Clone(t.versions)
	t.failures = slices.Clone(t.failures)
	return t
}

// answered is when the version first and last answered.
func (a *audience) answered(version string) mark {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := a.marks[version]; m != nil {
		return *m
	}
	return mark{}
}
