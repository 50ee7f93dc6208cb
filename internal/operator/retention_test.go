package operator

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/retention"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/wire"
)

// broom is a cleaning with one deployment to remove.
type broom struct {
	last  retention.Summary
	err   error
	woken int
}

func (b *broom) Plan(_ context.Context, account string) (retention.Plan, error) {
	p := retention.Plan{Deployments: []retention.Share{}, Revisions: []retention.Share{}}
	if account == "000000000000" {
		p.Deployments = append(p.Deployments, retention.Share{
			ID: "g", Name: "shop/web", Count: 1, Why: map[retention.Reason]int{retention.OverAge: 1}, Held: map[store.Hold]int{store.HeldByGroup: 2}, Examples: []string{"d-1"},
		})
	}
	return p, b.err
}

func (b *broom) Kept() retention.Policy {
	return retention.Policy{Deployments: retention.Limit{Age: 48 * time.Hour, Count: 5}}
}
func (b *broom) Last() retention.Summary { return b.last }
func (b *broom) Wake()                   { b.woken++ }

func TestWhatWouldBeCleanedUpIsTold(t *testing.T) {
	t.Parallel()
	b := &broom{}
	h, err := awsjson.New(awsjson.Config{
		Services: []wire.Service{Describe(&Service{Cleaning: b})}, Strict: true, Log: slog.New(slog.DiscardHandler), NewRequestID: func() string { return "id" },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		root := auth.Caller{Principal: auth.Principal{ARN: auth.RootARN("000000000000"), Account: "000000000000", Kind: auth.Root}}
		h.ServeHTTP(w, q.WithContext(auth.WithCaller(q.Context(), root)))
	}))
	t.Cleanup(s.Close)
	c := &Client{Endpoint: s.URL, Region: "eu-test-1", Credential: sigv4.Credential{AccessKeyID: "A", SecretAccessKey: "B"}, HTTP: s.Client(), Now: time.Now}
	want := GetRetentionOutput{
		Kept: KeptFor{
			Words: "deployments: 2 days, the newest 5 of a group; logs: for ever; revisions: for ever", DeploymentsAge: "48h0m0s", DeploymentsCount: 5,
			LogsAge: "0s", RevisionsAge: "0s",
		},
	}
	want.Plan, _ = b.Plan(t.Context(), "000000000000")
	if got, err := c.Retention(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	b.last = retention.Summary{Began: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Took: time.Second, Deployments: 3}
	if got, err := c.Retention(t.Context()); err != nil || got.Last == nil || !reflect.DeepEqual(*got.Last, b.last) {
		t.Errorf("the last round: %+v, %v", got.Last, err)
	}
	if err := c.RunRetention(t.Context()); err != nil || b.woken != 1 {
		t.Errorf("run: %v, woken %d times", err, b.woken)
	}
	b.err = errors.New("no disk")
	if _, err := c.Retention(t.Context()); err == nil {
		t.Error("a plan that can't be made is told")
	}
}
