package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crossfade/internal/alarm"
	"crossfade/internal/alarm/httpapi"
)

func client(t *testing.T, o httpapi.Options) *httpapi.Client {
	t.Helper()
	c, err := httpapi.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestQuestionsCarryPathAndCredentials(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]httpapi.Options{
		"":                   {},
		"Bearer t0ken":       {BearerToken: "t0ken"},
		"Basic bWU6c2VjcmV0": {Username: "me", Password: "secret"},
		"Basic bWU6":         {Username: "me"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "[%q, %q, %q, %q]", r.Method, r.URL.Path, r.FormValue("q"), r.Header.Get("Authorization"))
		}))
		defer server.Close()
		o.URL, o.Timeout = server.URL+"/prefix/", time.Minute
		c := client(t, o)
		var get, post []string
		values := url.Values{"q": {"a b&c"}}
		if err := errors.Join(c.Get(t.Context(), "api/x", values, &get), c.Post(t.Context(), "api/x", values, &post)); err != nil {
			t.Fatal(err)
		}
		rest := " /prefix/api/x a b&c " + want
		if strings.Join(get, " ") != "GET"+rest || strings.Join(post, " ") != "POST"+rest {
			t.Errorf("got %q, %q, want %q", get, post, want)
		}
	}
}

func TestRefusalsSayWhatTheServerSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		text, want string
		is         error
	}{
		{http.StatusUnauthorized, "Unauthorized\n", "refuses with 401 Unauthorized (Unauthorized); give it credentials that may read", alarm.ErrDenied},
		{http.StatusForbidden, `{"message": "no tenant"}`, "refuses with 403 Forbidden (no tenant)", alarm.ErrDenied},
		{http.StatusTooManyRequests, `{"status":"error","errorType":"too_many_requests","error":"rate limit"}`, "429 Too Many Requests (rate limit)", alarm.ErrThrottled},
		{http.StatusBadRequest, `"bad matcher format"`, `answers with 400 Bad Request ("bad matcher format")`, nil},
		{http.StatusBadGateway, "", "answers with 502 Bad Gateway", nil},
		{http.StatusInternalServerError, "two\n\tlines\xff " + strings.Repeat("x", 1000), "(two lines " + strings.Repeat("x", 290) + " …)", nil},
		{http.StatusFound, "", `redirects to "/login"; configure the URL that answers by itself`, nil},
		{http.StatusOK, "<html>", "not what was asked for", nil},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/login")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.text)
		}))
		defer server.Close()
		err := client(t, httpapi.Options{URL: server.URL, Timeout: time.Minute}).Get(t.Context(), "x", nil, new([]string))
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestALookIsBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	}))
	defer server.Close()
	c := client(t, httpapi.Options{URL: server.URL, Timeout: 50 * time.Millisecond})
	ctx, done := c.Bounded(t.Context())
	defer done()
	for range 2 {
		err := c.Get(ctx, "x", nil, new([]string))
		if want := strings.TrimPrefix(server.URL, "http://") + " does not answer within 50ms"; err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := c.Get(stopped, "x", nil, new([]string)); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone gets %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]httpapi.Options{
		`the URL "" is not of the form`:  {},
		`"ftp://a" is not of the form`:   {URL: "ftp://a"},
		"is not of the form https://":    {URL: "http://me:secret@a"},
		"both a bearer token and a user": {URL: "http://a", BearerToken: "t", Username: "me"},
		"a password without a user name": {URL: "http://a", Password: "p"},
		"the timeout -1s is negative":    {URL: "http://a", Timeout: -time.Second},
	} {
		if _, err := httpapi.New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}
