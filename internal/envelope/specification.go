package envelope

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Specification is what a host is to do in a deployment: one document for all its lifecycle events. Keys unknown to it are ignored.
type Specification struct {
	DeploymentID        string `json:"DeploymentId"` // bare after ParseSpecification, though an ARN is accepted
	DeploymentGroupID   string `json:"DeploymentGroupId"`
	DeploymentGroupName string `json:"DeploymentGroupName"`
	ApplicationName     string `json:"ApplicationName"`

	DeploymentCreator string `json:"DeploymentCreator,omitempty"` // default CreatorUser
	DeploymentType    string `json:"DeploymentType,omitempty"`    // default TypeInPlace
	AppSpecFilename   string `json:"AppSpecFilename,omitempty"`   // default DefaultAppSpec

	AgentActionOverrides *ActionOverrides `json:"AgentActionOverrides,omitempty"`
	// AllPossibleLifecycleEvents, when sent, makes an agent check the AppSpec's hooks against it. A server leaves it out.
	AllPossibleLifecycleEvents []string `json:"AllPossibleLifecycleEvents,omitempty"`
	GitHubAccessToken          string   `json:"GitHubAccessToken,omitempty"` // empty: anonymous

	Revision Revision `json:"Revision"`
}

// The values that matter to a host, and the defaults.
const (
	CreatorUser     = "user"
	CreatorRollback = "codeDeployRollback"
	TypeInPlace     = "IN_PLACE"
	TypeBlueGreen   = "BLUE_GREEN"
	DefaultAppSpec  = "appspec.yml"
)

// What Install does about a file that is already there.
const (
	Disallow  = "DISALLOW"
	Overwrite = "OVERWRITE"
	Retain    = "RETAIN"
)

// ActionOverrides carries what the deployment overrides in the AppSpec's absence.
type ActionOverrides struct {
	AgentOverrides AgentOverrides `json:"AgentOverrides"`
}

// AgentOverrides is the only kind of ActionOverrides.
type AgentOverrides struct {
	FileExistsBehavior string `json:"FileExistsBehavior,omitempty"` // Disallow, Overwrite or Retain in any case
}

// The kinds of a Revision. The local ones come only from a host's own command line.
const (
	RevisionS3             = "S3"
	RevisionGitHub         = "GitHub"
	RevisionLocalFile      = "Local File"
	RevisionLocalDirectory = "Local Directory"
)

// The kinds of a bundle.
const (
	BundleTar       = "tar"
	BundleTgz       = "tgz"
	BundleZip       = "zip"
	BundleDirectory = "directory"
)

// Revision says where the bundle is. Exactly the member of its type is set.
type Revision struct {
	RevisionType   string          `json:"RevisionType"`
	S3Revision     *S3Revision     `json:"S3Revision,omitempty"`
	GitHubRevision *GitHubRevision `json:"GitHubRevision,omitempty"`
	LocalRevision  *LocalRevision  `json:"LocalRevision,omitempty"`
}

// S3Revision is a bundle in an object store.
type S3Revision struct {
	Bucket     string `json:"Bucket"`
	Key        string `json:"Key"`
	BundleType string `json:"BundleType"`
	Version    string `json:"Version,omitempty"`
	ETag       string `json:"ETag,omitempty"` // empty: not checked
}

// GitHubRevision is a commit of a repository.
type GitHubRevision struct {
	Account    string  `json:"Account"`
	Repository string  `json:"Repository"`
	CommitID   string  `json:"CommitId"`
	BundleType string  `json:"BundleType,omitempty"` // zip or tar; empty: the host's choice
	Anonymous  *bool   `json:"Anonymous,omitempty"`
	OAuthToken *string `json:"OAuthToken,omitempty"` // must be there when Anonymous is false; its value is not used
}

// LocalRevision is a file or directory of the host itself.
type LocalRevision struct {
	Location   string `json:"Location"`
	BundleType string `json:"BundleType"`
}

// ParseSpecification decodes, fills in the defaults and validates.
func ParseSpecification(content []byte) (Specification, error) {
	var s Specification
	if err := json.Unmarshal(content, &s); err != nil {
		return Specification{}, fmt.Errorf("parse deployment specification: %w", err)
	}
	s = s.withDefaults()
	if err := s.Validate(); err != nil {
		return Specification{}, err
	}
	return s, nil
}

func (s Specification) withDefaults() Specification {
	// The service may send an ARN, whose last part is the id.
	if strings.HasPrefix(s.DeploymentID, "arn:") {
		if i := strings.LastIndexByte(s.DeploymentID, '/'); i >= 0 {
			s.DeploymentID = s.DeploymentID[i+1:]
		}
	}
	s.DeploymentCreator = orElse(s.DeploymentCreator, CreatorUser)
	s.DeploymentType = orElse(s.DeploymentType, TypeInPlace)
	s.AppSpecFilename = orElse(s.AppSpecFilename, DefaultAppSpec)
	return s
}

// FileExistsBehavior is what the deployment says about files that are already there; empty when it says nothing.
func (s Specification) FileExistsBehavior() string {
	if s.AgentActionOverrides == nil {
		return ""
	}
	return strings.ToUpper(s.AgentActionOverrides.AgentOverrides.FileExistsBehavior)
}

// BlueGreenRollback tells the one kind of deployment for which other revisions' scripts run.
func (s Specification) BlueGreenRollback() bool {
	return s.DeploymentCreator == CreatorRollback && s.DeploymentType == TypeBlueGreen
}

// Encode validates and returns the JSON to sign.
func (s Specification) Encode() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	content, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode deployment specification: %w", err)
	}
	return content, nil
}

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
