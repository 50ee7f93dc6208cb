package prepare_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/revision"
	"crossfade/internal/revision/github"
	"crossfade/internal/revision/github/githubtest"
	"crossfade/internal/revision/prepare"
	"crossfade/internal/revision/repack"
	"crossfade/internal/revision/s3store"
)

const (
	account = "000000000000"
	commit  = "0123456789abcdef0123456789abcdef01234567"
)

// tokens are an account's tokens by name.
type tokens map[string]string

func (k tokens) Token(_ context.Context, of, name string) (string, bool, error) {
	secret, ok := k[name]
	switch {
	case of != account:
		return "", false, nil
	case secret == "sealed":
		return "", false, prepare.ErrSealed
	case secret == "broken":
		return "", false, errors.New("the disk is broken")
	}
	return secret, ok, nil
}

func newStore(t *testing.T) *s3store.Store {
	t.Helper()
	var n atomic.Int64
	s, err := s3store.Open(s3store.Options{
		Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Now: time.Now, NewID: func() string { return fmt.Sprintf("upload-%d", n.Add(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newPreparer(t *testing.T, store *s3store.Store, url string, k tokens, limits repack.Limits, external map[string]revision.Source) *prepare.Preparer {
	t.Helper()
	if url == "" {
		url = "http://127.0.0.1:1"
	}
	c, err := github.New(github.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return prepare.New(prepare.Options{Store: store, External: external, Commits: c, Tokens: k, Limits: limits, Log: slog.New(slog.DiscardHandler)})
}

// is holds what is wrong against a code and words of its message.
func is(t *testing.T, what string, wrong *deploy.ErrorInfo, err error, code string, says ...string) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if code == "" {
		if wrong != nil {
			t.Errorf("%s: %+v, want nothing wrong", what, *wrong)
		}
		return
	}
	if wrong == nil || wrong.Code != code {
		t.Errorf("%s: %+v, want %s", what, wrong, code)
		return
	}
	for _, text := range says {
		if !strings.Contains(wrong.Message, text) {
			t.Errorf("%s: %q does not say %q", what, wrong.Message, text)
		}
	}
}

// answers is a source that always gives the same answer.
type answers struct {
	info revision.Info
	err  error
}

func (a answers) Stat(context.Context, revision.Location) (revision.Info, error) {
	return a.info, a.err
}
func (a answers) Open(context.Context, revision.Location) (io.ReadCloser, revision.Info, error) {
	return nil, a.info, a.err
}

func TestS3RevisionsAreHeldAgainstWhatIsThere(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	for bucket, of := range map[string]string{"bundles": account, "theirs": "111111111111"} {
		if err := store.EnsureBucket(of, bucket); err != nil {
			t.Fatal(err)
		}
	}
	o, err := store.Put(t.Context(), "bundles", "app.zip", nil, s3store.Condition{}, s3store.Content{Body: strings.NewReader("bundle"), Length: 6})
	if err != nil {
		t.Fatal(err)
	}
	p := newPreparer(t, store, "", nil, repack.Limits{}, map[string]revision.Source{
		"there": answers{info: revision.Info{ETag: "abc", Version: "v1"}}, "gone": answers{err: fmt.Errorf("none: %w", revision.ErrNotFound)},
		"closed": answers{err: fmt.Errorf("no: %w", revision.ErrDenied)}, "away": answers{err: errors.New("no route")},
	})
	for _, tt := range []struct {
		l    deploy.S3Location
		code string
		says []string
	}{
		{deploy.S3Location{Bucket: "bundles", Key: "app.zip"}, "", nil},
		{deploy.S3Location{Bucket: "bundles", Key: "app.zip", ETag: `"` + o.ETag + `"`, Version: "null"}, "", nil},
		{deploy.S3Location{Bucket: "bundles", Key: "app.zip", ETag: o.ETag}, "", nil},
		{deploy.S3Location{Bucket: "bundles", Key: "app.zip", ETag: `"0123"`}, deploy.CodeRevisionMissing, []string{"eTag " + o.ETag, "with 0123;"}},
		{deploy.S3Location{Bucket: "bundles", Key: "app.zip", Version: "7"}, deploy.CodeRevisionMissing, []string{"s3://bundles/app.zip", "version 7"}},
		{deploy.S3Location{Bucket: "bundles", Key: "none.zip"}, deploy.CodeRevisionMissing, []string{"s3://bundles/none.zip", "upload it"}},
		{deploy.S3Location{Bucket: "theirs", Key: "app.zip"}, deploy.CodeRevisionMissing, []string{"another account's"}},
		{deploy.S3Location{Bucket: "unknown", Key: "app.zip"}, deploy.CodeRevisionMissing, []string{"neither in the built-in store nor configured under revisions.external"}},
		{deploy.S3Location{Bucket: "there", Key: "app.zip", ETag: "abc"}, "", nil},
		{deploy.S3Location{Bucket: "there", Key: "app.zip", ETag: "def"}, deploy.CodeRevisionMissing, []string{"eTag abc", "with def;"}},
		{deploy.S3Location{Bucket: "gone", Key: "app.zip", Version: "v1"}, deploy.CodeRevisionMissing, []string{"version v1"}},
		{deploy.S3Location{Bucket: "closed", Key: "app.zip"}, deploy.CodeRevisionMissing, []string{"s3:GetObject"}},
	} {
		wrong, err := p.Prepare(t.Context(), account, deploy.Revision{Type: deploy.RevisionS3, S3: &tt.l})
		is(t, fmt.Sprintf("%+v", tt.l), wrong, err, tt.code, tt.says...)
	}
	if _, err := p.Prepare(t.Context(), account, deploy.Revision{S3: &deploy.S3Location{Bucket: "away", Key: "app.zip"}}); err == nil {
		t.Error("an endpoint that does not answer is no reason to try again")
	}
	wrong, err := p.Prepare(t.Context(), account, deploy.Revision{Type: deploy.RevisionAppSpec, Content: &deploy.ContentLocation{}})
	is(t, "an inline AppSpec", wrong, err, "")
}

func commitOf(repository, id string) deploy.Revision {
	return deploy.Revision{Type: deploy.RevisionGitHub, GitHub: &deploy.GitHubLocation{Repository: repository, CommitID: id}}
}

// host is a source host with the repositories of the tests.
func host(t *testing.T) *githubtest.Host {
	t.Helper()
	files := []githubtest.File{{Name: "appspec.yml", Text: "version: 0.0\nos: linux\n"}}
	h := githubtest.GitHub(t)
	all := map[string][]githubtest.File{commit: files}
	h.Put("shop/web", githubtest.Repository{Commits: all})
	h.Put("shop/secret", githubtest.Repository{Tokens: []string{"of-shop"}, Commits: all})
	h.Put("team/secret", githubtest.Repository{Tokens: []string{"of-all"}, Commits: all})
	h.Put("shop/evil", githubtest.Repository{Commits: map[string][]githubtest.File{commit: {{Name: "passwd", Link: "/etc/passwd"}}}})
	h.Put("shop/large", githubtest.Repository{Commits: map[string][]githubtest.File{commit: {{Name: "zeros", Text: strings.Repeat("0", 2<<20)}}}})
	return h
}

func TestCommitsAreFetchedOrSaidToBeMissing(t *testing.T) {
	t.Parallel()
	h := host(t)
	all := tokens{"shop": "of-shop", "default": "of-all"}
	for _, tt := range []struct {
		repository, id string
		k              tokens
		code           string
		says           []string
	}{
		{"shop/web", commit, nil, "", nil},
		{"shop/web", strings.ToUpper(commit[:8]) + commit[8:], nil, "", nil},
		{"shop/secret", commit, all, "", nil},
		{"team/secret", commit, all, "", nil},
		{"shop/secret", commit, nil, deploy.CodeNoGitHubToken, []string{"no public repository shop/secret", "crossfade github add-token shop"}},
		{"shop/secret", commit, tokens{"default": "of-all"}, deploy.CodeRevisionMissing, []string{"to the token default", "crossfade github add-token shop"}},
		{"shop/secret", commit, tokens{"shop": "revoked", "default": "of-shop"}, deploy.CodeNoGitHubToken, []string{"refuses the token shop", "crossfade github add-token shop"}},
		{"shop/secret", commit, tokens{"shop": "sealed"}, deploy.CodeNoGitHubToken, []string{"another key file", "crossfade github add-token shop"}},
		{"shop/web", strings.Repeat("f", 40), nil, deploy.CodeRevisionMissing, []string{"no commit ffff", "push it"}},
		{"shop/web/../x", commit, nil, deploy.CodeNoGitHubToken, []string{"no public repository"}},
		{"shop/evil", commit, nil, deploy.CodeInvalidRevision, []string{"/etc/passwd", "leads out of the bundle"}},
		{"shop/large", commit, nil, deploy.CodeInvalidRevision, []string{"1048576 bytes"}},
	} {
		store := newStore(t)
		p := newPreparer(t, store, h.URL, tt.k, repack.Limits{Bytes: 1 << 20}, nil)
		wrong, err := p.Prepare(t.Context(), account, commitOf(tt.repository, strings.ToLower(tt.id)))
		is(t, fmt.Sprint(tt.repository, " ", tt.k), wrong, err, tt.code, tt.says...)
		l := revision.GitHubBundle(account, tt.repository, tt.id)
		content, info, bundleType, err := p.Open(t.Context(), account, commitOf(tt.repository, tt.id))
		switch {
		case tt.code != "":
			if !errors.Is(err, revision.ErrNotFound) {
				t.Errorf("%s is at %s: %v", tt.repository, l, err)
			}
		case err != nil || bundleType != "tgz" || info.Size == 0:
			t.Errorf("%s is at %s (%s, %d bytes): %v", tt.repository, l, bundleType, info.Size, err)
		default:
			content.Close()
		}
		if left, err := store.Uploads(l.Bucket); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v, %v", tt.repository, left, err)
		}
		if wrong != nil {
			for _, secret := range []string{"of-shop", "of-all", "revoked"} {
				if strings.Contains(wrong.Message, secret) {
					t.Errorf("%q tells a token", wrong.Message)
				}
			}
		}
	}
}

func TestACommitIsFetchedOncePerAccount(t *testing.T) {
	t.Parallel()
	h := host(t)
	store := newStore(t)
	p := newPreparer(t, store, h.URL, nil, repack.Limits{}, nil)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			of := account
			if i%2 == 1 {
				of = "111111111111"
			}
			wrong, err := p.Prepare(t.Context(), of, commitOf("shop/web", commit))
			is(t, of, wrong, err, "")
		})
	}
	all.Wait()
	downloads := 0
	for _, a := range h.Asked() {
		if a.Host == "archives" {
			downloads++
		}
	}
	if downloads != 2 {
		t.Errorf("%d downloads for two accounts", downloads)
	}
	for _, of := range []string{account, "111111111111"} {
		if b, err := store.Bucket(revision.GitHubBucket(of)); err != nil || b.Account != of {
			t.Errorf("%+v, %v", b, err)
		}
	}
}

func TestABucketOfAnotherAccountIsNotTrusted(t *testing.T) {
	t.Parallel()
	h := host(t)
	store := newStore(t)
	l := revision.GitHubBundle(account, "shop/web", commit)
	if err := store.EnsureBucket("111111111111", l.Bucket); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), l.Bucket, l.Key, nil, s3store.Condition{}, s3store.Content{Body: strings.NewReader("evil"), Length: 4}); err != nil {
		t.Fatal(err)
	}
	if wrong, err := newPreparer(t, store, h.URL, nil, repack.Limits{}, nil).Prepare(t.Context(), account, commitOf("shop/web", commit)); err == nil {
		t.Errorf("took %+v", wrong)
	}
}

// TestWhatMayPassIsAnError holds that a source host out of order, one that limits, and a store out of order are worth trying again.
func TestWhatMayPassIsAnError(t *testing.T) {
	t.Parallel()
	h := host(t)
	p := newPreparer(t, newStore(t), h.URL, tokens{"broken": "broken"}, repack.Limits{}, nil)
	for name, answer := range map[string]http.HandlerFunc{
		"out of order": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"a page":       func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, string(githubtest.Archive("web", commit, nil)[:50]))
		},
		"limiting": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		},
	} {
		h.Answer(answer)
		wrong, err := p.Prepare(t.Context(), account, commitOf("shop/web", commit))
		if wrong != nil || err == nil {
			t.Errorf("%s: %+v, %v", name, wrong, err)
		}
		var later interface{ RetryAt() time.Time }
		if errors.As(err, &later) != (name == "limiting") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if wrong, err := p.Prepare(t.Context(), account, commitOf("broken/web", commit)); wrong != nil || err == nil {
		t.Errorf("tokens: %+v, %v", wrong, err)
	}
	h.Answer(nil)
	wrong, err := p.Prepare(t.Context(), account, commitOf("shop/web", commit))
	is(t, "afterwards", wrong, err, "")
}

func TestWaitingForADownloadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := host(t)
	p := newPreparer(t, newStore(t), h.URL, nil, repack.Limits{}, nil)
	began, goOn := make(chan struct{}), make(chan struct{})
	h.Answer(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-goOn
		fmt.Fprint(w, string(githubtest.Archive("web", commit, []githubtest.File{{Name: "a"}})))
	})
	first := make(chan error, 1)
	go func() {
		_, err := p.Prepare(t.Context(), account, commitOf("shop/web", commit))
		first <- err
	}()
	<-began
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := p.Prepare(ended, account, commitOf("shop/web", commit)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
