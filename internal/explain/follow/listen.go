package follow

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crossfade/internal/sigv4"
	"crossfade/internal/sse"
)

const (
	eventsPath = "/events"
	eventsName = "crossfade" // the signing name of what is the server's own
	// longestEvent bounds a line of the stream, in bytes.
	longestEvent = 1 << 20
)

// The times between two tries to open the stream.
const (
	quickRetry = time.Second
	slowRetry  = 30 * time.Second
)

// Listener hears of changes from the server's stream of events and wakes a follower. It only saves time: where the server has no stream, or
// breaks it off, the follower still looks of its own accord.
type Listener struct {
	client *Client
	id     string
	sleep  func(context.Context, time.Duration) error
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// Listen begins to listen for events of a deployment. Sleep waits between two tries; it returns the context's error when that ends first.
func (c *Client) Listen(id string, sleep func(context.Context, time.Duration) error) *Listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Listener{client: c, id: id, sleep: sleep, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go l.run(ctx)
	return l
}

// Wake receives after something has happened to the deployment; it is what Follower.Wake is for.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

// Stop ends the listening and waits for its end.
func (l *Listener) Stop() {
	l.cancel()
	<-l.done
}

func (l *Listener) run(ctx context.Context) {
	defer close(l.done)
	wait := quickRetry
	for {
		opened, final := l.hear(ctx)
		if opened {
			wait = quickRetry
		}
		if final || l.sleep(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, slowRetry)
	}
}

// hear opens the stream and listens to its end. It reports whether there was a stream, and whether there is none to try for again.
func (l *Listener) hear(ctx context.Context) (opened, final bool) {
	at := strings.TrimRight(l.client.Endpoint, "/") + eventsPath + "?" + url.Values{"deployment": {l.id}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return false, true
	}
	r.Header.Set("Accept", sse.ContentType)
	sigv4.Sign(r, l.client.Credential, l.client.Region, eventsName, sigv4.Hash(nil), l.client.Now())
	answer, err := l.client.HTTP.Do(r)
	if err != nil {
		return false, false
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), sse.ContentType) {
		return false, answer.StatusCode < http.StatusInternalServerError && answer.StatusCode != http.StatusTooManyRequests
	}
	l.tell() // what happened before the stream was open
	quoted := fmt.Appendf(nil, "%q", l.id)
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 0, 4096), longestEvent)
	for lines.Scan() {
		if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:")); ok && bytes.Contains(data, quoted) {
			l.tell()
		}
	}
	return true, false
}

// tell wakes the follower, once for all that it has not seen yet.
func (l *Listener) tell() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
