package relational

import (
	"context"

	"crossfade/internal/store"
)

var _ store.Secrets = (*Store)(nil)

const secretByName = `SELECT name, sealed FROM secret WHERE name = ?`

// Secret implements store.Secrets.
func (s *Store) Secret(ctx context.Context, name string) (store.Secret, error) {
	var out store.Secret
	err := s.read.Row(ctx, secretByName, []any{name}, &out.Name, &out.Sealed)
	return out, wrap(err, "read the secret %q", name)
}

// KeepSecret implements store.Secrets.
func (s *Store) KeepSecret(ctx context.Context, x store.Secret) (store.Secret, error) {
	var kept store.Secret
	err := s.write.Do(ctx, func(t Tx) error {
		if _, err := t.Exec(`INSERT INTO secret (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, x.Name, x.Sealed); err != nil {
			return err
		}
		return t.Row(ctx, secretByName, []any{x.Name}, &kept.Name, &kept.Sealed)
	})
	return kept, wrap(err, "keep the secret %q", x.Name)
}

// ReplaceSecret implements store.Secrets.
func (s *Store) ReplaceSecret(ctx context.Context, old, x store.Secret) error {
	err := s.write.Do(ctx, func(t Tx) error {
		n, err := t.Exec(`UPDATE secret SET sealed = ? WHERE name = ? AND sealed = ?`, x.Sealed, old.Name, old.Sealed)
		if err == nil && n == 0 {
			err = store.ErrConflict
		}
		return err
	})
	return wrap(err, "replace the secret %q", x.Name)
}
