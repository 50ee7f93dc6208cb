package prepare_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"crossfade/internal/counterpart"
	"crossfade/internal/deploy"
	"crossfade/internal/revision"
	"crossfade/internal/revision/repack"
	"crossfade/internal/revision/s3client"
)

// TestVersionsOfAnotherEndpointAreHeldAgainstWhatIsThere checks revisions in a bucket with versioning, which the built-in store has not.
func TestVersionsOfAnotherEndpointAreHeldAgainstWhatIsThere(t *testing.T) {
	t.Parallel()
	url := counterpart.Moto(t)
	api := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("KEY", "secret", "")})
	bucket, key := aws.String("prepared-builds"), aws.String("app.zip")
	if _, err := api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	var versions, etags []string
	for _, content := range []string{"first", "second"} {
		o, err := api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(content)})
		if err != nil {
			t.Fatal(err)
		}
		versions, etags = append(versions, aws.ToString(o.VersionId)), append(etags, aws.ToString(o.ETag))
	}
	if !strings.HasPrefix(etags[0], `"`) || versions[0] == "" {
		t.Fatalf("versions %q, eTags %q", versions, etags)
	}
	client, err := s3client.New(t.Context(), s3client.Options{Region: "us-east-1", Endpoint: url, PathStyle: true, AccessKeyID: "KEY", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	p := newPreparer(t, newStore(t), "", nil, repack.Limits{}, map[string]revision.Source{*bucket: client})
	check := func(l deploy.S3Location, code string, says ...string) {
		t.Helper()
		l.Bucket = *bucket
		if l.Key == "" {
			l.Key = *key
		}
		wrong, err := p.Prepare(t.Context(), account, deploy.Revision{Type: deploy.RevisionS3, S3: &l})
		is(t, l.Key+" "+l.Version+" "+l.ETag, wrong, err, code, says...)
	}
	bare := func(i int) string { return strings.Trim(etags[i], `"`) }
	check(deploy.S3Location{}, "")
	check(deploy.S3Location{Version: versions[0]}, "")
	check(deploy.S3Location{Version: versions[0], ETag: etags[0]}, "")
	check(deploy.S3Location{ETag: bare(1)}, "")
	check(deploy.S3Location{ETag: etags[0]}, deploy.CodeRevisionMissing, bare(0), bare(1))
	check(deploy.S3Location{Version: versions[0], ETag: bare(1)}, deploy.CodeRevisionMissing, bare(0), bare(1))
	check(deploy.S3Location{Version: "0123456789abcdef0123456789abcdef"}, deploy.CodeRevisionMissing, "in version 0123456789abcdef0123456789abcdef")
	check(deploy.S3Location{Key: "none.zip"}, deploy.CodeRevisionMissing, "s3://prepared-builds/none.zip is not there")
	if _, err := api.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key}); err != nil {
		t.Fatal(err)
	}
	check(deploy.S3Location{}, deploy.CodeRevisionMissing, "is not there")
	check(deploy.S3Location{Version: versions[1], ETag: etags[1]}, "")
}
