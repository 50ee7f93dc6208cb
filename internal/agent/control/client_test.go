package control

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var clock = time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)

// client returns a client to a server that answers as told, and the last request's body and headers.
func client(t *testing.T, status int, header http.Header, answer string) (*Client, *string, *http.Header) {
	t.Helper()
	var body string
	var headers http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body, headers = string(b), r.Header.Clone()
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return &Client{
		Endpoint: server.URL, Host: "arn:aws:iam::123456789012:user/host", Version: "crossfade/1", HTTP: server.Client(), Now: func() time.Time { return clock },
		Sign: func(_ context.Context, req *http.Request, service, payload string, at time.Time) error {
			req.Header.Set("Test-Signed", service+" "+payload[:8]+" "+at.Format(time.TimeOnly))
			return nil
		},
	}, &body, &headers
}

func TestCallsAreTheProtocols(t *testing.T) {
	t.Parallel()
	c, body, headers := client(t, 200, nil, `{"HostCommand":{"HostCommandIdentifier":"id","HostIdentifier":"user/host","DeploymentExecutionId":"a/b/c/d","CommandName":"Install","Nonce":7}}`)
	cmd, err := c.Poll(context.Background())
	if err != nil || *cmd != (Command{"id", "a/b/c/d", "Install"}) {
		t.Fatalf("got %+v, %v", cmd, err)
	}
	if *body != `{"HostIdentifier":"arn:aws:iam::123456789012:user/host"}` {
		t.Errorf("body %s", *body)
	}
	for k, want := range map[string]string{
		"X-Amz-Target": "CodeDeployCommandService_v20141006.PollHostCommand", "Content-Type": "application/x-amz-json-1.1",
		"X-Amz-Codedeploy-Agent-Version": "crossfade/1", "User-Agent": "crossfade/1", "Test-Signed": "codedeploy-commands c59d3d42 04:05:06",
	} {
		if got := headers.Get(k); !strings.HasPrefix(got, strings.Split(want, " ")[0]) {
			t.Errorf("%s is %q", k, got)
		}
	}
	c, body, _ = client(t, 200, nil, `{"CommandStatus":"InProgress"}`)
	if proceed, err := c.Acknowledge(context.Background(), "id", true); err != nil || !proceed || *body != `{"HostCommandIdentifier":"id","Diagnostics":{"Format":"JSON","Payload":"{\"IsCommandNoop\":true}"}}` {
		t.Errorf("got %v, %v, %s", proceed, err, *body)
	}
	c, body, _ = client(t, 200, nil, "")
	if err := c.Complete(context.Background(), "id", false, "{}"); err != nil || *body != `{"HostCommandIdentifier":"id","CommandStatus":"Failed","Diagnostics":{"Format":"JSON","Payload":"{}"}}` {
		t.Errorf("got %v, %s", err, *body)
	}
	c, _, _ = client(t, 200, nil, `{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{"GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"pem"}}}`)
	if spec, err := c.Specification(context.Background(), "a/b/c/d"); err != nil || string(spec) != "pem" {
		t.Errorf("got %q, %v", spec, err)
	}
}

func TestNoCommandAndSkippedOnes(t *testing.T) {
	t.Parallel()
	c, _, _ := client(t, 200, nil, `{}`)
	if cmd, err := c.Poll(context.Background()); cmd != nil || err != nil {
		t.Errorf("got %v, %v", cmd, err)
	}
	if proceed, err := c.Acknowledge(context.Background(), "id", false); err != nil || !proceed {
		t.Errorf("no status: %v, %v", proceed, err)
	}
	for _, status := range []string{"Failed", "Succeeded"} {
		c, _, _ := client(t, 200, nil, `{"CommandStatus":"`+status+`"}`)
		if proceed, err := c.Acknowledge(context.Background(), "id", false); err != nil || proceed {
			t.Errorf("%s: %v, %v", status, proceed, err)
		}
	}
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"HostCommand":{"HostCommandIdentifier":"id","HostIdentifier":"other","DeploymentExecutionId":"a","CommandName":"b"}}`: `for "other"`,
		`{"HostCommand":{"HostCommandIdentifier":"id","HostIdentifier":"host","DeploymentExecutionId":"a"}}`:                    "without",
		`{`:                                   "decode",
		strings.Repeat(" ", maxAnswer) + "{}": "too large",
	} {
		c, _, _ := client(t, 200, nil, answer)
		if _, err := c.Poll(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", answer, err, want)
		}
	}
	for answer, want := range map[string]string{
		`{}`:                                "deployment system",
		`{"DeploymentSystem":"CodeDeploy"}`: "no deployment specification",
		`{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{"GenericEnvelope":{"Format":"TEXT/JSON","Payload":"{}"}}}`: "unsigned",
	} {
		c, _, _ := client(t, 200, nil, answer)
		if _, err := c.Specification(context.Background(), "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", answer, err, want)
		}
	}
}

func TestWhichAnswersAreFinal(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		answer string
		final  bool
	}{
		{400, `{"__type":"ClientException"}`, true},
		{400, `{"__type":"com.amazonaws#ValidationException","message":"m"}`, true},
		{400, `{"__type":"ThrottlingException"}`, false},
		{400, `<html>`, false},
		{400, `{"__type":"InvalidSignatureException"}`, false},
		{403, `{"__type":"AccessDeniedException"}`, false},
		{404, `not found`, false},
		{500, `{"__type":"ServerException"}`, false},
		{503, ``, false},
	} {
		c, _, _ := client(t, tc.status, nil, tc.answer)
		err := c.Complete(context.Background(), "id", true, "{}")
		if err == nil || Final(err) != tc.final {
			t.Errorf("%d %s: final %v, %v", tc.status, tc.answer, Final(err), err)
		}
	}
	c := &Client{Endpoint: "http://127.0.0.1:1", HTTP: http.DefaultClient, Now: time.Now, Sign: func(context.Context, *http.Request, string, string, time.Time) error { return nil }}
	if err := c.Complete(context.Background(), "id", true, "{}"); err == nil || Final(err) {
		t.Errorf("a refused connection: %v", err)
	}
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{`{}`: true, `{"CommandStatus":"InProgress"}`: true, `{"CommandStatus":"Failed"}`: false} {
		c, body, headers := client(t, 200, nil, answer)
		if wanted, err := c.Update(context.Background(), "id", "Format", "{}"); err != nil || wanted != want {
			t.Errorf("%s: got %v, %v", answer, wanted, err)
		}
		if *body != `{"HostCommandIdentifier":"id","Diagnostics":{"Format":"Format","Payload":"{}"}}` || !strings.HasSuffix(headers.Get("X-Amz-Target"), ".PostHostCommandUpdate") {
			t.Errorf("sent %s %s", headers.Get("X-Amz-Target"), *body)
		}
	}
	for _, tc := range []struct {
		status      int
		answer      string
		unsupported bool
	}{
		{400, `{"__type":"ClientException"}`, true},
		{400, `{"__type":"UnknownOperationException"}`, true},
		{404, `not found`, true},
		{501, ``, true},
		{400, `{"__type":"ThrottlingException"}`, false},
		{400, `{"__type":"InvalidSignatureException"}`, false},
		{403, `{"__type":"AccessDeniedException"}`, false},
		{429, ``, false},
		{500, `{"__type":"ServerException"}`, false},
	} {
		c, _, _ := client(t, tc.status, nil, tc.answer)
		if _, err := c.Update(context.Background(), "id", "Format", "{}"); err == nil || Unsupported(err) != tc.unsupported {
			t.Errorf("%d %s: unsupported %v, %v", tc.status, tc.answer, Unsupported(err), err)
		}
	}
}

func TestTheServersClockIsTakenWhenOursIsOff(t *testing.T) {
	t.Parallel()
	c, _, headers := client(t, 403, http.Header{"Date": {clock.Add(time.Hour).Format(http.TimeFormat)}}, `{"__type":"InvalidSignatureException"}`)
	for range 2 {
		if err := c.Complete(context.Background(), "id", true, "{}"); err == nil || !strings.Contains(err.Error(), "check the access key") {
			t.Errorf("got %v", err)
		}
	}
	if got := headers.Get("Test-Signed"); !strings.HasSuffix(got, "05:05:06") {
		t.Errorf("signed as of %s", got)
	}
	if c.Skew() != time.Hour {
		t.Errorf("skew %v", c.Skew())
	}
}

func FuzzFailure(f *testing.F) {
	f.Add(400, []byte(`{"__type":"a#B:c","message":"m"}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		failure := NewFailure("Op", &http.Response{StatusCode: status, Header: http.Header{}}, body)
		if failure.Error() == "" || (Final(failure) && json.Valid(body) == false) {
			t.Errorf("%d %q gave %v", status, body, failure)
		}
	})
}

// TestAnAnswerThatBreaksOffIsWorthRepeating has a server that dies after it has begun to answer: nothing was said about the request.
func TestAnAnswerThatBreaksOffIsWorthRepeating(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, net.Conn){
		"reset": func(t *testing.T, c net.Conn) {
			if err := c.(*net.TCPConn).SetLinger(0); err != nil {
				t.Error(err)
			}
		},
		"closed": func(*testing.T, net.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, out, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := out.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"); err != nil {
					t.Error(err)
				}
				if err := out.Flush(); err != nil {
					t.Error(err)
				}
				end(t, conn)
				conn.Close() //nolint:errcheck // it is to break off
			}))
			t.Cleanup(server.Close)
			c, _, _ := client(t, 200, nil, "")
			c.Endpoint = server.URL
			if _, err := c.Specification(context.Background(), "a/b/c/d"); !Transient(err) || Final(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}
