package server

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/config"
	"crossfade/internal/deploy"
	"crossfade/internal/retention"
	"crossfade/internal/revision"
	"crossfade/internal/revision/s3store"
)

// TestOnlyBundlesOfTheAccountGo holds which objects go with a revision: never another account's, none that was written since, none elsewhere.
func TestOnlyBundlesOfTheAccountGo(t *testing.T) {
	t.Parallel()
	written := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	s, err := s3store.Open(s3store.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return written }, NewID: identifiers{}.UUID})
	if err != nil {
		t.Fatal(err)
	}
	commit := revision.GitHubBundle("1", "shop/web", "abc")
	for _, o := range []struct{ account, bucket, key string }{{"1", "mine", "v1.zip"}, {"1", commit.Bucket, commit.Key}, {"2", "theirs", "v1.zip"}} {
		if err := s.EnsureBucket(o.account, o.bucket); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), o.bucket, o.key, nil, s3store.Condition{}, s3store.Content{Body: bytes.NewReader([]byte("bundle")), Length: 6}); err != nil {
			t.Fatal(err)
		}
	}
	s3 := func(bucket string) deploy.Revision {
		return deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: bucket, Key: "v1.zip"}}
	}
	later := written.Add(time.Second)
	for _, c := range []struct {
		name  string
		of    deploy.Revision
		since time.Time
		want  int64
	}{
		{"another account's", s3("theirs"), later, 0},
		{"written since", s3("mine"), written, 0},
		{"of the account", s3("mine"), later, 6},
		{"gone already", s3("mine"), later, 0},
		{"in no bucket of these", s3("external"), later, 0},
		{"a commit", deploy.Revision{Type: deploy.RevisionGitHub, GitHub: &deploy.GitHubLocation{Repository: "shop/web", CommitID: "ABC"}}, later, 6},
		{"without a bundle", deploy.Revision{Type: "String"}, later, 0},
	} {
		if got, err := (builtinBundles{s}).Remove("1", c.of, c.since); err != nil || got != c.want {
			t.Errorf("%s: %d bytes, %v, want %d", c.name, got, err, c.want)
		}
	}
	var refused *s3store.Error
	if _, err := s.Get("theirs", "v1.zip"); err != nil {
		t.Errorf("the other account's bundle: %v", err)
	}
	if _, err := s.Get("mine", "v1.zip"); !errors.As(err, &refused) || refused.Code != s3store.NoSuchKey {
		t.Errorf("the bundle that went: %v", err)
	}
}

func TestTheConfigurationIsThePolicy(t *testing.T) {
	t.Parallel()
	c := config.Default().Retention
	c.Logs.Megabytes, c.Revisions.Count = 3, 7
	want := retention.Policy{
		Deployments: retention.Limit{Age: 400 * 24 * time.Hour, Count: 10_000}, Logs: retention.LogLimit{Age: 30 * 24 * time.Hour, Bytes: 3 << 20},
		Revisions: retention.Limit{Count: 7},
	}
	if got := keptFor(c); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
