package server

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/agent/control"
	"crossfade/internal/counterpart"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
)

// lent is a store that outlives the servers on it.
type lent struct{ store.Store }

func (lent) Close() error { return nil }

// announcing says that there is news after each change, as a database does.
type announcing struct {
	*sqlite.Store
	mu        sync.Mutex
	listeners map[int]func()
	last      int
}

func (a *announcing) SharedBatch(ctx context.Context, replica string, now time.Time, fn func(store.SharedBatch) error) (store.Shared, error) {
	defer a.announce()
	return a.Store.SharedBatch(ctx, replica, now, fn)
}

func (a *announcing) Leave(ctx context.Context, replica string) error {
	defer a.announce()
	return a.Store.Leave(ctx, replica)
}

func (a *announcing) announce() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, news := range a.listeners {
		news()
	}
}

func (a *announcing) listen(news func()) (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	n := a.last
	a.listeners[n] = news
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.listeners, n)
	}
}

// sharedStore is one that several servers of a test are on.
func sharedStore(t *testing.T) func(context.Context, Options) (*database, error) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	all := &announcing{Store: s, listeners: map[int]func(){}}
	return func(context.Context, Options) (*database, error) {
		d := databaseOf(s)
		d.Store, d.sharing, d.listen = lent{s}, all, all.listen
		return d, nil
	}
}

// TestServersShareAStore runs a deployment whose calls come to two servers in turn, and ends the one that owns everything in the middle.
func TestServersShareAStore(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		open := sharedStore(t)
		serveTogether(t, func(o *Options) { o.open = open })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := counterpart.Postgres(t)
		serveTogether(t, func(o *Options) { o.Config.Store = url })
	})
}

// TestServersGoByTheDatabasesClock holds that proxies, which any server may hear, are judged by one clock whatever the servers' own say.
func TestServersGoByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config.Store = counterpart.Postgres(t)
	for _, wrong := range []time.Duration{-time.Hour, 0, time.Hour} {
		o.Now = func() time.Time { return time.Now().Add(wrong) }
		s := start(t, o)
		if off := time.Until(s.time.Now()); off.Abs() > time.Minute {
			t.Errorf("a server whose clock is off by %s says what is off by %s", wrong, off)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func serveTogether(t *testing.T, use func(*Options)) {
	t.Helper()
	bundles := t.TempDir()
	first := options(t)
	use(&first)
	first.Config.Revisions.Directory = bundles
	a := start(t, first)
	second := options(t)
	use(&second)
	second.Config.Revisions.Directory = bundles
	key, err := os.ReadFile(filepath.Join(first.Config.Data, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(second.Config.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.Config.Data, keyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, second)
	for _, file := range []string{"ca.pem", signerFile} {
		one, errOne := os.ReadFile(filepath.Join(first.Config.Data, file))
		two, errTwo := os.ReadFile(filepath.Join(second.Config.Data, file))
		if errOne != nil || errTwo != nil || string(one) != string(two) {
			t.Errorf("the servers have different %s: %v %v", file, errOne, errTwo)
		}
	}
	for _, s := range []*Server{a, b} {
		if status, body := page(t, s, "/readyz"); status != http.StatusOK {
			t.Errorf("/readyz answers %d %s", status, body)
		}
	}
	_, err = s3.NewFromConfig(sdk(a, testRoot), func(o *s3.Options) { o.UsePathStyle = true }).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("releases"), Key: aws.String("shop.zip"), Body: strings.NewReader("not looked at"),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s3.NewFromConfig(sdk(b, testRoot), func(o *s3.Options) { o.UsePathStyle = true }).HeadObject(t.Context(), &s3.HeadObjectInput{
		Bucket: aws.String("releases"), Key: aws.String("shop.zip"),
	})
	if err != nil {
		t.Errorf("a bundle that came to the other server: %v", err)
	}
	// awaitDuties waits until a server does what only one may do.
	awaitDuties := func(s *Server) {
		t.Helper()
		for _, name := range dutyNames() {
			part := s.duties.parts[name]
			runs := func() bool {
				part.mu.Lock()
				defer part.mu.Unlock()
				return part.runs
			}
			for end := time.Now().Add(20 * time.Second); !runs(); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("nobody runs %s", name)
				}
			}
		}
	}
	awaitDuties(a)
	for _, name := range dutyNames() {
		if b.duties.parts[name].wanted() {
			t.Errorf("both servers have %s", name)
		}
	}
	host := addHost(t, a)
	agentOf := func(s *Server) *control.Client {
		return &control.Client{
			Endpoint: s.Endpoint() + "/", Host: "arn:aws:iam::000000000000:user/host/web-1", Version: "test", HTTP: &http.Client{}, Now: time.Now,
			Sign: func(_ context.Context, r *http.Request, service, payload string, at time.Time) error {
				sigv4.Sign(r, host, "us-east-1", service, payload, at)
				return nil
			},
		}
	}
	id := deployTo(t, b, "releases", "shop.zip")
	ask := []*Server{a, b}
	ran := map[string]int{}
	for n := 0; ; n++ {
		if n == 4 {
			end, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := a.Stop(end); err != nil {
				t.Error(err)
			}
			cancel()
			ask = []*Server{b, b}
			awaitDuties(b)
		}
		command, err := agentOf(ask[n%2]).Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if command == nil {
			break
		}
		// Acknowledged there, completed here.
		runs, err := agentOf(ask[(n+1)%2]).Acknowledge(t.Context(), command.ID, false)
		if err != nil || !runs {
			t.Fatalf("acknowledge %s: %v %v", command.Name, runs, err)
		}
		ran[command.Name]++
		if err := agentOf(ask[n%2]).Complete(t.Context(), command.ID, true, `{"error_code":0,"script_name":"","message":"Succeeded","log":""}`); err != nil {
			t.Fatal(err)
		}
		if command.Name == "ValidateService" {
			break
		}
	}
	client := codedeploy.NewFromConfig(sdk(b, testRoot))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		out, err := client.GetDeployment(t.Context(), &codedeploy.GetDeploymentInput{DeploymentId: &id})
		if err != nil {
			t.Fatal(err)
		}
		if out.DeploymentInfo.Status == types.DeploymentStatusSucceeded {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the deployment is %s after %v", out.DeploymentInfo.Status, ran)
		}
	}
	for event, n := range ran {
		if n != 1 {
			t.Errorf("%s ran %d times", event, n)
		}
	}
}
