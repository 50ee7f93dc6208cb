package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/edge"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire/control"
)

const (
	servedKey    = "AKIDCONFORMANCE"
	servedSecret = "conformance-secret"
)

// keyring knows one access key, of the account's root.
type keyring struct{}

func (keyring) Secret(_ context.Context, id, _ string) (string, error) {
	if id != servedKey {
		return "", sigv4.ErrUnknownKey
	}
	return servedSecret, nil
}

func (keyring) Principal(context.Context, string, string) (auth.Principal, error) {
	return auth.Principal{ARN: auth.RootARN(account), Account: account, Kind: auth.Root}, nil
}

// noObjects is the S3 part of an endpoint without one.
type noObjects struct{}

func (noObjects) About(*http.Request) auth.Objects { return auth.Objects{Operation: "GetObject"} }

func (noObjects) ServeObject(w http.ResponseWriter, r *http.Request, _ auth.Objects, _ *sigv4.Body) {
	http.NotFound(w, r)
}

func (noObjects) Refuse(w http.ResponseWriter, _ *http.Request, _, message string) {
	http.Error(w, message, http.StatusForbidden)
}

// serve puts the world behind the real endpoint, with its signatures and limits, and returns the address.
func (w *world) serve() string {
	w.t.Helper()
	ids := &counter{}
	server := httptest.NewServer(edge.New(edge.Config{
		JSON: w.handler, Objects: noObjects{}, Authorize: func(context.Context, ...auth.Access) error { return nil }, NewRequestID: ids.UUID, Log: slog.New(slog.DiscardHandler), Principals: keyring{},
		Verifier: &sigv4.Verifier{Region: region, Services: []string{auth.ServiceControl, sigv4.ServiceS3}, Keys: keyring{}, Now: time.Now},
		Observe:  func(_, _, _ string, _ time.Duration) {},
	}))
	w.t.Cleanup(server.Close)
	return server.URL
}

// clientEnvironment is what a client of the served world gets: nothing of the machine's own AWS settings.
func clientEnvironment(t testing.TB, endpoint string) []string {
	home := t.TempDir()
	return []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "PYENV_ROOT=" + os.Getenv("PYENV_ROOT"), "AWS_CONFIG_FILE=" + home + "/none", "AWS_SHARED_CREDENTIALS_FILE=" + home + "/none",
		"AWS_ACCESS_KEY_ID=" + servedKey, "AWS_SECRET_ACCESS_KEY=" + servedSecret, "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_ENDPOINT_URL=" + endpoint, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "NO_PROXY=127.0.0.1",
	}
}

// boto is a running boto3 that calls the served world. It is one process for all calls of a test.
type boto struct {
	t   testing.TB
	in  *json.Encoder
	out *bufio.Scanner
}

// botoError is what boto3 raised.
type botoError struct {
	Class, Code, Message, RequestID string
	Status                          int
	// Caught says that an except clause for the modelled exception catches it.
	Caught bool
}

type botoAnswer struct {
	Serialized bool
	Error      *botoError
	Output     map[string]any
	RequestID  string
	Faults     []string
	Pages      int
	Entries    []any
}

func newBoto(t testing.TB, endpoint string) *boto {
	t.Helper()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not on this machine: install it for python3 to run this test")
	}
	cmd := exec.Command("python3", "testdata/boto3_calls.py")
	cmd.Env = clientEnvironment(t, endpoint)
	var said strings.Builder
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		// A call that did not return has already failed the test; what is left in the pipe is of no use.
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Error(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); errors.As(err, &exit) {
			t.Errorf("boto3 ended with %v:\n%s", err, said.String())
		} else if err != nil {
			t.Error(err)
		}
	})
	b := &boto{t: t, in: json.NewEncoder(in), out: bufio.NewScanner(out)}
	b.out.Buffer(nil, 16<<20)
	return b
}

func (b *boto) ask(question map[string]any) botoAnswer {
	b.t.Helper()
	if err := b.in.Encode(question); err != nil {
		b.t.Fatal(err)
	}
	var a botoAnswer
	if !b.out.Scan() {
		b.t.Fatalf("boto3 said nothing to %v: %v", question, b.out.Err())
	}
	if err := json.Unmarshal(b.out.Bytes(), &a); err != nil {
		b.t.Fatalf("%v: %s", err, b.out.Bytes())
	}
	return a
}

// call calls an operation with a JSON body.
func (b *boto) call(operation, body string) botoAnswer {
	b.t.Helper()
	return b.ask(map[string]any{"operation": operation, "body": body})
}

// unserializable reports whether a request can't be written by boto3, so that it is sent to it ready.
func unserializable(body string) bool { return strings.Contains(body, "null") }

// refuses calls an operation and holds what boto3 raises: the exception, as a class that a program can catch, in the documented form.
func (b *boto) refuses(operation, body, want string) {
	b.t.Helper()
	got := b.call(operation, body)
	if got.Serialized == unserializable(body) {
		b.t.Errorf("%s %.300s: boto3 wrote the request: %t", operation, body, got.Serialized)
	}
	if want == "" {
		if got.Error != nil || len(got.Faults) > 0 || got.RequestID == "" {
			b.t.Errorf("%s %.300s\nraised %+v, and answered %v with the faults %q", operation, body, got.Error, got.Output, got.Faults)
		}
		return
	}
	e := got.Error
	if e == nil {
		b.t.Errorf("%s %.300s\nraised nothing, want %s; answered %v", operation, body, want, got.Output)
		return
	}
	// ValidationException is no exception of the model, so boto3 has no class for it.
	class := want + "Exception"
	modelled := want != "Validation"
	if !modelled {
		class = "ClientError"
	}
	if e.Class != class || e.Code != want+"Exception" || e.Status != http.StatusBadRequest || e.Message == "" || e.RequestID == "" || e.Caught != modelled {
		b.t.Errorf("%s %.300s\nraised %+v, want %s", operation, body, *e, want)
	}
}

// TestEveryRefusalThroughBoto3 sends what the tables have through boto3's serializer, signer and parser.
func TestEveryRefusalThroughBoto3(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBoto(t, w.serve())
	ids := w.stockForRefusals()
	for _, op := range control.Describe(w.api).Operations {
		for _, r := range refusals[op.Name] {
			b.refuses(op.Name, ids.Replace(r.body), r.want)
		}
	}
}
