package hostapi

import (
	"fmt"
	"sync"

	"golang.org/x/sync/singleflight"

	"crossfade/internal/deploy"
	"crossfade/internal/envelope"
	"crossfade/internal/revision"
)

// specifications signs deployment specifications. A specification is the same for every host and every event of its deployment, so it is
// signed once; signing costs more than everything else in a command.
type specifications struct {
	signer *envelope.Signer

	mu      sync.Mutex
	signed  map[string]string // by deployment
	signing singleflight.Group
}

// maxSigned bounds the signed specifications kept. When it is reached all are forgotten: each costs one signature to make again.
const maxSigned = 1024

// of is the specification of a deployment, which is read when it is not known yet: by one for all of its hosts that ask at the same time.
func (s *specifications) of(id string, read func() (deploy.Deployment, error)) (string, error) {
	if payload, ok := s.known(id); ok {
		return payload, nil
	}
	made, err, _ := s.signing.Do(id, func() (any, error) {
		if payload, ok := s.known(id); ok { // by now
			return payload, nil
		}
		d, err := read()
		if err != nil {
			return "", fmt.Errorf("read deployment %s: %w", id, err)
		}
		return s.sign(d)
	})
	if err != nil {
		return "", err
	}
	return made.(string), nil
}

func (s *specifications) known(id string) (payload string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	payload, ok = s.signed[id]
	return payload, ok
}

func (s *specifications) sign(d deploy.Deployment) (string, error) {
	id := d.Spec.ID
	spec, err := specificationOf(d)
	if err != nil {
		return "", err
	}
	content, err := spec.Encode()
	if err != nil {
		return "", fmt.Errorf("encode the specification of deployment %s: %w", id, err)
	}
	pem, err := s.signer.Sign(content)
	if err != nil {
		return "", fmt.Errorf("sign the specification of deployment %s: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signed == nil || len(s.signed) >= maxSigned {
		s.signed = map[string]string{}
	}
	s.signed[id] = string(pem)
	return string(pem), nil
}

// specificationOf says what a host is to do in a deployment.
func specificationOf(d deploy.Deployment) (envelope.Specification, error) {
	spec := envelope.Specification{
		DeploymentID: d.Spec.ID, DeploymentGroupID: d.Spec.GroupID, DeploymentGroupName: d.Spec.Group, ApplicationName: d.Spec.Application,
		DeploymentCreator: d.Spec.Creator, DeploymentType: d.Spec.Style.Type,
	}
	if d.Spec.FileExists != "" {
		spec.AgentActionOverrides = &envelope.ActionOverrides{AgentOverrides: envelope.AgentOverrides{FileExistsBehavior: d.Spec.FileExists}}
	}
	switch r := d.Spec.Revision; {
	case r.S3 != nil:
		spec.Revision = envelope.Revision{RevisionType: envelope.RevisionS3, S3Revision: &envelope.S3Revision{
			Bucket: r.S3.Bucket, Key: r.S3.Key, BundleType: r.S3.BundleType, Version: r.S3.Version, ETag: r.S3.ETag,
		}}
	case r.GitHub != nil:
		// The server downloaded the commit when the deployment began, so that hosts need neither a route to the source host nor a token.
		l := revision.GitHubBundle(d.Spec.Account, r.GitHub.Repository, r.GitHub.CommitID)
		spec.Revision = envelope.Revision{RevisionType: envelope.RevisionS3, S3Revision: &envelope.S3Revision{
			Bucket: l.Bucket, Key: l.Key, BundleType: "tgz",
		}}
	default:
		return spec, fmt.Errorf("make the specification of deployment %s: revision type %q can't be deployed to a host", d.Spec.ID, r.Type)
	}
	return spec, nil
}
