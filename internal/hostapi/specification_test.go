package hostapi

import (
	"strings"
	"testing"

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
