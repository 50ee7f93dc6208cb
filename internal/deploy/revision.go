package deploy

import "time"

// Revision locates what is deployed. Exactly the member of its Type is set.
type Revision struct {
	Type    string           `json:"type"` // S3, GitHub, String or AppSpecContent
	S3      *S3Location      `json:"s3,omitempty"`
	GitHub  *GitHubLocation  `json:"gitHub,omitempty"`
	Content *ContentLocation `json:"content,omitempty"` // of String and AppSpecContent
}

// The types of a Revision.
const (
	RevisionS3      = "S3"
	RevisionGitHub  = "GitHub"
	RevisionString  = "String"
	RevisionAppSpec = "AppSpecContent"
)

// S3Location is a bundle in an object store.
type S3Location struct {
	Bucket     string `json:"bucket"`
	Key        string `json:"key"`
	BundleType string `json:"bundleType"` // tar, tgz, zip, YAML or JSON
	Version    string `json:"version,omitempty"`
	ETag       string `json:"eTag,omitempty"` // empty: not checked
}

// GitHubLocation is a commit of a repository.
type GitHubLocation struct {
	Repository string `json:"repository"` // account/repository
	CommitID   string `json:"commitId"`
}

// ContentLocation is an AppSpec given inline.
type ContentLocation struct {
	Content string `json:"content,omitempty"`
	SHA256  string `json:"sha256"` // lower-case hex of Content
}

// Key identifies the location within an application: two revisions are the same exactly when their keys are equal.
func (r Revision) Key() string {
	switch {
	case r.S3 != nil:
		return "s3\x00" + r.S3.Bucket + "\x00" + r.S3.Key + "\x00" + r.S3.BundleType + "\x00" + r.S3.Version + "\x00" + r.S3.ETag
	case r.GitHub != nil:
		return "github\x00" + r.GitHub.Repository + "\x00" + r.GitHub.CommitID
	case r.Content != nil:
		return "content\x00" + r.Type + "\x00" + r.Content.SHA256
	default:
		return ""
	}
}

// RegisteredRevision is what an application knows of a revision.
type RegisteredRevision struct {
	ApplicationID string    `json:"applicationId"`
	Revision      Revision  `json:"revision"`
	Description   string    `json:"description,omitempty"`
	RegisteredAt  time.Time `json:"registeredAt"`
	FirstUsedAt   time.Time `json:"firstUsedAt,omitzero"` // zero: never deployed
	LastUsedAt    time.Time `json:"lastUsedAt,omitzero"`
}
