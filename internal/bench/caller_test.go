package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/agent/control"
	"crossfade/internal/sigv4"
)

var who = identity{"host", "arn:aws:iam::123456789012:user/host", sigv4.Credential{AccessKeyID: "AKIDBENCHHOST", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"}}

type keys struct{}

func (keys) Secret(_ context.Context, id, _ string) (string, error) {
	if id != who.key.AccessKeyID {
		return "", sigv4.ErrUnknownKey
	}
	return who.key.SecretAccessKey, nil
}

// clock is one that is set.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// callerTo is a caller of an endpoint, with the real agent's client of the same host beside it.
func callerTo(t *testing.T, endpoint string, like *http.Client, now func() time.Time) (*caller, *control.Client) {
	t.Helper()
	l := lineAt(t.Context(), t, endpoint, like)
	c := newCaller(*l, newHeads(l.route), who, "eu-west-1", now)
	t.Cleanup(c.line.close)
	return c, &control.Client{
		Endpoint: endpoint, Host: who.arn, Version: agentVersion, HTTP: like, Now: now,
		Sign: func(_ context.Context, r *http.Request, service, payload string, at time.Time) error {
			sigv4.Sign(r, who.key, "eu-west-1", service, payload, at)
			return nil
		},
	}
}

// TestACallerAsksAsTheRealClient holds that the requests are those of a real agent, signature and all, whatever the day, and that the server's own verifier
// takes them.
func TestACallerAsksAsTheRealClient(t *testing.T) {
	t.Parallel()
	const id = `id "1" <\é`
	const diagnostics = `{"error_code":0,"script_name":"","message":"Succeeded","log":""}`
	calls := map[string]struct {
		answer string
		lean   func(*caller) (any, error)
		real   func(context.Context, *control.Client) (any, error)
	}{
		"PollHostCommand": {
			`{"HostCommand":{"HostCommandIdentifier":"i\n","HostIdentifier":"user/host","DeploymentExecutionId":"a/b/c/d","CommandName":"Install","Nonce":7}}`,
			func(c *caller) (any, error) {
				cmd, _, err := c.Poll()
				return control.Command{ID: cmd.id, ExecutionID: cmd.execution, Name: cmd.name}, err
			},
			func(ctx context.Context, c *control.Client) (any, error) {
				cmd, err := c.Poll(ctx)
				if err != nil {
					return control.Command{}, err
				}
				return *cmd, nil
			},
		},
		"GetDeploymentSpecification": {
			`{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{"GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"pem"}}}`,
			func(c *caller) (any, error) { return nil, c.Specification(id) },
			func(ctx context.Context, c *control.Client) (any, error) {
				_, err := c.Specification(ctx, id)
				return nil, err
			},
		},
		"PutHostCommandAcknowledgement": {
			`{"CommandStatus":"InProgress"}`,
			func(c *caller) (any, error) { return c.Acknowledge(id, true) },
			func(ctx context.Context, c *control.Client) (any, error) { return c.Acknowledge(ctx, id, true) },
		},
		"PutHostCommandComplete": {
			``,
			func(c *caller) (any, error) { return nil, c.Complete(id) },
			func(ctx context.Context, c *control.Client) (any, error) {
				return nil, c.Complete(ctx, id, true, diagnostics)
			},
		},
	}
	days := []time.Time{time.Date(2024, 2, 28, 23, 59, 59, 0, time.UTC), time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 3, 1, 0, 30, 0, 0, time.FixedZone("", 3600))}
	for _, at := range []string{"", "/", "/below/it/"} {
		for _, tls := range []bool{false, true} {
			var got []*http.Request
			var bodies []string
			var times clock
			v := &sigv4.Verifier{Region: "eu-west-1", Services: []string{control.Service}, Keys: keys{}, Now: times.now}
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				if _, err := v.Verify(r.Context(), r, body); err != nil {
					t.Error(err)
				}
				got, bodies = append(got, r), append(bodies, string(body))
				_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
				if _, err := io.WriteString(w, calls[operation].answer); err != nil {
					t.Error(err)
				}
			}))
			if tls {
				s.StartTLS()
			} else {
				s.Start()
			}
			t.Cleanup(s.Close)
			lean, real := callerTo(t, s.URL+at, s.Client(), times.now)
			for _, day := range days {
				times.set(day)
				for name, call := range calls {
					got, bodies = nil, nil
					a, err := call.lean(lean)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					b, err := call.real(t.Context(), real)
					if err != nil || !reflect.DeepEqual(a, b) || len(got) != 2 {
						t.Fatalf("%s: %+v, the real client %+v, %v", name, a, b, err)
					}
					got[1].Header.Del("Accept-Encoding")
					if !reflect.DeepEqual(got[0].Header, got[1].Header) || bodies[0] != bodies[1] || got[0].Host != got[1].Host || got[0].RequestURI != got[1].RequestURI || got[0].Method != got[1].Method {
						t.Errorf("%s:\n%+v %s\nthe real client:\n%+v %s", name, got[0], bodies[0], got[1], bodies[1])
					}
				}
			}
		}
	}
}

// TestACallerJudgesAsTheRealClient holds that the same answer is the same error, or none.
func TestACallerJudgesAsTheRealClient(t *testing.T) {
	t.Parallel()
	type answers struct {
		status  int
		text    string
		chunked bool
	}
	var now atomic.Pointer[answers]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		a := now.Load()
		w.WriteHeader(a.status)
		half := len(a.text) / 2
		for _, part := range []string{a.text[:half], a.text[half:]} {
			if _, err := io.WriteString(w, part); err != nil {
				return // it was too much for the caller
			}
			if a.chunked {
				w.(http.Flusher).Flush()
			}
		}
	}))
	t.Cleanup(s.Close)
	lean, real := callerTo(t, s.URL, s.Client(), time.Now)
	operations := map[string][2]func() (bool, error){
		"poll": {
			func() (bool, error) { _, given, err := lean.Poll(); return given, err },
			func() (bool, error) { cmd, err := real.Poll(t.Context()); return cmd != nil, err },
		},
		"specification": {
			func() (bool, error) { return true, lean.Specification("a/b/c/d") },
			func() (bool, error) { _, err := real.Specification(t.Context(), "a/b/c/d"); return true, err },
		},
		"acknowledge": {
			func() (bool, error) { return lean.Acknowledge("id", false) },
			func() (bool, error) { return real.Acknowledge(t.Context(), "id", false) },
		},
		"complete": {
			func() (bool, error) { return true, lean.Complete("id") },
			func() (bool, error) { return true, real.Complete(t.Context(), "id", true, "{}") },
		},
	}
	for _, c := range []struct {
		status int
		answer string
	}{
		{200, `{}`},
		{200, ``},
		{200, `{`},
		{200, `[]`},
		{200, `{"HostCommand":null}`},
		{200, `{"HostCommand":{"HostCommandIdentifier":"id","HostIdentifier":"other","DeploymentExecutionId":"a","CommandName":"b"}}`},
		{200, `{"HostCommand":{"HostCommandIdentifier":"id","HostIdentifier":"host","DeploymentExecutionId":"a"}}`},
		{200, `{"HostCommand":{"HostCommandIdentifier":"id","HostIdentifier":"host","DeploymentExecutionId":"a","CommandName":"b"}}`},
		{200, `{"CommandStatus":"Failed"}`},
		{200, `{"CommandStatus":"Succeeded"}`},
		{200, `{"CommandStatus":"Pending"}`},
		{200, `{"DeploymentSystem":"CodeDeploy"}`},
		{200, `{"DeploymentSystem":"other","DeploymentSpecification":{"GenericEnvelope":{"Format":"PKCS7/JSON"}}}`},
		{200, `{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{"GenericEnvelope":{"Format":"TEXT/JSON"}}}`},
		{200, `{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{"GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"` + strings.Repeat("x", 9000) + `"}}}`},
		{200, `{}` + strings.Repeat(" ", 1<<20)},
		{204, ``},
		{400, `{"__type":"a#ClientException:x","message":"m"}`},
		{400, `{"__type":"ThrottlingException"}`},
		{403, `{"__type":"InvalidSignatureException"}`},
		{404, `not found`},
		{500, `{"__type":"ServerException","Message":"M"}`},
		{503, ``},
	} {
		for name, both := range operations {
			for _, chunked := range []bool{false, true} {
				now.Store(&answers{c.status, c.answer, chunked})
				a, gotErr := both[0]()
				b, wantErr := both[1]()
				var got, want *control.Failure
				errors.As(gotErr, &got)
				errors.As(wantErr, &want)
				switch {
				case a != b || (gotErr == nil) != (wantErr == nil), !reflect.DeepEqual(got, want),
					control.Final(gotErr) != control.Final(wantErr), control.Transient(gotErr) != control.Transient(wantErr):
					t.Errorf("%s, %d %.80s: %v, %v; the real client %v, %v", name, c.status, c.answer, a, gotErr, b, wantErr)
				}
			}
		}
	}
	s.Close()
	for name, both := range operations {
		if _, err := both[0](); err == nil || control.Final(err) || !control.Transient(err) {
			t.Errorf("%s of a server that is away: %v", name, err)
		}
	}
}

// TestACallerTakesTheServersClock holds that requests are dated by the server's clock once it refuses those of a clock that is far off.
func TestACallerTakesTheServersClock(t *testing.T) {
	t.Parallel()
	here := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	there := here.Add(time.Hour)
	v := &sigv4.Verifier{Region: "eu-west-1", Services: []string{control.Service}, Keys: keys{}, Now: func() time.Time { return there }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Date", there.Format(http.TimeFormat))
		if _, err := v.Verify(r.Context(), r, body); err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(s.Close)
	c, _ := callerTo(t, s.URL, s.Client(), func() time.Time { return here })
	if err := c.Complete("id"); err == nil || control.Final(err) || !control.Transient(err) {
		t.Errorf("got %v", err)
	}
	if err := c.Complete("id"); err != nil {
		t.Error(err)
	}
}

// said is a connection on which the server has said everything already.
type said struct {
	net.Conn
	*bytes.Reader
}

func (said) Write(b []byte) (int, error)  { return len(b), nil }
func (s said) Read(b []byte) (int, error) { return s.Reader.Read(b[:min(len(b), 700)]) }
func (said) SetDeadline(time.Time) error  { return nil }
func (said) Close() error                 { return nil }

// FuzzAnswer holds that a line never takes another answer than net/http does.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "HTTP/1.1 400 No\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.0 200 OK\r\n\r\nab", "HTTP/1.1 200 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", "HTTP/1.1 200 OK\nContent-Length: 2\n\r\n\r\n",
		"HTTP/1.1 200 Content-Length:0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\n\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		l := &line{route: &route{}, ctx: t.Context(), conn: said{Reader: bytes.NewReader(answer)}, unbind: func() bool { return true }}
		got, other, _, err := l.exchange(0, time.Minute)
		if err != nil || other != nil {
			return
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), &http.Request{Method: http.MethodPost})
		if err != nil {
			return // it finds fault with what a line does not look at
		}
		want, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil || r.StatusCode != http.StatusOK || !bytes.Equal(got, want) || r.Close {
			t.Fatalf("%q became %q, and of net/http %d %q, %v", answer, got, r.StatusCode, want, err)
		}
	})
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "plain/1", `"`, "\\", "<é>\x00\xff\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if want, err := json.Marshal(s); err != nil || string(appendQuoted(nil, s)) != string(want) {
			t.Errorf("%q became %s, want %s, %v", s, appendQuoted(nil, s), want, err)
		}
	})
}

// BenchmarkRequest makes what an agent sends when a lifecycle event has ended.
func BenchmarkRequest(b *testing.B) {
	way, err := newRoute("http://127.0.0.1:8470", http.DefaultClient)
	if err != nil {
		b.Fatal(err)
	}
	c := newCaller(line{route: way, ctx: b.Context()}, newHeads(way), who, "us-east-1", time.Now)
	parts := []string{`{"HostCommandIdentifier":`, strings.Repeat("x", 200), `,"CommandStatus":"Succeeded","Diagnostics":{"Format":"JSON","Payload":"{\"error_code\":0}"}}`}
	b.ReportAllocs()
	for b.Loop() {
		c.line.buffer = c.request("PutHostCommandComplete", parts)
	}
}
