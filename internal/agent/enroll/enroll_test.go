package enroll

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/agent/identity"
	"crossfade/internal/join"
	"crossfade/internal/wire/control"
)

var begin = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// door is a server that enrols and renews, with TLS.
type door struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string // what was asked for, with the body
	signed []string // the sessions that asked for renewals
	fail   int      // so many answers are 500
	ca     []byte   // at /ca.pem; nil: not found
	answer func(operation string) string
}

// certificate stands for the signers' too: any will do.
func (d *door) certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
}

func (d *door) fingerprint() string {
	sum := sha256.Sum256(d.Certificate().Raw)
	return hex.EncodeToString(sum[:])
}

func session(n int) string {
	return fmt.Sprintf(`{"accessKeyId":"ASIA%d","secretAccessKey":"secret%d","sessionToken":"token%d","expiresAt":%d,"renewUntil":%d}`, n, n, n,
		begin.Add(time.Duration(n)*time.Hour).Unix(), begin.Add(720*time.Hour).Unix())
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{}
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "Crossfade_20260101.")
		d.asked = append(d.asked, operation+string(body))
		switch {
		case r.URL.Path == "/ca.pem" && d.ca == nil:
			http.NotFound(w, r)
			return
		case r.URL.Path == "/ca.pem":
			if r.Header.Get("Authorization") != "" {
				t.Error("a server that is not known yet gets a signature")
			}
			body = d.ca
		case d.fail > 0:
			d.fail--
			http.Error(w, "{}", http.StatusInternalServerError)
			return
		default:
			if operation == "RenewHostCredentials" {
				d.signed = append(d.signed, r.Header.Get("X-Amz-Security-Token"))
			}
			body = []byte(d.answer(operation))
			if strings.Contains(string(body), "__type") {
				w.WriteHeader(http.StatusBadRequest)
			}
		}
		if _, err := w.Write(body); err != nil {
			t.Error(err)
		}
	}))
	d.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	d.StartTLS()
	t.Cleanup(d.Close)
	d.ca = append([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), d.certificate()...)
	renewed := 1
	d.answer = func(operation string) string {
		if operation == "RenewHostCredentials" {
			renewed++
			return `{"session":` + session(renewed) + `}`
		}
		signers, err := json.Marshal(string(d.certificate()))
		if err != nil {
			t.Error(err)
		}
		return `{"name":"web-1","iamSessionArn":"arn:aws:sts::1:assumed-role/crossfade-host/web-1@x","region":"eu-test-1","session":` + session(1) + `,"signerCertificates":` + string(signers) + `}`
	}
	return d
}

func (d *door) calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

func (d *door) options(t *testing.T) Options {
	t.Helper()
	return Options{
		Token: join.Token{AccessKeyID: "AKIAJ", SecretAccessKey: "s", Region: "eu-test-1", Endpoint: d.URL, Authority: d.fingerprint()}, Name: "web-1",
		Directory: Directory(filepath.Join(t.TempDir(), "etc", "agent")), Now: func() time.Time { return begin },
	}
}

func TestAHostEnrolsAtTheServerThatTheTokenMeans(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.options(t)
	o.Tags, o.Root = []control.Tag{{Key: new("a"), Value: new("b")}}, "/srv/deployments"
	host, err := Enroll(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if host.Name != "web-1" || host.ARN != "arn:aws:sts::1:assumed-role/crossfade-host/web-1@x" || host.Endpoint != d.URL || !host.Session.ExpiresAt.Equal(begin.Add(time.Hour)) {
		t.Errorf("enrolled as %+v", host)
	}
	if got := d.calls(); len(got) != 2 || got[0] != "" || got[1] != `EnrollHost{"name":"web-1","tags":[{"Key":"a","Value":"b"}]}` {
		t.Errorf("asked for %q", got)
	}
	s, err := o.Directory.Load()
	if err != nil || s.Endpoint != d.URL || s.Region != "eu-test-1" || s.Root != "/srv/deployments" || s.CA != o.Directory.path("ca.pem") || s.SignerCA != o.Directory.path("signers.pem") {
		t.Errorf("the settings are %+v, %v", s, err)
	}
	if ca, err := os.ReadFile(s.CA); err != nil || string(ca) != string(d.certificate()) {
		t.Errorf("kept is %s, %v", ca, err)
	}
	id, note, err := identity.Load(s.Host)
	if err != nil || note != "" || id.Host != host.ARN || id.Region != "eu-test-1" {
		t.Fatalf("the official file says %+v (%s), %v", id, note, err)
	}
	if c, err := id.Credentials(begin); err != nil || c != (identity.Credentials{AccessKeyID: "ASIA1", SecretAccessKey: "secret1", SessionToken: "token1"}) {
		t.Errorf("the credentials are %+v, %v", c, err)
	}
	for _, name := range []string{"", settingsFile, hostFile, credentialsFile, authorityFile, signersFile} {
		if info, err := os.Stat(o.Directory.path(name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may look at %q: %v, %v", name, info, err)
		}
	}
	if left, err := os.ReadDir(string(o.Directory)); err != nil || len(left) != 5 {
		t.Errorf("the directory holds %v, %v", left, err)
	}

	if _, err := Enroll(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--again") {
		t.Errorf("twice: %v", err)
	}
	o.Again = true
	if _, err := Enroll(t.Context(), o); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestWhatIsRefusedBeforeTheTokenIsUsed(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	other := newDoor(t)
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no TLS":            {func(o *Options) { o.Endpoint = "http://deploy.example.com" }, "has no TLS"},
		"no URL":            {func(o *Options) { o.Endpoint = "deploy.example.com:8470" }, "is not an http or https URL"},
		"another authority": {func(o *Options) { o.Token.Authority = strings.Repeat("ab", 32) }, "is another one than the join token says"},
		"another server":    {func(o *Options) { o.Authorities = other.certificate()[:40] }, "--ca holds no PEM certificate"},
		"an unknown server": {func(o *Options) { o.Token.Authority = "" }, "certificate signed by unknown authority"},
		"an open directory": {func(o *Options) {
			must(t, os.MkdirAll(string(o.Directory), 0o700))
			must(t, os.Chmod(string(o.Directory), 0o777))
		}, "chmod go-w"},
		"no directory": {func(o *Options) { o.Directory = Directory(filepath.Join(os.Args[0], "x")) }, "make the directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := d.options(t)
			c.change(&o)
			if _, err := Enroll(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v, want %s", err, c.want)
			}
			if o.Directory.Exists() {
				t.Error("an enrolment was kept")
			}
		})
	}
	t.Cleanup(func() {
		for _, call := range d.calls() {
			if call != "" {
				t.Errorf("the server was asked for %s", call)
			}
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnAnswerThatCanNotBeKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ answer, want string }{
		"refused":         {`{"__type":"JoinTokenEndedException","message":"The join token has been used."}`, "enrol: JoinTokenEndedException: The join token has been used."},
		"nothing":         {`{}`, "lacks the host's identity"},
		"half a session":  {`{"name":"n","iamSessionArn":"a","region":"r","session":{"accessKeyId":"A"}}`, "lacks the host's credentials"},
		"no signers":      {`{"name":"n","iamSessionArn":"a","region":"r","signerCertificates":"x","session":` + session(1) + `}`, "certificates of signers are none"},
		"a broken secret": {`{"name":"n","iamSessionArn":"a","region":"r","session":` + strings.Replace(session(1), "secret1", `a\nb`, 1) + `}`, "line break"},
		"no JSON":         {`<html>`, "is no JSON"},
		"trouble":         {`trouble`, "if the token has been used by then, make one with crossfade host token --replace"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			d.answer = func(string) string { return c.answer }
			if c.answer == "trouble" {
				d.fail = 1
			}
			o := d.options(t)
			if _, err := Enroll(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if o.Directory.Exists() {
				t.Error("an enrolment was kept")
			}
		})
	}
}

func TestCredentialsAreRenewedAtHalfTheirLife(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.options(t)
	if _, err := Enroll(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	now, renewed, pauses := begin, 0, []time.Duration{}
	d.fail = 3
	r := &Renewer{
		Directory: o.Directory, Now: func() time.Time { return now }, Chance: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler),
		Renewed: func() { renewed++ },
		Wait: func(_ context.Context, pause time.Duration) bool {
			pauses = append(pauses, pause)
			now = now.Add(pause)
			return len(pauses) <= 5
		},
	}
	r.Run(ctx)
	// Half of an hour; three failures; then half of what is left of a session until 07:06:07; then of one until 08:06:07.
	want := "[30m0s 1.5s 3s 6s 44m54.75s 52m27.375s]"
	if got := fmt.Sprint(pauses); got != want {
		t.Errorf("waited %s, want %s", got, want)
	}
	if s, err := o.Directory.Session(); renewed != 2 || err != nil || s.SessionToken != "token3" {
		t.Errorf("renewed %d times to %+v, %v", renewed, s, err)
	}
	if got := fmt.Sprint(d.signed); got != "[token1 token2]" {
		t.Errorf("asked with %s", got)
	}
}

func TestExpiredCredentialsAreRenewedAtOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.options(t)
	if _, err := Enroll(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	waited := 0
	r := &Renewer{
		Directory: o.Directory, Now: func() time.Time { return begin.Add(time.Hour) }, Chance: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
		Wait: func(context.Context, time.Duration) bool { waited++; return false },
	}
	r.Run(t.Context())
	if s, err := o.Directory.Session(); err != nil || s.SessionToken != "token2" || waited != 1 {
		t.Errorf("after %d waits: %+v, %v", waited, s, err)
	}
}

func TestARefusedRenewalLeavesTheCredentials(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := d.options(t)
	if _, err := Enroll(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	d.answer = func(string) string { return `{"__type":"HostNotEnrolledException","message":"The host was removed."}` }
	var log strings.Builder
	waits := 0
	r := &Renewer{
		Directory: o.Directory, Now: func() time.Time { return begin }, Chance: func() float64 { return 0 }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Wait: func(context.Context, time.Duration) bool { waits++; return waits <= 20 },
	}
	r.Run(t.Context())
	if s, err := o.Directory.Session(); err != nil || s.SessionToken != "token1" {
		t.Errorf("the credentials are %+v, %v", s, err)
	}
	if n := strings.Count(log.String(), "enrol it again with a new join token"); n != 5 { // the failures 1, 2, 4, 8 and 16
		t.Errorf("said %d times:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "secret1") || strings.Contains(log.String(), "token1") {
		t.Errorf("the log has secrets:\n%s", log.String())
	}
}

// TestPauses holds that no clock makes a renewer ask without end.
func TestPauses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    Session
		now  time.Time
		want time.Duration
	}{
		{Session{}, begin, leastPause},
		{Session{IssuedAt: begin, ExpiresAt: begin.Add(-time.Hour)}, begin, leastPause},
		{Session{IssuedAt: begin, ExpiresAt: begin.Add(time.Hour)}, begin, 24 * time.Minute},
		{Session{IssuedAt: begin, ExpiresAt: begin.Add(time.Hour)}, begin.Add(59 * time.Minute), leastPause},
	} {
		if got := due(c.s, c.now, 0); got != c.want {
			t.Errorf("%+v at %s is due in %s, want %s", c.s, c.now, got, c.want)
		}
	}
	for failures := 1; failures < 200; failures++ {
		if got := retry(failures, 1); got < firstRetry || got > longestRetry {
			t.Errorf("after %d failures it waits %s", failures, got)
		}
	}
}

func TestDamagedDirectories(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                         "is missing",
		"- a":                      "no YAML file",
		"endpoint: a\nregion: b":   "is missing",
		strings.Repeat("x", 2<<20): "more than the 1048576 allowed",
	} {
		d := Directory(t.TempDir())
		must(t, os.WriteFile(d.path(settingsFile), []byte(content), 0o600))
		if _, err := d.Load(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", content, err, want)
		}
	}
	d := Directory(t.TempDir())
	if _, err := d.Load(); err == nil || !strings.Contains(err.Error(), "run crossfade agent enroll") {
		t.Errorf("an empty directory: %v", err)
	}
	for content, want := range map[string]string{
		"[default]\n": "holds no session",
		"aws_access_key_id=a\naws_secret_access_key=b\naws_session_token=c\ncrossfade_expires_at = soon": "crossfade_expires_at is no time",
	} {
		must(t, os.WriteFile(d.path(credentialsFile), []byte(content), 0o600))
		if _, err := d.Session(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", content, err, want)
		}
	}
	if _, err := Directory(filepath.Join(t.TempDir(), "x")).Session(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// FuzzDirectory holds that damaged files end in an error or in something whole, and never in a panic.
func FuzzDirectory(f *testing.F) {
	f.Add([]byte("endpoint: https://a\nregion: r\nhost: host.yml\n"), "[default]\naws_access_key_id = a\naws_secret_access_key = b\naws_session_token = c\n")
	f.Add([]byte("{"), "crossfade_issued_at = 2026-01-02T03:04:05Z")
	f.Fuzz(func(t *testing.T, settings []byte, credentials string) {
		if s, err := parseSettings(settings); err == nil && (s.Endpoint == "" || s.Host == "") {
			t.Errorf("%q is read as %+v", settings, s)
		}
		if s, err := parseSession(credentials); err == nil && (s.AccessKeyID == "" || s.SecretAccessKey == "" || s.SessionToken == "") {
			t.Errorf("%q is read as %+v", credentials, s)
		}
	})
}
