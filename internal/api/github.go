package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// maxGitHubTokens is how many tokens an account may keep.
const maxGitHubTokens = 25

// Sealer encrypts secrets before they are stored, each bound to its owner.
type Sealer interface {
	Seal(owner, secret string) []byte
}

// GitHubTokenOwner names the owner of a token to its Sealer.
func GitHubTokenOwner(account, name string) string { return account + "/" + name }

// GitHubAccountTokenLimitExceeded is the refusal of a token beyond the quota. It is ours: no operation of CodeDeploy adds a token.
const GitHubAccountTokenLimitExceeded wire.Code = "GitHubAccountTokenLimitExceededException"

// githubTokenPattern is what a token may consist of: it goes into a header.
var githubTokenPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\x21-\x7e]{1,1000}$`) })

// AddGitHubAccountToken keeps a token of the caller's account under a name, sealed, in place of the one that had the name. It is not an operation
// of CodeDeploy, where tokens come about on a web page; the operator's service offers it. Its refusals are *wire.Error.
func (s *Service) AddGitHubAccountToken(ctx context.Context, name, token string) error {
	p := &problems{}
	p.require(control.GitHubAccountTokenNameRequiredException, "tokenName", &name)
	p.name(control.InvalidGitHubAccountTokenNameException, "tokenName", &name)
	if !githubTokenPattern().MatchString(token) {
		// The token is a secret, so it is not quoted.
		p.add(control.InvalidGitHubAccountTokenException, "The token is not one of GitHub's: it is 1 to 1000 visible ASCII characters on one line.")
	}
	if err := p.err(); err != nil {
		return err
	}
	account := s.account(ctx)
	err := s.cfg.Store.PutGitHubToken(ctx, store.GitHubToken{
		Account: account, Name: name, Sealed: s.cfg.Sealer.Seal(GitHubTokenOwner(account, name), token), CreatedAt: s.now(),
	}, maxGitHubTokens)
	if errors.Is(err, store.ErrLimit) {
		return wire.Errorf(GitHubAccountTokenLimitExceeded, "The account has %d GitHub tokens, and may have no more; delete one that is not needed.", maxGitHubTokens)
	}
	if err != nil {
		return fmt.Errorf("keep GitHub token %s: %w", name, err)
	}
	return nil
}

// DeleteGitHubAccountToken implements control.Service.
func (s *Service) DeleteGitHubAccountToken(ctx context.Context, in *control.DeleteGitHubAccountTokenInput) (*control.DeleteGitHubAccountTokenOutput, error) {
	p := s.check("DeleteGitHubAccountToken", in)
	p.require(control.GitHubAccountTokenNameRequiredException, "tokenName", in.TokenName)
	p.name(control.InvalidGitHubAccountTokenNameException, "tokenName", in.TokenName)
	if err := p.err(); err != nil {
		return nil, err
	}
	err := s.cfg.Store.DeleteGitHubToken(ctx, s.account(ctx), *in.TokenName)
	if errors.Is(err, store.ErrNotFound) {
		return nil, wire.Errorf(control.GitHubAccountTokenDoesNotExistException, "No GitHub account token found for name: %s", *in.TokenName)
	}
	if err != nil {
		return nil, fmt.Errorf("delete GitHub token %s: %w", *in.TokenName, err)
	}
	return &control.DeleteGitHubAccountTokenOutput{TokenName: in.TokenName}, nil
}

// ListGitHubAccountTokenNames implements control.Service.
func (s *Service) ListGitHubAccountTokenNames(ctx context.Context, in *control.ListGitHubAccountTokenNamesInput) (*control.ListGitHubAccountTokenNamesOutput, error) {
	l, err := s.list(ctx, "ListGitHubAccountTokenNames")
	if err != nil {
		return nil, err
	}
	page, err := l.page(in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := s.cfg.Store.GitHubTokens(ctx, l.account, page)
	if err != nil {
		return nil, fmt.Errorf("list GitHub tokens: %w", err)
	}
	names, next := cut(l, names, itself)
	return &control.ListGitHubAccountTokenNamesOutput{TokenNameList: some(names), NextToken: next}, nil
}
