package edge_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/edge"
	"crossfade/internal/sigv4"
)

// events is a page without an end: it says who asks and goes on until its context ends.
func events(w http.ResponseWriter, r *http.Request) {
	c, _ := auth.FromContext(r.Context())
	if r.URL.Query().Has("panic") {
		panic("on purpose")
	}
	fmt.Fprintln(w, "caller "+c.ARN)
	if err := http.NewResponseController(w).Flush(); err != nil {
		panic(err)
	}
	if r.URL.Query().Has("hold") {
		<-r.Context().Done()
		fmt.Fprintln(w, "the end")
	}
}

var reads = map[string]edge.Read{"/events": {Operation: "GetEvents", Handler: http.HandlerFunc(events)}}

// TestReads holds that a page behind a signature is read by an account's own people, with the right scope, and that a bucket of its name stays one.
func TestReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, tt := range []struct {
		name   string
		ask    ask
		status int
		say    string
	}{
		{"root", ask{"GET", "/events?application=shop", "", "ROOT", "crossfade", ""}, 200, "caller " + auth.RootARN("1")},
		{"a host", ask{"GET", "/events", "", "HOST", "crossfade", ""}, 400, "is not authorized to perform: crossfade:GetEvents"},
		{"nobody", ask{"GET", "/events", "", "", "", ""}, 400, "MissingAuthenticationTokenException"},
		{"an unknown key", ask{"GET", "/events", "", "NOBODY", "crossfade", ""}, 400, "UnrecognizedClientException"},
		{"another scope", ask{"GET", "/events", "", "ROOT", "codedeploy", ""}, 400, "should be scoped to service crossfade"},
		{"a bucket of the name", ask{"GET", "/events", "", "ROOT", "s3", ""}, 200, "object"},
		{"written to the bucket", ask{"PUT", "/events", "", "ROOT", "s3", "x"}, 200, "object x"},
		{"posted", ask{"POST", "/events", "", "ROOT", "crossfade", "{}"}, 400, "UnknownOperationException"},
		{"a target", ask{"GET", "/events", poll, "HOST", "crossfade", ""}, 400, "UnknownOperationException"},
		{"below it", ask{"GET", "/events/x", "", "ROOT", "crossfade", ""}, 400, "UnknownOperationException"},
		{"panic", ask{"GET", "/events?panic", "", "ROOT", "crossfade", ""}, 500, "InternalFailure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body, _ := f.do(t, tt.ask)
			if status != tt.status || !strings.Contains(body, tt.say) {
				t.Errorf("got %d %.200s, want %d saying %q", status, body, tt.status, tt.say)
			}
		})
	}
}

// TestReadChanged holds that what is asked for can't be changed under a signature.
func TestReadChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/events?application=shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(r, sigv4.Credential{AccessKeyID: "ROOT", SecretAccessKey: secret}, "us-east-1", "crossfade", sigv4.Hash(nil), time.Now())
	r.URL.RawQuery = "application=other"
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		t.Error("another query is read with the signature")
	}
}

// TestReadEndsWithTheServer holds that a page without an end does not keep a server from stopping.
func TestReadEndsWithTheServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+"/events?hold=", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(r, sigv4.Credential{AccessKeyID: "ROOT", SecretAccessKey: secret}, "us-east-1", "crossfade", sigv4.Hash(nil), time.Now())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "caller ") {
		t.Fatalf("the answer begins with %q, %v", lines.Text(), lines.Err())
	}
	f.Drain()
	if !lines.Scan() || lines.Text() != "the end" || lines.Scan() {
		t.Errorf("the answer ends with %q, %v", lines.Text(), lines.Err())
	}
	if status, body, _ := f.do(t, ask{"GET", "/events", "", "ROOT", "crossfade", ""}); status != 503 || !strings.Contains(body, "ServiceUnavailable") {
		t.Errorf("then another gets %d %s", status, body)
	}
}
