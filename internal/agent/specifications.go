package agent

import (
	"fmt"
	"strings"
	"sync"
	"time"

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

// oldest is how long ago a specification may have been signed by somebody whom this host was told to trust: longer than any deployment takes.
const oldest = 31 * 24 * time.Hour

// judging is the trust with which specifications are judged.
func judging(t envelope.Trust) envelope.Trust {
	if t.MaxAge == 0 && (t.Roots != nil || t.Pinned != nil) {
		t.MaxAge = oldest
	}
	return t
}

// executionOf refuses a specification that is genuine but another deployment's than the one that a command is part of: then a stale one would be carried
// out in the name of a new one. Only Crossfade's own executions name their deployments.
func executionOf(execution string, spec envelope.Specification) error {
	parts := strings.SplitN(execution, "/", 4)
	if len(parts) == 4 && parts[0] == "crossfade" && parts[2] != spec.DeploymentID {
		return fmt.Errorf("verify deployment specification: it is of the deployment %s, and the command is part of %.64q", spec.DeploymentID, parts[2])
	}
	return nil
}
