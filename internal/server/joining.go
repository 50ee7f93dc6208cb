package server

import (
	"crossfade/internal/envelope"
	"crossfade/internal/operator"
)

// joining is how hosts enrol at this server.
func (s *Server) joining(o Options, p parts, signer *envelope.Signer) operator.Joining {
	return operator.Joining{
		Tokens: p.database, Hosts: p.database, Sessions: p.keys, Now: o.Now, Endpoint: s.Endpoint(), Signers: string(signer.CertificatePEM()),
		Lifetime: o.HostSession,
	}
}
