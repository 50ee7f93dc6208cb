// Package operator is what only the operator of a server does over its endpoint: to make a host, with its registration, its tags and its
// access key in one go, and to take it away again; to make tokens with which hosts enrol by themselves; to keep a token for GitHub; to ask what
// a deployment would do before it is created, and what its scripts have written; to see the server's own Auto Scaling groups and set their sizes; and to see what would be cleaned up, and have it done.
//
// AWS spreads the first over two services and three tools, keeps tokens on a web page, and has nothing like the others. The operations here are one
// small awsJson service with the signing name "crossfade", so they come through the same door, are signed, authorised, counted and logged like all
// others, and need no door of their own. Two of them are for hosts: a join token is an access key that can make its host and nothing else, and an
// enrolled host renews its own session. What they do is done by the control API, the fleets and the parts that look into bundles; the package owns
// only the order, how it is told, and that a refusal leaves nothing behind. [Client] is the other end, for the command line. Both are safe for
// concurrent use.
package operator

import (
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// SigningName is the service in the credential scope.
const SigningName = "crossfade"

const (
	targetPrefix = "Crossfade_20260101"
	addHost      = "AddHost"
	removeHost   = "RemoveHost"
	addToken     = "AddGitHubToken"
)

// AddHostInput asks for a host. Tags are optional.
type AddHostInput struct {
	Name *string       `json:"name,omitzero"`
	Tags []control.Tag `json:"tags,omitzero"`
	// Identity is the ARN of an EC2 instance, for a host whose agent takes itself for that instance. Nil or empty: an identity is made of the name.
	Identity *string `json:"identity,omitzero"`
}

// AddHostOutput is the new host's identity. The secret is shown here and never again.
type AddHostOutput struct {
	Name            *string `json:"name,omitzero"`
	ARN             *string `json:"arn,omitzero"`        // of the registered instance
	IAMUserARN      *string `json:"iamUserArn,omitzero"` // the identity, as the on-premises configuration file calls it
	AccessKeyID     *string `json:"accessKeyId,omitzero"`
	SecretAccessKey *string `json:"secretAccessKey,omitzero"`
	Region          *string `json:"region,omitzero"`
}

// RemoveHostInput names a host.
type RemoveHostInput struct {
	Name *string `json:"name,omitzero"`
}

// AddGitHubTokenInput gives a token under a name. The token is shown nowhere afterwards.
type AddGitHubTokenInput struct {
	Name  *string `json:"name,omitzero"`
	Token *string `json:"token,omitzero"`
}

// Validate implements wire.Input. The form of name and token is left to the control API.
func (*AddGitHubTokenInput) Validate() []wire.Violation { return nil }

// Validate implements wire.Input.
func (in *AddHostInput) Validate() []wire.Violation { return named(in.Name) }

// Validate implements wire.Input.
func (in *RemoveHostInput) Validate() []wire.Violation { return named(in.Name) }

// named leaves the form of a name to the control API.
func named(name *string) []wire.Violation {
	if name != nil && *name != "" {
		return nil
	}
	return []wire.Violation{{Path: "name", Shape: "InstanceName", Member: "name", Rule: wire.Required, Detail: "name the host"}}
}
