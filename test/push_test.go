package test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestPushIsAsTheOtherOne holds that crossfade push and aws deploy push make revisions with the same files of the same directory, and that what the
// first printed deploys.
func TestPushIsAsTheOtherOne(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(nil)
	source := filepath.Join(s.dir, "source")
	if err := os.CopyFS(source, os.DirFS("../examples/app")); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"site/VERSION": "v2\n", ".hidden": "h", "site/.git/config": "c", "site/empty": ""} {
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("VERSION", filepath.Join(source, "site", "link")); err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{"all": nil, "visible": {"--ignore-hidden-files"}} {
		ours, theirs := "ours-"+name+".zip", "theirs-"+name+".zip"
		push := func(key string) []string {
			return append([]string{"push", "--application-name", "shop", "--source", source, "--s3-location", "s3://" + bucket + "/" + key}, flags...)
		}
		s.run(push(ours)...)
		if _, err := s.aws(append([]string{"deploy"}, push(theirs)...)...); err != nil {
			t.Fatal(err)
		}
		if got, want := s.unpacked(ours), s.unpacked(theirs); !slices.Equal(got, want) {
			t.Errorf("%s: crossfade push packs\n%s\naws deploy push packs\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	var said struct {
		ETag   string `json:"eTag"`
		Deploy string `json:"deploy"`
	}
	out := s.run("push", "--application-name", "shop", "--source", source, "--s3-location", "s3://"+bucket+"/ours-all.zip", "--output", "json")
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	location := &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
		Bucket: aws.String(bucket), Key: aws.String("ours-all.zip"), BundleType: types.BundleTypeZip, ETag: &said.ETag,
	}}
	if _, err := s.deploy.GetApplicationRevision(t.Context(), &codedeploy.GetApplicationRevisionInput{ApplicationName: aws.String("shop"), Revision: location}); err != nil {
		t.Errorf("the revision is not registered: %v", err)
	}
	words := strings.Fields(strings.TrimPrefix(said.Deploy, "aws ") + " --deployment-group-name prod --target-instances tagFilters=[{Key=env,Value=green,Type=KEY_AND_VALUE}] --query deploymentId --output text")
	id, err := s.aws(words...)
	if err != nil {
		t.Fatal(err)
	}
	s.awaitStatus(strings.TrimSpace(id), types.DeploymentStatusReady)
}

// unpacked lists the files of a bundle with whether they can be executed, and their contents.
func (s *stand) unpacked(key string) (all []string) {
	s.t.Helper()
	out, err := s.objects.GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %v %q", f.Name, f.Mode()&0o111 != 0, body))
	}
	slices.Sort(all)
	return all
}
