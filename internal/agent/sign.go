package agent

import (
	"context"
	"net/http"
	"time"

	"crossfade/internal/agent/identity"
	"crossfade/internal/sigv4"
)

// signer signs as the host.
type signer struct{ identity *identity.Identity }

func (s signer) sign(_ context.Context, req *http.Request, service, payload string, at time.Time) error {
	c, err := s.identity.Credentials(time.Now())
	if err != nil {
		return err
	}
	cred := sigv4.Credential{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
	sigv4.Sign(req, cred, s.identity.Region, service, payload, at)
	return nil
}
