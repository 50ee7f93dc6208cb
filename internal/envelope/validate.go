package envelope

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// subject begins the messages as the official agent's do.
const subject = "Deployment Spec"

// Validate checks what a host relies on: the four names, the revision, and that what becomes a path on the host stays where it belongs.
func (s Specification) Validate() error {
	for _, required := range []struct{ key, value string }{
		{"DeploymentId", s.DeploymentID}, {"DeploymentGroupId", s.DeploymentGroupID},
		{"DeploymentGroupName", s.DeploymentGroupName}, {"ApplicationName", s.ApplicationName},
	} {
		if required.value == "" {
			return fmt.Errorf("%s has no %s", subject, required.key)
		}
	}
	if err := directoryName("DeploymentId", s.DeploymentID); err != nil {
		return err
	}
	if err := directoryName("DeploymentGroupId", s.DeploymentGroupID); err != nil {
		return err
	}
	if err := s.validateAppSpecFilename(); err != nil {
		return err
	}
	switch s.FileExistsBehavior() {
	case "", Disallow, Overwrite, Retain:
	default:
		return fmt.Errorf("FileExistsBehavior in Deployment Spec is %q, want %s, %s or %s",
			s.AgentActionOverrides.AgentOverrides.FileExistsBehavior, Disallow, Overwrite, Retain)
	}
	return s.Revision.validate()
}

func (s Specification) validateAppSpecFilename() error {
	name := s.AppSpecFilename
	if name == "" {
		return nil
	}
	if clean := path.Clean(name); path.IsAbs(clean) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(name, "\x00\\") {
		return fmt.Errorf("AppSpecFilename in Deployment Spec is %q, want a path inside the bundle", name)
	}
	return nil
}

// directoryName holds for the values that name directories on the host: one path element, nothing that a file system reads otherwise.
func directoryName(key, value string) error {
	if len(value) > 128 || strings.HasPrefix(value, ".") {
		return fmt.Errorf("%s in Deployment Spec is %q, which can't name a directory", key, value)
	}
	for _, r := range value {
		if !strings.ContainsRune("-_.", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return fmt.Errorf("%s in Deployment Spec is %q, which can't name a directory: only letters, digits, '-', '_' and '.' can", key, value)
		}
	}
	return nil
}

func (r Revision) validate() error {
	switch r.RevisionType {
	case "":
		return fmt.Errorf("%s has no revision: RevisionType is missing", subject)
	case RevisionS3:
		return r.S3Revision.validate()
	case RevisionGitHub:
		return r.GitHubRevision.validate()
	case RevisionLocalFile, RevisionLocalDirectory:
		return r.LocalRevision.validate()
	default:
		return fmt.Errorf("RevisionType in Deployment Spec is %q, want %s, %s, %s or %s",
			r.RevisionType, RevisionS3, RevisionGitHub, RevisionLocalFile, RevisionLocalDirectory)
	}
}

func (r *S3Revision) validate() error {
	if r == nil || r.Bucket == "" || r.Key == "" || r.BundleType == "" {
		return errors.New("S3Revision in Deployment Spec must specify Bucket, Key and BundleType")
	}
	switch r.BundleType {
	case BundleTar, BundleTgz, BundleZip:
		return nil
	default:
		return errors.New("BundleType in S3Revision must be tar, tgz or zip")
	}
}

func (r *GitHubRevision) validate() error {
	if r == nil || r.Account == "" || r.Repository == "" || r.CommitID == "" {
		return errors.New("GitHubRevision in Deployment Spec must specify Account, Repository and CommitId")
	}
	switch r.BundleType {
	case "", BundleTar, BundleZip:
	default:
		return errors.New("BundleType in GitHubRevision must be tar or zip")
	}
	if r.Anonymous != nil && !*r.Anonymous && r.OAuthToken == nil {
		return errors.New("GitHubRevision in Deployment Spec must specify OAuthToken when it is not Anonymous")
	}
	return nil
}

func (r *LocalRevision) validate() error {
	if r == nil || r.Location == "" || r.BundleType == "" {
		return errors.New("LocalRevision in Deployment Spec must specify Location and BundleType")
	}
	switch r.BundleType {
	case BundleTar, BundleTgz, BundleZip, BundleDirectory:
		return nil
	default:
		return errors.New("BundleType in LocalRevision must be tar, tgz, zip or directory")
	}
}
