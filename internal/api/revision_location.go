package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"

	"crossfade/internal/deploy"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

var (
	repositoryPattern = regexp.MustCompile(`^[^/\s]+/[^/\s]+$`)
	commitPattern     = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)
	sha256Pattern     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

const maxKey = 1024 // bytes of an object's key

// revision notes a bad location, and returns it. Exactly the member that revisionType names is there.
func (p *problems) revision(member string, r *control.RevisionLocation) deploy.Revision {
	if r == nil {
		return deploy.Revision{}
	}
	out, fault := revisionIn(r)
	if fault != "" {
		p.add(control.InvalidRevisionException, "%s %s.", member, fault)
	}
	return out
}

func revisionIn(r *control.RevisionLocation) (out deploy.Revision, fault string) {
	out.Type = string(value(r.RevisionType))
	given := 0
	for _, there := range []bool{r.S3Location != nil, r.GitHubLocation != nil, r.String != nil, r.AppSpecContent != nil} {
		if there {
			given++
		}
	}
	if out.Type == "" {
		return out, "has no revisionType; give S3, GitHub, String or AppSpecContent"
	}
	if given > 1 {
		return out, "has more than one location; give only the one that revisionType names"
	}
	switch {
	case out.Type == deploy.RevisionS3 && r.S3Location != nil:
		out.S3, fault = s3In(r.S3Location)
	case out.Type == deploy.RevisionGitHub && r.GitHubLocation != nil:
		out.GitHub, fault = gitHubIn(r.GitHubLocation)
	case out.Type == deploy.RevisionString && r.String != nil:
		out.Content, fault = contentIn("string", r.String.Content, r.String.Sha256)
	case out.Type == deploy.RevisionAppSpec && r.AppSpecContent != nil:
		out.Content, fault = contentIn("appSpecContent", r.AppSpecContent.Content, r.AppSpecContent.Sha256)
	default:
		fault = fmt.Sprintf("has the revisionType %s but not the location of that type", quote(out.Type))
	}
	return out, fault
}

func s3In(l *control.S3Location) (*deploy.S3Location, string) {
	out := &deploy.S3Location{
		Bucket: value(l.Bucket), Key: value(l.Key), BundleType: string(value(l.BundleType)), Version: value(l.Version), ETag: value(l.ETag),
	}
	switch {
	case out.Bucket == "":
		return out, "has an s3Location without a bucket"
	case out.Key == "":
		return out, "has an s3Location without a key"
	case len(out.Key) > maxKey:
		return out, fmt.Sprintf("has an s3Location whose key is longer than %d bytes", maxKey)
	case out.BundleType == "":
		return out, "has an s3Location without a bundleType; give tar, tgz, zip, YAML or JSON"
	}
	return out, ""
}

func gitHubIn(l *control.GitHubLocation) (*deploy.GitHubLocation, string) {
	out := &deploy.GitHubLocation{Repository: value(l.Repository), CommitID: value(l.CommitId)}
	switch {
	case !repositoryPattern.MatchString(out.Repository):
		return out, "has a gitHubLocation whose repository is not of the form account/repository"
	case !commitPattern.MatchString(out.CommitID):
		return out, "has a gitHubLocation whose commitId is not the 40 hexadecimal digits of a commit"
	}
	return out, ""
}

func contentIn(member string, content, sum *string) (*deploy.ContentLocation, string) {
	out := &deploy.ContentLocation{Content: value(content), SHA256: value(sum)}
	if out.Content == "" {
		if !sha256Pattern.MatchString(out.SHA256) {
			return out, fmt.Sprintf("has in %s neither content nor the sha256 (64 lower-case hexadecimal digits) of a known one", member)
		}
		return out, ""
	}
	actual := sha256.Sum256([]byte(out.Content))
	if out.SHA256 != "" && out.SHA256 != hex.EncodeToString(actual[:]) {
		return out, fmt.Sprintf("has in %s a sha256 that is not that of the content", member)
	}
	out.SHA256 = hex.EncodeToString(actual[:])
	return out, ""
}

// fits refuses a location that is not for the platform.
func fits(r deploy.Revision, platform string) error {
	ok := false
	switch r.Type {
	case deploy.RevisionS3:
		text := r.S3.BundleType == string(control.BundleTypeYaml) || r.S3.BundleType == string(control.BundleTypeJson)
		if platform == deploy.PlatformServer {
			ok = !text
		} else {
			ok = r.S3.BundleType != string(control.BundleTypeTar)
		}
	case deploy.RevisionGitHub:
		ok = platform == deploy.PlatformServer
	default:
		ok = platform != deploy.PlatformServer
	}
	if ok {
		return nil
	}
	if r.Type == deploy.RevisionS3 {
		return wire.Errorf(control.InvalidRevisionException, "A bundle of the type %s can't be deployed on the platform %s.", r.S3.BundleType, platform)
	}
	return wire.Errorf(control.InvalidRevisionException, "A revision of the type %s can't be deployed on the platform %s.", r.Type, platform)
}

// revisionOut returns the wire form. Without withContent an inline AppSpec is named by its sum only, as everywhere but in
// GetApplicationRevision.
func revisionOut(r deploy.Revision, withContent bool) *control.RevisionLocation {
	out := &control.RevisionLocation{RevisionType: new(control.RevisionLocationType(r.Type))}
	switch {
	case r.S3 != nil:
		out.S3Location = &control.S3Location{
			Bucket: &r.S3.Bucket, Key: &r.S3.Key, BundleType: new(control.BundleType(r.S3.BundleType)),
			Version: optional(r.S3.Version), ETag: optional(r.S3.ETag),
		}
	case r.GitHub != nil:
		out.GitHubLocation = &control.GitHubLocation{Repository: &r.GitHub.Repository, CommitId: &r.GitHub.CommitID}
	case r.Content != nil:
		var content *string
		if withContent {
			content = optional(r.Content.Content)
		}
		if r.Type == deploy.RevisionString {
			out.String = &control.RawString{Content: content, Sha256: &r.Content.SHA256}
		} else {
			out.AppSpecContent = &control.AppSpecContent{Content: content, Sha256: &r.Content.SHA256}
		}
	}
	return out
}
