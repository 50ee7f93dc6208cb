package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/revision/github/githubtest"
)

// serveFrom starts the server anew with a source host.
func (s *stand) serveFrom(kind, url string) {
	s.t.Helper()
	s.server.stop()
	path := filepath.Join(s.dir, "crossfade.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "revisions:") {
			line = "revisions: {buckets: [" + bucket + "], github: {kind: " + kind + ", url: '" + url + "'}}\n"
		}
		lines = append(lines, line)
	}
	s.write("crossfade.yaml", strings.Join(lines, ""))
	s.startServer()
}

// TestCommitsAreDeployedThroughTheServer holds that hosts get commits of private repositories from the server, without a token, that each commit is
// downloaded once, and that the deployment says what is missing.
func TestCommitsAreDeployedThroughTheServer(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	installed := filepath.Join(s.dir, "installed")
	spec := "version: 0.0\nos: linux\nfile_exists_behavior: OVERWRITE\nfiles:\n  - source: VERSION\n    destination: " + installed + "\nhooks:\n  AfterInstall:\n    - location: scripts/seen.sh\n"
	commit := func(version string) []githubtest.File {
		return []githubtest.File{
			{Name: "appspec.yml", Text: spec}, {Name: "VERSION", Text: version}, {Name: "current", Link: "scripts"},
			{Name: "scripts/seen.sh", Text: "#!/bin/sh\nenv\ntest -L ${0%/*}/../current\n", Exec: true},
		}
	}
	first, second, third := strings.Repeat("1", 40), strings.Repeat("2", 40), strings.Repeat("3", 40)
	hub, tea := githubtest.GitHub(t), githubtest.Gitea(t)
	hub.Put("shop/web", githubtest.Repository{Tokens: []string{"the-secret-token"}, Commits: map[string][]githubtest.File{first: commit("one"), second: commit("two")}})
	tea.Put("team/web", githubtest.Repository{Commits: map[string][]githubtest.File{third: commit("three")}})
	s.serveFrom("github", hub.URL)
	s.addHost("web-1", "blue")
	if _, err := s.deploy.CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("shop")}); err != nil {
		t.Fatal(err)
	}
	group := groupOf("plain", types.DeploymentTypeInPlace)
	group.DeploymentStyle.DeploymentOption, group.LoadBalancerInfo = types.DeploymentOptionWithoutTrafficControl, nil
	if _, err := s.deploy.CreateDeploymentGroup(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	deploy := func(r *types.RevisionLocation) *types.DeploymentInfo {
		t.Helper()
		out, err := s.deploy.CreateDeployment(t.Context(), &codedeploy.CreateDeploymentInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("plain"), Revision: r})
		if err != nil {
			t.Fatal(err)
		}
		return s.awaitEnd(*out.DeploymentId)
	}
	at := func(repository, id string) *types.RevisionLocation {
		return &types.RevisionLocation{RevisionType: types.RevisionLocationTypeGitHub, GitHubLocation: &types.GitHubLocation{Repository: &repository, CommitId: &id}}
	}
	fails := func(what string, r *types.RevisionLocation, code types.ErrorCode, says ...string) {
		t.Helper()
		i := deploy(r)
		if i.Status != types.DeploymentStatusFailed || i.ErrorInformation == nil || i.ErrorInformation.Code != code {
			t.Errorf("%s: %s %+v, want %s", what, i.Status, i.ErrorInformation, code)
			return
		}
		for _, text := range says {
			if !strings.Contains(aws.ToString(i.ErrorInformation.Message), text) {
				t.Errorf("%s: %q does not say %q", what, aws.ToString(i.ErrorInformation.Message), text)
			}
		}
	}
	works := func(r *types.RevisionLocation, version string) {
		t.Helper()
		i := deploy(r)
		text, err := os.ReadFile(filepath.Join(installed, "VERSION"))
		if i.Status != types.DeploymentStatusSucceeded || err != nil || string(text) != version {
			t.Fatalf("%s: %s %+v, installed %q, %v", version, i.Status, i.ErrorInformation, text, err)
		}
	}

	fails("no token", at("shop/web", first), types.ErrorCodeMissingGithubToken, "crossfade github add-token shop")
	s.run("github", "add-token", "shop", "--token-file", s.write("token.txt", "the-secret-token\n"), "--endpoint", s.endpoint)
	works(at("shop/web", first), "one")
	works(at("shop/web", second), "two")
	fails("no commit", at("shop/web", third), types.ErrorCodeRevisionMissing, "no commit "+third)
	hub.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	works(at("shop/web", first), "one")
	s.serveFrom("gitea", tea.URL)
	works(at("team/web", third), "three")

	archives := 0
	for _, a := range append(hub.Asked(), tea.Asked()...) {
		if a.Host == "archives" {
			archives++
			if a.Authorization != "" {
				t.Errorf("the token went to another host: %+v", a)
			}
		}
	}
	if archives != 2 {
		t.Errorf("%d archives of two commits were downloaded from GitHub", archives)
	}
	s.neverTells("the-secret-token")

	there := s.upload("app.zip", bundle(t, "v1", nil))
	etag := *there.S3Location.ETag
	there.S3Location.ETag = aws.String("0123")
	fails("another eTag", there, types.ErrorCodeRevisionMissing, strings.Trim(etag, `"`), "0123")
	there.S3Location.ETag, there.S3Location.Version = nil, aws.String("7")
	fails("no version", there, types.ErrorCodeRevisionMissing, "version 7")
	there.S3Location.Version, there.S3Location.Key = nil, aws.String("no-bundle.zip")
	fails("no bundle", there, types.ErrorCodeRevisionMissing, "s3://"+bucket+"/no-bundle.zip is not there")
	there.S3Location.Bucket = aws.String("elsewhere")
	fails("no bucket", there, types.ErrorCodeRevisionMissing, "revisions.external")
}

// neverTells holds that a secret is in no file of the hosts and in no log.
func (s *stand) neverTells(secret string) {
	s.t.Helper()
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "token.txt" || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), secret) {
			s.t.Errorf("%s tells the secret", path)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
