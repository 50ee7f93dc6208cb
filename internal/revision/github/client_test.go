package github_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"crossfade/internal/revision/github"
	"crossfade/internal/revision/github/githubtest"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

var (
	now   = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	files = []githubtest.File{{Name: "appspec.yml", Text: "version: 0.0\nos: linux\n"}}
	kinds = map[github.Kind]func(testing.TB) *githubtest.Host{github.GitHub: githubtest.GitHub, github.Gitea: githubtest.Gitea}
)

func client(t *testing.T, kind github.Kind, h *githubtest.Host) *github.Client {
	t.Helper()
	c, err := github.New(github.Options{Kind: kind, URL: h.URL + "/", Now: func() time.Time { return now }, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fill puts a public and a private repository onto the host.
func fill(h *githubtest.Host) {
	h.Put("shop/web", githubtest.Repository{Commits: map[string][]githubtest.File{commit: files}})
	h.Put("shop/secret", githubtest.Repository{Tokens: []string{"opens"}, Commits: map[string][]githubtest.File{commit: files}})
	h.Put("other/x", githubtest.Repository{Tokens: []string{"blind"}})
}

func TestDownloadsCommits(t *testing.T) {
	t.Parallel()
	for kind, start := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			h := start(t)
			fill(h)
			c := client(t, kind, h)
			for repository, token := range map[string]github.Token{"shop/web": {}, "shop/secret": {Name: "shop", Secret: "opens"}} {
				r, err := c.Archive(t.Context(), github.Commit{Repository: repository, ID: commit}, token)
				if err != nil {
					t.Fatalf("%s: %v", repository, err)
				}
				got, err := io.ReadAll(r)
				if err := errors.Join(err, r.Close()); err != nil {
					t.Fatal(err)
				}
				top := "shop-" + strings.TrimPrefix(repository, "shop/") + "-0123456"
				if kind == github.Gitea {
					top = strings.TrimPrefix(repository, "shop/")
				}
				if want := githubtest.Archive(top, commit, files); string(got) != string(want) {
					t.Errorf("%s: another archive", repository)
				}
			}
			toAPI := 0
			for _, a := range h.Asked() {
				if a.Host == "archives" && a.Authorization != "" {
					t.Errorf("the token went to the host of the archives: %+v", a)
				}
				if a.Host == "api" && strings.Contains(a.Path, "secret") && a.Authorization == "token opens" {
					toAPI++
				}
			}
			if toAPI != 1 {
				t.Errorf("%d requests with the token: %+v", toAPI, h.Asked())
			}
		})
	}
}

func TestReadsRefusals(t *testing.T) {
	t.Parallel()
	none := strings.Repeat("f", 40)
	for kind, start := range kinds {
		h := start(t)
		fill(h)
		for _, tt := range []struct {
			repository, id, token string
			want                  error
		}{
			{"shop/web", none, "", github.ErrNoCommit},
			{"shop/secret", none, "opens", github.ErrNoCommit},
			{"shop/none", commit, "", github.ErrNoRepository},
			{"shop/secret", commit, "", github.ErrNoRepository},
			{"shop/secret", commit, "blind", github.ErrNoRepository},
			{"shop/secret", commit, "revoked", github.ErrToken},
			{"../x", commit, "", github.ErrNoRepository},
			{"shop/..", commit, "", github.ErrNoRepository},
			{"shop/a?b", commit, "", github.ErrNoRepository},
			{"shop", commit, "", github.ErrNoRepository},
		} {
			_, err := client(t, kind, h).Archive(t.Context(), github.Commit{Repository: tt.repository, ID: tt.id}, github.Token{Name: "shop", Secret: tt.token})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s %s@%s with %q: %v, want %v", kind, tt.repository, tt.id, tt.token, err, tt.want)
			}
			if err != nil && tt.token != "" && strings.Contains(err.Error(), tt.token) {
				t.Errorf("%v tells the token", err)
			}
		}
	}
}

func TestLeavesALimitingHostAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		header map[string]string
		body   string
		want   time.Duration // zero: not a limit
	}{
		"seconds":       {429, map[string]string{"Retry-After": "30"}, "", 30 * time.Second},
		"a date":        {503, map[string]string{"Retry-After": now.Add(40 * time.Second).Format(http.TimeFormat)}, "", 40 * time.Second},
		"spent":         {403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1778051589"}, "", 300 * time.Second},
		"too long":      {429, map[string]string{"Retry-After": "999999999999"}, "", time.Hour},
		"no number":     {429, map[string]string{"Retry-After": "soon"}, "", time.Minute},
		"the secondary": {403, nil, `{"message":"You have exceeded a secondary rate limit."}`, time.Minute},
		"nothing said":  {429, nil, "", time.Minute},
		"not allowed":   {403, map[string]string{"X-RateLimit-Remaining": "50"}, `{"message":"Resource not accessible"}`, 0},
		"out of order":  {503, nil, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := githubtest.GitHub(t)
			fill(h)
			h.Answer(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			})
			at := now
			c, err := github.New(github.Options{URL: h.URL, Now: func() time.Time { return at }})
			if err != nil {
				t.Fatal(err)
			}
			ask := func(token string) error {
				r, err := c.Archive(t.Context(), github.Commit{Repository: "shop/web", ID: commit}, github.Token{Secret: token})
				if err == nil {
					err = r.Close()
				}
				return err
			}
			var later *github.Later
			err = ask("")
			if tt.want == 0 {
				if err == nil || errors.As(err, &later) || errors.Is(err, github.ErrToken) != (tt.status == 403) {
					t.Errorf("%v", err)
				}
				return
			}
			if !errors.As(err, &later) || !later.RetryAt().Equal(now.Add(tt.want)) {
				t.Fatalf("%v, want to wait %s", err, tt.want)
			}
			h.Answer(nil)
			at = now.Add(tt.want - time.Second)
			if err := ask(""); !errors.As(err, &later) || len(h.Asked()) != 1 {
				t.Errorf("asked again before the time: %v, %d requests", err, len(h.Asked()))
			}
			if err := ask("opens"); err != nil {
				t.Errorf("another token waits too: %v", err)
			}
			at = now.Add(tt.want)
			if err := ask(""); err != nil {
				t.Errorf("after the time: %v", err)
			}
		})
	}
}

func TestRedirectsAreHeldIn(t *testing.T) {
	t.Parallel()
	h := githubtest.GitHub(t)
	c := client(t, github.GitHub, h)
	ask := func() error {
		r, err := c.Archive(t.Context(), github.Commit{Repository: "shop/web", ID: commit}, github.Token{Secret: "opens"})
		if err == nil {
			err = r.Close()
		}
		return err
	}
	h.Answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"?signature=hidden", http.StatusFound)
	})
	if err := ask(); err == nil || !strings.Contains(err.Error(), "redirects more than 5") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("in circles: %v", err)
	}
	h.Answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	if err := ask(); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("to a file: %v", err)
	}
	h.Answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/?signature=hidden", http.StatusFound)
	})
	if err := ask(); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("to nobody: %v", err)
	}
}

func TestADownloadEndsWithItsContextOrTime(t *testing.T) {
	t.Parallel()
	h := githubtest.GitHub(t)
	h.Answer(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c, err := github.New(github.Options{URL: h.URL, Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Archive(t.Context(), github.Commit{Repository: "shop/web", ID: commit}, github.Token{})
	if err == nil {
		_, err = io.ReadAll(r)
		r.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    github.Options
		says string
	}{
		{github.Options{Kind: "gitlab"}, "gitlab"},
		{github.Options{Kind: github.Gitea}, "no URL"},
		{github.Options{URL: "ftp://x"}, "not of the form"},
		{github.Options{URL: "https://u:p@x"}, "not of the form"},
		{github.Options{URL: "https://x?y"}, "not of the form"},
		{github.Options{URL: "https://"}, "not of the form"},
	} {
		if _, err := github.New(tt.o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
	if c, err := github.New(github.Options{}); err != nil || c.Host() != "api.github.com" {
		t.Errorf("%v", err)
	}
}
