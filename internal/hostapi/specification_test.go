package hostapi

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/envelope"
)

// TestHostsAreSentToTheServerForCommits holds that a commit's specification names the server's own bundle of it, in the account's own bucket, and
// nothing of the source host.
func TestHostsAreSentToTheServerForCommits(t *testing.T) {
	t.Parallel()
	d := deploy.Deployment{Spec: deploy.Spec{
		ID: "d-1", Account: "123456789012", GroupID: "g", Group: "prod", Application: "shop",
		Revision: deploy.Revision{Type: deploy.RevisionGitHub, GitHub: &deploy.GitHubLocation{Repository: "shop/web", CommitID: strings.Repeat("AB", 20)}},
	}}
	spec, err := specificationOf(d)
	if err != nil {
		t.Fatal(err)
	}
	want := envelope.S3Revision{Bucket: "crossfade-github-123456789012", Key: "shop/web/" + strings.Repeat("ab", 20) + ".tgz", BundleType: "tgz"}
	if r := spec.Revision; r.RevisionType != envelope.RevisionS3 || r.S3Revision == nil || *r.S3Revision != want || r.GitHubRevision != nil || spec.GitHubAccessToken != "" {
		t.Errorf("%+v", spec)
	}
}

// TestASpecificationIsMadeOnce has many hosts ask for it at the same time, after one for whom it could not be read.
func TestASpecificationIsMadeOnce(t *testing.T) {
	t.Parallel()
	d := deploy.Deployment{Spec: deploy.Spec{ID: "d-1", GroupID: "g", Group: "prod", Application: "shop", Revision: deploy.Revision{Type: deploy.RevisionS3, S3: &deploy.S3Location{Bucket: "b", Key: "k", BundleType: "zip"}}}}
	signer, err := envelope.NewSigner(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := specifications{signer: signer}
	lost := errors.New("the disk is gone")
	if _, err := s.of("d-1", func() (deploy.Deployment, error) { return deploy.Deployment{}, lost }); !errors.Is(err, lost) {
		t.Fatalf("got %v", err)
	}
	var read atomic.Int32
	made := make([]string, 50)
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			var err error
			if made[i], err = s.of("d-1", func() (deploy.Deployment, error) { read.Add(1); return d, nil }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, m := range made {
		if m == "" || m != made[0] {
			t.Fatal("the hosts got different specifications")
		}
	}
	if n := read.Load(); n != 1 {
		t.Errorf("it was made %d times", n)
	}
}
