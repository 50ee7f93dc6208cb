package agent

import (
	"sync"

	"crossfade/internal/envelope"
)

// maxSpecifications bounds those remembered; when it is reached all are forgotten.
const maxSpecifications = 64

// specifications remembers what deployments this host takes part in are about. A deployment has one specification for all its lifecycle
// events, so it is fetched and verified once and not for each of them.
type specifications struct {
	mu    sync.Mutex
	known map[string]envelope.Specification // by the execution id
}

func (s *specifications) get(execution string) (envelope.Specification, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spec, ok := s.known[execution]
	return spec, ok
}

func (s *specifications) put(execution string, spec envelope.Specification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxSpecifications {
		s.known = map[string]envelope.Specification{}
	}
	s.known[execution] = spec
}
