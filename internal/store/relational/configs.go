package relational

import (
	"context"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// CreateConfig implements store.Configs.
func (s *Store) CreateConfig(ctx context.Context, c deploy.Config, limit int) error {
	doc := encode(c)
	err := s.write.Do(ctx, func(t Tx) error {
		taken, err := exists(t, `SELECT 1 FROM config WHERE account = ? AND name = ?`, c.Account, c.Name)
		if err != nil {
			return err
		}
		if taken {
			return store.ErrExists
		}
		if err := room(t, limit, `SELECT count(*) FROM config WHERE account = ?`, c.Account); err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO config (account, name, doc) VALUES (?, ?, ?)`, c.Account, c.Name, doc)
		return err
	})
	return wrap(err, "create deployment config %q", c.Name)
}

// Config implements store.Configs.
func (s *Store) Config(ctx context.Context, account, name string) (deploy.Config, error) {
	var doc string
	var c deploy.Config
	err := s.read.Row(ctx, `SELECT doc FROM config WHERE account = ? AND name = ?`, []any{account, name}, &doc)
	if err == nil {
		err = decode(doc, &c)
	}
	return c, wrap(err, "read deployment config %q", name)
}

// Configs implements store.Configs.
func (s *Store) Configs(ctx context.Context, account string, p store.Page) ([]string, error) {
	var out []string
	err := s.read.Each(ctx, `SELECT name FROM config WHERE account = ? AND name > ? ORDER BY name LIMIT ?`,
		[]any{account, p.After, limit(p.Limit)}, names(&out))
	return out, wrap(err, "list deployment configs")
}

// DeleteConfig implements store.Configs.
func (s *Store) DeleteConfig(ctx context.Context, account, name string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		known, err := exists(t, `SELECT 1 FROM config WHERE account = ? AND name = ?`, account, name)
		if err != nil {
			return err
		}
		if !known {
			return store.ErrNotFound
		}
		for _, user := range []string{
			`SELECT 1 FROM deployment_group WHERE account = ? AND config = ? LIMIT 1`,
			`SELECT 1 FROM deployment WHERE account = ? AND config = ? AND status IN (` + unfinishedStatuses + `) LIMIT 1`,
		} {
			used, err := exists(t, user, account, name)
			if err != nil {
				return err
			}
			if used {
				return store.ErrInUse
			}
		}
		_, err = t.Exec(`DELETE FROM config WHERE account = ? AND name = ?`, account, name)
		return err
	})
	return wrap(err, "delete deployment config %q", name)
}
