package join

import (
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// How the operations are called: awsJson, under this signing name and this target.
const (
	SigningName  = "crossfade"
	TargetPrefix = "Crossfade_20260101"
)

// EnrollHostInput asks for a host. The caller is the join token's access key.
type EnrollHostInput struct {
	// Name is the host's; it may be left out when the token says it.
	Name *string       `json:"name,omitzero"`
	Tags []control.Tag `json:"tags,omitzero"`
}

// Session is credentials that end. Their secrets are shown here and never again.
type Session struct {
	AccessKeyID     *string    `json:"accessKeyId,omitzero"`
	SecretAccessKey *string    `json:"secretAccessKey,omitzero"`
	SessionToken    *string    `json:"sessionToken,omitzero"`
	ExpiresAt       *wire.Time `json:"expiresAt,omitzero"`
	// RenewUntil is until when the session may ask for the next one; after that the host has to enrol again.
	RenewUntil *wire.Time `json:"renewUntil,omitzero"`
}

// Whole reports whether nothing of the session is missing.
func (s *Session) Whole() bool {
	return s != nil && s.AccessKeyID != nil && s.SecretAccessKey != nil && s.SessionToken != nil && s.ExpiresAt != nil && s.RenewUntil != nil
}

// EnrollHostOutput is the new host's identity.
type EnrollHostOutput struct {
	Name          *string  `json:"name,omitzero"`
	ARN           *string  `json:"arn,omitzero"` // of the registered instance
	IAMSessionARN *string  `json:"iamSessionArn,omitzero"`
	Region        *string  `json:"region,omitzero"`
	Session       *Session `json:"session,omitzero"`
	// SignerCertificates are who may sign deployment specifications, in PEM: the certificates to which a signer's must lead.
	SignerCertificates *string `json:"signerCertificates,omitzero"`
}

// RenewHostCredentialsInput asks for the next session. The caller is the host itself, by the session that it has.
type RenewHostCredentialsInput struct{}

// RenewHostCredentialsOutput is the next session. The one before holds until its own end.
type RenewHostCredentialsOutput struct {
	Session *Session `json:"session,omitzero"`
}

// Validate implements wire.Input. The form of name and tags is left to the control API.
func (*EnrollHostInput) Validate() []wire.Violation { return nil }

// Validate implements wire.Input.
func (*RenewHostCredentialsInput) Validate() []wire.Violation { return nil }
