package envelope

import (
	"reflect"
	"strings"
	"testing"
)

func validSpecification() Specification {
	return Specification{
		DeploymentID: "d-AB1CDEF23", DeploymentGroupID: "5c9d1e7a-0000-4000-8000-000000000000",
		DeploymentGroupName: "prod", ApplicationName: "shop",
		DeploymentCreator: CreatorUser, DeploymentType: TypeInPlace, AppSpecFilename: DefaultAppSpec,
		Revision: Revision{RevisionType: RevisionS3, S3Revision: &S3Revision{Bucket: "b", Key: "k.zip", BundleType: BundleZip, ETag: "e"}},
	}
}

func TestSpecificationComesBackAsSent(t *testing.T) {
	t.Parallel()
	want := validSpecification()
	want.AgentActionOverrides = &ActionOverrides{AgentOverrides{FileExistsBehavior: "overwrite"}}
	content, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseSpecification(content)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.FileExistsBehavior() != Overwrite {
		t.Errorf("file-exists behaviour %q", got.FileExistsBehavior())
	}
}

func TestSpecificationDefaults(t *testing.T) {
	t.Parallel()
	s, err := ParseSpecification([]byte(`{"DeploymentId":"arn:aws:codedeploy:eu-west-1:123456789012:deployment/d-1","DeploymentGroupId":"g",
		"DeploymentGroupName":"n","ApplicationName":"a","Unknown":{"x":1},
		"Revision":{"RevisionType":"GitHub","GitHubRevision":{"Account":"o","Repository":"r","CommitId":"c","Anonymous":true}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s.DeploymentID != "d-1" || s.DeploymentCreator != "user" || s.DeploymentType != "IN_PLACE" || s.AppSpecFilename != "appspec.yml" || s.FileExistsBehavior() != "" {
		t.Errorf("got %+v", s)
	}
}

func TestSpecificationIsValidated(t *testing.T) {
	t.Parallel()
	anonymous := false
	for _, tc := range []struct {
		name   string
		change func(*Specification)
		want   string
	}{
		{"no deployment", func(s *Specification) { s.DeploymentID = "" }, "Deployment Spec has no DeploymentId"},
		{"no group", func(s *Specification) { s.DeploymentGroupID = "" }, "Deployment Spec has no DeploymentGroupId"},
		{"no group name", func(s *Specification) { s.DeploymentGroupName = "" }, "Deployment Spec has no DeploymentGroupName"},
		{"no application", func(s *Specification) { s.ApplicationName = "" }, "Deployment Spec has no ApplicationName"},
		{"climbing deployment", func(s *Specification) { s.DeploymentID = "../../etc" }, "can't name a directory"},
		{"hidden group", func(s *Specification) { s.DeploymentGroupID = ".." }, "can't name a directory"},
		{"slash", func(s *Specification) { s.DeploymentGroupID = "a/b" }, "can't name a directory"},
		{"climbing appspec", func(s *Specification) { s.AppSpecFilename = "x/../../y" }, "inside the bundle"},
		{"absolute appspec", func(s *Specification) { s.AppSpecFilename = "/etc/passwd" }, "inside the bundle"},
		{"behaviour", func(s *Specification) { s.AgentActionOverrides = &ActionOverrides{AgentOverrides{"ASK"}} }, `"ASK"`},
		{"no revision", func(s *Specification) { s.Revision = Revision{} }, "no revision"},
		{"unknown revision", func(s *Specification) { s.Revision.RevisionType = "FTP" }, `"FTP"`},
		{"no S3", func(s *Specification) { s.Revision.S3Revision = nil }, "must specify Bucket, Key and BundleType"},
		{"S3 type", func(s *Specification) { s.Revision.S3Revision.BundleType = "rar" }, "BundleType in S3Revision must be tar, tgz or zip"},
		{"no GitHub", func(s *Specification) { s.Revision = Revision{RevisionType: RevisionGitHub} }, "must specify Account"},
		{"GitHub type", func(s *Specification) {
			s.Revision = Revision{RevisionType: RevisionGitHub, GitHubRevision: &GitHubRevision{"a", "r", "c", "tgz", nil, nil}}
		}, "tar or zip"},
		{"GitHub token", func(s *Specification) {
			s.Revision = Revision{RevisionType: RevisionGitHub, GitHubRevision: &GitHubRevision{"a", "r", "c", "", &anonymous, nil}}
		}, "OAuthToken"},
		{"no local", func(s *Specification) { s.Revision = Revision{RevisionType: RevisionLocalFile} }, "must specify Location"},
		{"local type", func(s *Specification) {
			s.Revision = Revision{RevisionType: RevisionLocalDirectory, LocalRevision: &LocalRevision{"/x", "rar"}}
		}, "BundleType in LocalRevision"},
	} {
		s := validSpecification()
		tc.change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

func FuzzParseSpecification(f *testing.F) {
	content, err := validSpecification().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"DeploymentId":"arn:x/","Revision":{"S3Revision":null}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := ParseSpecification(content)
		if err != nil {
			return
		}
		if strings.ContainsAny(s.DeploymentID+s.DeploymentGroupID, "/\\\x00") || s.DeploymentID == ".." {
			t.Errorf("%q and %q would name directories", s.DeploymentID, s.DeploymentGroupID)
		}
		if _, err := s.Encode(); err != nil {
			t.Errorf("what was parsed can't be encoded: %v", err)
		}
	})
}
