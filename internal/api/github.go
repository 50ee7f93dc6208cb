package api

import (
	"context"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// DeleteGitHubAccountToken implements control.Service.
func (s *Service) DeleteGitHubAccountToken(_ context.Context, in *control.DeleteGitHubAccountTokenInput) (*control.DeleteGitHubAccountTokenOutput, error) {
	p := s.check("DeleteGitHubAccountToken", in)
	p.require(control.GitHubAccountTokenNameRequiredException, "tokenName", in.TokenName)
	if err := p.err(); err != nil {
		return nil, err
	}
	return nil, noGitHub("DeleteGitHubAccountToken")
}

// ListGitHubAccountTokenNames implements control.Service.
func (s *Service) ListGitHubAccountTokenNames(context.Context, *control.ListGitHubAccountTokenNamesInput) (*control.ListGitHubAccountTokenNamesOutput, error) {
	return nil, noGitHub("ListGitHubAccountTokenNames")
}

func noGitHub(operation string) error {
	return wire.Errorf(control.OperationNotSupportedException, "%s is not there yet: Crossfade keeps no GitHub tokens.", operation)
}
