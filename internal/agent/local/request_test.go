package local

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/envelope"
)

func TestTheOrderOfEvents(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ asked, want, custom, problem string }{
		{"", strings.Join(lifecycle.Events(), ","), "", ""},
		{"AfterInstall", "DownloadBundle,Install,AfterInstall", "", ""},
		{"BeforeInstall,ApplicationStart", "DownloadBundle,Install,BeforeInstall,ApplicationStart", "", ""},
		{"ApplicationStop,DownloadBundle,BeforeInstall,AfterInstall", "ApplicationStop,DownloadBundle,BeforeInstall,Install,AfterInstall", "", ""},
		{"ApplicationStop,DownloadBundle", "ApplicationStop,DownloadBundle,Install", "", ""},
		{"ApplicationStop,Install", "DownloadBundle,ApplicationStop,Install", "", ""},
		{"Smoke,ValidateService", "DownloadBundle,Install,Smoke,ValidateService", "Smoke", ""},
		{"BeforeInstall,DownloadBundle,Install", "", "", "before DownloadBundle are BeforeBlockTraffic, AfterBlockTraffic, ApplicationStop: move BeforeInstall behind it"},
		{"AfterInstall,DownloadBundle", "", "", "before DownloadBundle are BeforeBlockTraffic, AfterBlockTraffic, ApplicationStop: move AfterInstall"},
		{"DownloadBundle,Smoke,Install", "", "", "before Install are BeforeBlockTraffic, AfterBlockTraffic, ApplicationStop, DownloadBundle, BeforeInstall: move Smoke behind it"},
		{"Install,DownloadBundle", "", "", "move Install behind it"},
		{"AfterInstall,,ApplicationStart", "", "", "empty name"},
		{"AfterInstall,AfterInstall", "", "", "AfterInstall is in the list twice"},
	} {
		var asked []string
		if tc.asked != "" {
			asked = strings.Split(tc.asked, ",")
		}
		events, custom, err := order(asked)
		if tc.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("%s: got %v, want %q", tc.asked, err, tc.problem)
			}
			continue
		}
		if err != nil || strings.Join(events, ",") != tc.want || strings.Join(custom, ",") != tc.custom {
			t.Errorf("%s: got %q, %q, %v", tc.asked, events, custom, err)
		}
	}
}

func TestLocations(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"b.zip", "b.tar", "b.tar.gz", "b.bin"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disk := func(name, kind string) envelope.Revision {
		r := envelope.Revision{RevisionType: envelope.RevisionLocalFile, LocalRevision: &envelope.LocalRevision{Location: filepath.Join(dir, name), BundleType: kind}}
		if kind == "directory" {
			r.RevisionType = envelope.RevisionLocalDirectory
		}
		return r
	}
	s3 := func(r envelope.S3Revision) envelope.Revision {
		return envelope.Revision{RevisionType: envelope.RevisionS3, S3Revision: &r}
	}
	hub := func(account, repository, commit, kind string) envelope.Revision {
		return envelope.Revision{RevisionType: envelope.RevisionGitHub, GitHubRevision: &envelope.GitHubRevision{Account: account, Repository: repository, CommitID: commit, BundleType: kind}}
	}
	for _, tc := range []struct {
		location, kind string
		want           envelope.Revision
		problem        string
	}{
		{dir, "", disk("", "directory"), ""},
		{dir, "directory", disk("", "directory"), ""},
		{dir + "/b.zip", "", disk("b.zip", "zip"), ""},
		{dir + "/b.tar.gz", "", disk("b.tar.gz", "tgz"), ""},
		{dir + "/b.bin", "tar", disk("b.bin", "tar"), ""},
		{dir + "/b.bin", "", envelope.Revision{}, "say which with --type"},
		{dir + "/b.zip", "directory", envelope.Revision{}, "is a file and no directory"},
		{dir, "zip", envelope.Revision{}, "is a directory and no zip file"},
		{dir, "rar", envelope.Revision{}, "is not one of tgz, tar, zip, directory"},
		{dir + "/gone", "", envelope.Revision{}, "no such file"},
		{"s3://b/k/x.zip?versionId=v&etag=e", "", s3(envelope.S3Revision{Bucket: "b", Key: "k/x.zip", BundleType: "zip", Version: "v", ETag: "e"}), ""},
		{"s3://b/k", "tgz", s3(envelope.S3Revision{Bucket: "b", Key: "k", BundleType: "tgz"}), ""},
		{"s3://b/k", "", envelope.Revision{}, "say zip, tar or tgz with --type"},
		{"s3://b/k.zip", "directory", envelope.Revision{}, "say zip, tar or tgz with --type"},
		{"s3://b", "zip", envelope.Revision{}, "not of the form s3://BUCKET/KEY"},
		{"s3://b/k.zip?version=1", "", envelope.Revision{}, `has "version"`},
		{"https://github.com/o/r", "", hub("o", "r", "HEAD", ""), ""},
		{"https://github.com/o/r.git", "zip", hub("o", "r", "HEAD", "zip"), ""},
		{"https://api.github.com/repos/o/r/tarball/abc", "", hub("o", "r", "abc", "tar"), ""},
		{"https://api.github.com/repos/o/r/zipball/feature/x", "", hub("o", "r", "feature/x", "zip"), ""},
		{"https://api.github.com/repos/o/r/zipball/abc", "tar", envelope.Revision{}, "is a zip: leave out --type"},
		{"https://github.com/o", "", envelope.Revision{}, "not of the form https://github.com"},
		{"https://example.com/o/r", "", envelope.Revision{}, "not of the form https://github.com"},
		{"http://github.com/o/r", "", envelope.Revision{}, "is not encrypted"},
		{"ftp://x/y", "", envelope.Revision{}, "is no path, no s3://"},
	} {
		got, _, err := Request{Location: tc.location, Type: tc.kind}.revision()
		if tc.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("%s: got %v, want %q", tc.location, err, tc.problem)
			}
			continue
		}
		if err != nil || !sameRevision(got, tc.want) {
			t.Errorf("%s: got %+v, %v", tc.location, got, err)
		}
	}
}

func sameRevision(a, b envelope.Revision) bool {
	same := a.RevisionType == b.RevisionType
	switch {
	case a.S3Revision != nil && b.S3Revision != nil:
		return same && *a.S3Revision == *b.S3Revision
	case a.GitHubRevision != nil && b.GitHubRevision != nil:
		return same && *a.GitHubRevision == *b.GitHubRevision
	case a.LocalRevision != nil && b.LocalRevision != nil:
		return same && *a.LocalRevision == *b.LocalRevision
	}
	return false
}

func TestWhatAPlanIsAndIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"appspec.yaml", "x.yml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Request{Location: dir}.Plan("ABCDEF123")
	if err != nil {
		t.Fatal(err)
	}
	s := p.Spec
	if s.DeploymentID != "d-ABCDEF123-local" || s.DeploymentGroupID != "default-local-deployment-group" || s.DeploymentGroupName != "LocalFleet" ||
		s.ApplicationName != dir || s.FileExistsBehavior() != envelope.Disallow || s.AppSpecFilename != "appspec.yml" {
		t.Errorf("got %+v", s)
	}
	p, err = Request{Location: dir, Behavior: "retain", GroupID: "g", GroupName: "n", Application: "a", AppSpec: "x.yml", Events: []string{"Smoke"}}.Plan("ABCDEF123")
	if s := p.Spec; err != nil || s.DeploymentGroupID != "g" || s.DeploymentGroupName != "n" || s.ApplicationName != "a" || s.FileExistsBehavior() != envelope.Retain ||
		s.AppSpecFilename != "x.yml" || !slices.Contains(s.AllPossibleLifecycleEvents, "Smoke") || !slices.Contains(s.AllPossibleLifecycleEvents, "ApplicationStop") {
		t.Errorf("got %+v, %v", s, err)
	}
	for want, r := range map[string]Request{
		`"KEEP" is not one of DISALLOW, OVERWRITE, RETAIN`: {Location: dir, Behavior: "KEEP"},
		"can't name a directory":                           {Location: dir, GroupID: "../x"},
		"a path inside the bundle":                         {Location: dir, AppSpec: "/etc/passwd"},
		"empty name":                                       {Location: dir, Events: []string{""}},
		"is not encrypted":                                 {Location: "http://x"},
		// Its first events would stop what the last deployment started.
		"has no AppSpec file appspec.yml or appspec.yaml": {Location: t.TempDir()},
		"has no AppSpec file y.yml":                       {Location: dir, AppSpec: "y.yml"},
	} {
		if _, err := r.Plan("ABCDEF123"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
