package server

import (
	"crossfade/internal/envelope"
	"crossfade/internal/operator"
)

// joining is how hosts enrol at this server.
func (s *Server) joining(o Options, p parts, signer *envelope.Signer) operator.Joining {
	var fingerprint string
	if _, own, ok := s.OwnAuthority(); ok {
		fingerprint = own
	}
	return operator.Joining{
		Authority: fingerprint,
		Tokens:    p.database, Hosts: p.database, Sessions: p.keys, Now: o.Now, Endpoint: s.Endpoint(), Signers: string(signerRoots(signer, s.authority)),
		Lifetime: o.HostSession,
	}
}
