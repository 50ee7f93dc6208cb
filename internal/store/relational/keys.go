package relational

import (
	"context"
	"database/sql"
	"errors"

	"crossfade/internal/auth"
	"crossfade/internal/store"
)

// Keys is the access keys in a Store. They belong to the server and not to an account's resources, so they are no part of store.Store.
type Keys struct{ s *Store }

var _ auth.KeyStore = Keys{}

// Keys returns the store's access keys.
func (s *Store) Keys() Keys { return Keys{s} }

// PutKey implements auth.KeyStore.
func (k Keys) PutKey(ctx context.Context, r auth.Record) error {
	sealed := r.SealedSecret
	if sealed == nil {
		sealed = []byte{} // nil would be NULL
	}
	err := k.s.write.Do(ctx, func(t Tx) error {
		_, err := t.Exec(`
			INSERT INTO access_key (id, account, arn, kind, sealed_secret, created_at, expires_at, disabled) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET
				account = excluded.account, arn = excluded.arn, kind = excluded.kind, sealed_secret = excluded.sealed_secret,
				created_at = excluded.created_at, expires_at = excluded.expires_at, disabled = excluded.disabled`,
			r.AccessKeyID, r.Principal.Account, r.Principal.ARN, string(r.Principal.Kind), sealed, nanosOrZero(r.CreatedAt), nanos(r.ExpiresAt), r.Disabled)
		keyChanged(t)
		return err
	})
	return wrap(err, "keep access key %s", r.AccessKeyID)
}

const keyColumns = `id, account, arn, kind, sealed_secret, created_at, expires_at, disabled`

func scanKey(scan func(...any) error) (r auth.Record, err error) {
	var created, expires sql.NullInt64
	err = scan(&r.AccessKeyID, &r.Principal.Account, &r.Principal.ARN, &r.Principal.Kind, &r.SealedSecret, &created, &expires, &r.Disabled)
	r.CreatedAt, r.ExpiresAt = moment(created), moment(expires)
	return r, err
}

// Key implements auth.KeyStore.
func (k Keys) Key(ctx context.Context, accessKeyID string) (auth.Record, error) {
	r, err := scanKey(func(into ...any) error {
		return k.s.read.Row(ctx, `SELECT `+keyColumns+` FROM access_key WHERE id = ?`, []any{accessKeyID}, into...)
	})
	if err != nil {
		return auth.Record{}, wrap(noKey(err), "read access key %s", accessKeyID)
	}
	return r, nil
}

func noKey(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return auth.ErrNoKey
	}
	return err
}

// Keys implements auth.KeyStore, by id.
func (k Keys) Keys(ctx context.Context, account, arn string) ([]auth.Record, error) {
	var out []auth.Record
	query, args := `SELECT `+keyColumns+` FROM access_key WHERE account = ? ORDER BY id`, []any{account}
	if arn != "" {
		query, args = `SELECT `+keyColumns+` FROM access_key WHERE account = ? AND arn = ? ORDER BY id`, []any{account, arn}
	}
	err := k.s.read.Each(ctx, query, args, func(rows Rows) (bool, error) {
		r, err := scanKey(rows.Scan)
		out = append(out, r)
		return true, err
	})
	return out, wrap(err, "list access keys")
}

// DeleteKey implements auth.KeyStore.
func (k Keys) DeleteKey(ctx context.Context, accessKeyID string) error {
	err := k.s.write.Do(ctx, func(t Tx) error {
		keyChanged(t)
		return one(t.Exec(`DELETE FROM access_key WHERE id = ?`, accessKeyID))
	})
	return wrap(noKey(err), "delete access key %s", accessKeyID)
}

// keyChanged counts a change of a key, in the same transaction.
func keyChanged(t Tx) {
	t.Later(nil, `INSERT INTO key_change (id, number) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET number = key_change.number + 1`)
}

// Changes implements auth.KeyStore.
func (k Keys) Changes(ctx context.Context) (number int64, err error) {
	err = k.s.read.Row(ctx, `SELECT coalesce(max(number), 0) FROM key_change`, nil, &number)
	return number, wrap(err, "ask for the last change of access keys")
}
