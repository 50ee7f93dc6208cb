package relational

import (
	"context"
	"database/sql"

	"crossfade/internal/store"
)

// PutGitHubToken implements store.GitHubTokens.
func (s *Store) PutGitHubToken(ctx context.Context, g store.GitHubToken, limit int) error {
	sealed := g.Sealed
	if sealed == nil {
		sealed = []byte{} // nil would be NULL
	}
	err := s.write.Do(ctx, func(t Tx) error {
		replaces, err := exists(t, `SELECT 1 FROM github_token WHERE account = ? AND name = ?`, g.Account, g.Name)
		if err == nil && !replaces {
			err = room(t, limit, `SELECT count(*) FROM github_token WHERE account = ?`, g.Account)
		}
		if err != nil {
			return err
		}
		_, err = t.Exec(`
			INSERT INTO github_token (account, name, sealed, created_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (account, name) DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at`,
			g.Account, g.Name, sealed, nanosOrZero(g.CreatedAt))
		return err
	})
	return wrap(err, "keep GitHub token %q", g.Name)
}

// GitHubToken implements store.GitHubTokens.
func (s *Store) GitHubToken(ctx context.Context, account, name string) (store.GitHubToken, error) {
	g := store.GitHubToken{Account: account, Name: name}
	var created sql.NullInt64
	err := s.read.Row(ctx, `SELECT sealed, created_at FROM github_token WHERE account = ? AND name = ?`, []any{account, name}, &g.Sealed, &created)
	if err != nil {
		return store.GitHubToken{}, wrap(err, "read GitHub token %q", name)
	}
	g.CreatedAt = moment(created)
	return g, nil
}

// GitHubTokens implements store.GitHubTokens.
func (s *Store) GitHubTokens(ctx context.Context, account string, p store.Page) ([]string, error) {
	var out []string
	err := s.read.Each(ctx, `SELECT name FROM github_token WHERE account = ? AND name > ? ORDER BY name LIMIT ?`,
		[]any{account, p.After, limit(p.Limit)}, names(&out))
	return out, wrap(err, "list GitHub tokens")
}

// DeleteGitHubToken implements store.GitHubTokens.
func (s *Store) DeleteGitHubToken(ctx context.Context, account, name string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		return one(t.Exec(`DELETE FROM github_token WHERE account = ? AND name = ?`, account, name))
	})
	return wrap(err, "delete GitHub token %q", name)
}
