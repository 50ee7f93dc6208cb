package prepare

import (
	"context"
	"errors"
	"fmt"
	"io"

	"crossfade/internal/deploy"
	"crossfade/internal/revision"
	"crossfade/internal/revision/github"
	"crossfade/internal/revision/repack"
	"crossfade/internal/revision/tree"
)

// defaultToken is the name of the token for repositories whose owner has none of its own.
const defaultToken = "default"

// fetchCommit downloads a commit unless it is kept already. A commit's id says what is in it, so what is kept never grows old.
func (p *Preparer) fetchCommit(ctx context.Context, account string, g deploy.GitHubLocation) (*deploy.ErrorInfo, error) {
	l := revision.GitHubBundle(account, g.Repository, g.CommitID)
	leave, err := p.busy.enter(ctx, l.String())
	if err != nil {
		return nil, fmt.Errorf("wait for the download of %s: %w", l, err)
	}
	defer leave()
	// First, so that nothing is taken from a bucket of that name that is another account's.
	if err := p.o.Store.EnsureBucket(account, l.Bucket); err != nil {
		return nil, fmt.Errorf("make the bucket %s for downloaded commits: %w", l.Bucket, err)
	}
	if _, err := p.o.Store.Stat(ctx, l); err == nil {
		return nil, nil
	} else if !errors.Is(err, revision.ErrNotFound) {
		return nil, fmt.Errorf("look for %s: %w", l, err)
	}
	token, err := p.token(ctx, account, ownerOf(g.Repository))
	if errors.Is(err, ErrSealed) {
		return noToken("The GitHub token %s can't be opened, because it was sealed under another key file; add it again with crossfade github add-token %s.", token.Name, token.Name), nil
	}
	if err != nil {
		return nil, err
	}
	archive, err := p.o.Commits.Archive(ctx, github.Commit{Repository: g.Repository, ID: g.CommitID}, token)
	if err != nil {
		return p.judge(err, g, token)
	}
	defer archive.Close()
	return p.keep(ctx, l, g, archive)
}

// keep makes a bundle of the archive and stores it.
func (p *Preparer) keep(ctx context.Context, l revision.Location, g deploy.GitHubLocation, archive io.Reader) (*deploy.ErrorInfo, error) {
	var facts repack.Facts
	o, err := p.o.Store.PutStream(ctx, l.Bucket, l.Key, func(w io.Writer) (err error) {
		facts, err = repack.Commit(ctx, archive, w, g.CommitID, p.o.Limits)
		return err
	})
	switch {
	case errors.Is(err, tree.ErrRefused):
		return &deploy.ErrorInfo{Code: deploy.CodeInvalidRevision, Message: fmt.Sprintf(
			"Commit %s of %s can't be deployed: %v. Change the repository and deploy the new commit.", g.CommitID, g.Repository, err)}, nil
	case errors.Is(err, repack.ErrOtherCommit):
		return missing("%s sent another commit of %s than the one asked for (%v); check the commit id.", p.o.Commits.Host(), g.Repository, err), nil
	case err != nil:
		return nil, fmt.Errorf("keep commit %s of %s: %w", g.CommitID, g.Repository, err)
	}
	p.o.Log.InfoContext(ctx, "commit downloaded", "bundle", l.String(), "bytes", o.Size, "entries", facts.Entries, "unpacked", facts.Bytes)
	return nil, nil
}

// token is the one named like the repository's owner, else the default one, else nobody's.
func (p *Preparer) token(ctx context.Context, account, owner string) (github.Token, error) {
	for _, name := range []string{owner, defaultToken} {
		secret, ok, err := p.o.Tokens.Token(ctx, account, name)
		if err != nil {
			return github.Token{Name: name}, fmt.Errorf("read GitHub token %s: %w", name, err)
		}
		if ok {
			return github.Token{Name: name, Secret: secret}, nil
		}
	}
	return github.Token{}, nil
}

// judge says what a refusal of the source host means for the deployment.
func (p *Preparer) judge(err error, g deploy.GitHubLocation, token github.Token) (*deploy.ErrorInfo, error) {
	host, owner := p.o.Commits.Host(), ownerOf(g.Repository)
	anonymous := token.Secret == ""
	switch {
	case errors.Is(err, github.ErrToken) && anonymous:
		return noToken("%s wants a token for %s, and none is kept; add one with crossfade github add-token %s.", host, g.Repository, owner), nil
	case errors.Is(err, github.ErrToken):
		return noToken("%s refuses the token %s for %s, which may have expired or lack the right to read contents; replace it with crossfade github add-token %s.",
			host, token.Name, g.Repository, token.Name), nil
	case errors.Is(err, github.ErrNoRepository) && anonymous:
		return noToken("%s has no public repository %s; check the name, or, if it is private, add a token that may read it with crossfade github add-token %s.",
			host, g.Repository, owner), nil
	case errors.Is(err, github.ErrNoRepository):
		return missing("%s shows no repository %s to the token %s; check the name, or add a token that may read it with crossfade github add-token %s.",
			host, g.Repository, token.Name, owner), nil
	case errors.Is(err, github.ErrNoCommit):
		return missing("%s has no commit %s in %s; push it, or deploy a commit that is there.", host, g.CommitID, g.Repository), nil
	default:
		return nil, fmt.Errorf("download commit %s of %s: %w", g.CommitID, g.Repository, err)
	}
}

func noToken(format string, args ...any) *deploy.ErrorInfo {
	return &deploy.ErrorInfo{Code: deploy.CodeNoGitHubToken, Message: fmt.Sprintf(format, args...)}
}
