package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load sends requests through the load balancer at a steady rate and notes when each environment first answers.
type load struct {
	post             bool // instead of GET
	requests, failed atomic.Int64
	mu               sync.Mutex
	failure          string
	watch            string    // the environment whose first answer is wanted
	first            time.Time // when it came
}

func (l *load) run(ctx context.Context, url string, rate int) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	slots := make(chan struct{}, 256)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			l.one(client, url)
		})
	}
}

func (l *load) one(client *http.Client, url string) {
	l.requests.Add(1)
	var res *http.Response
	var err error
	if l.post {
		res, err = client.Post(url, "text/plain", strings.NewReader("order one"))
	} else {
		res, err = client.Get(url)
	}
	now := time.Now()
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		err = errors.Join(err, res.Body.Close())
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(res.Status)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed.Add(1)
		l.failure = err.Error()
		return
	}
	if l.first.IsZero() && res.Header.Get("X-Environment") == l.watch {
		l.first = now
	}
}

func (l *load) expect(env string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch, l.first = env, time.Time{}
}

func (l *load) firstAnswer() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}
