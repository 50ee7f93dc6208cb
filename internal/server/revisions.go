package server

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/edge"
	"crossfade/internal/revision/github"
	"crossfade/internal/revision/inspect"
	"crossfade/internal/revision/prepare"
	"crossfade/internal/revision/s3store"
	"crossfade/internal/store"
)

// revisions are the parts around bundles.
type revisions struct {
	preparer  *prepare.Preparer  // before a deployment, for the engine
	inspector *inspect.Inspector // before there is a deployment, for plans
	objects   edge.Objects       // what hosts and clients read and write
	bundles   *s3store.Store     // the built-in store
}

// openRevisions opens the built-in store, finds the sources of external buckets and the source host, and makes what looks at revisions, and
// downloads commits, before their deployments begin.
func openRevisions(ctx context.Context, o Options, names []string, tokens store.GitHubTokens, sealer *auth.Sealer, decide *auth.Authorizer) (revisions, error) {
	log := o.Log.With("part", "revisions")
	bundles, err := openBundles(o, log)
	if err != nil {
		return revisions{}, err
	}
	external, err := externalSources(ctx, o.Config)
	if err != nil {
		return revisions{}, err
	}
	host := o.Config.Revisions.GitHub
	commits, err := github.New(github.Options{Kind: github.Kind(host.Kind), URL: host.URL, Timeout: host.Timeout, Now: o.Now})
	if err != nil {
		return revisions{}, fmt.Errorf("use the source host: %w", err)
	}
	preparer := prepare.New(prepare.Options{
		Store: bundles, External: external, Commits: commits, Tokens: gitHubTokens{tokens, sealer}, Log: log,
	})
	return revisions{
		preparer: preparer, inspector: inspect.New(preparer, inspect.Limits{}), objects: withExternal(newObjects(o, names, bundles, decide, log), external, log), bundles: bundles,
	}, nil
}

// gitHubTokens opens the tokens in the store.
type gitHubTokens struct {
	store  store.GitHubTokens
	sealer *auth.Sealer
}

var _ prepare.Tokens = gitHubTokens{}

// Token implements prepare.Tokens.
func (g gitHubTokens) Token(ctx context.Context, account, name string) (string, bool, error) {
	sealed, err := g.store.GitHubToken(ctx, account, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	secret, err := g.sealer.Open(api.GitHubTokenOwner(account, name), sealed.Sealed)
	if err != nil {
		return "", false, errors.Join(prepare.ErrSealed, err)
	}
	return secret, true, nil
}
