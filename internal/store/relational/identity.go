package relational

import (
	"context"
	"database/sql"
	"strings"

	"crossfade/internal/store"
)

const userColumns = `account, name, path, id, tags, created_at`

func scanUser(scan func(...any) error) (u store.User, err error) {
	var tags string
	var created sql.NullInt64
	if err := scan(&u.Account, &u.Name, &u.Path, &u.ID, &tags, &created); err != nil {
		return store.User{}, err
	}
	u.CreatedAt = moment(created)
	return u, decodeTags(tags, &u.Tags)
}

// CreateUser implements store.Identities.
func (s *Store) CreateUser(ctx context.Context, u store.User, limit int) error {
	err := s.write.Do(ctx, func(t Tx) error {
		// One that is there already is told before the limit.
		taken, err := exists(t, `SELECT 1 FROM user WHERE account = ? AND folded = ?`, u.Account, strings.ToLower(u.Name))
		if err != nil {
			return err
		}
		if taken {
			return store.ErrExists
		}
		if err := room(t, limit, `SELECT count(*) FROM user WHERE account = ?`, u.Account); err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO user (account, name, folded, path, id, tags, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			u.Account, u.Name, strings.ToLower(u.Name), u.Path, u.ID, encodeTags(u.Tags), nanosOrZero(u.CreatedAt))
		return err
	})
	return wrap(err, "keep user %q", u.Name)
}

// User implements store.Identities.
func (s *Store) User(ctx context.Context, account, name string) (store.User, error) {
	u, err := scanUser(func(into ...any) error {
		return s.read.Row(ctx, `SELECT `+userColumns+` FROM user WHERE account = ? AND name = ?`, []any{account, name}, into...)
	})
	return u, wrap(err, "read user %q", name)
}

// Users implements store.Identities.
func (s *Store) Users(ctx context.Context, account, pathPrefix string, p store.Page) ([]store.User, error) {
	var out []store.User
	err := s.read.Each(ctx, `SELECT `+userColumns+` FROM user WHERE account = ? AND name > ? AND substr(path, 1, length(?)) = ? ORDER BY name LIMIT ?`,
		[]any{account, p.After, pathPrefix, pathPrefix, limit(p.Limit)}, func(rows Rows) (bool, error) {
			u, err := scanUser(rows.Scan)
			out = append(out, u)
			return true, err
		})
	return out, wrap(err, "list users")
}

// DeleteUser implements store.Identities.
func (s *Store) DeleteUser(ctx context.Context, account, name string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		for _, query := range []string{`SELECT 1 FROM user_key WHERE account = ? AND user = ?`, `SELECT 1 FROM user_policy WHERE account = ? AND user = ?`} {
			if has, err := exists(t, query, account, name); err != nil {
				return err
			} else if has {
				return store.ErrInUse
			}
		}
		return one(t.Exec(`DELETE FROM user WHERE account = ? AND name = ?`, account, name))
	})
	return wrap(err, "delete user %q", name)
}

// AddUserKey implements store.Identities.
func (s *Store) AddUserKey(ctx context.Context, account, user string, k store.UserKey, limit int) error {
	err := s.write.Do(ctx, func(t Tx) error {
		if err := userIsThere(ctx, t, account, user); err != nil {
			return err
		}
		if err := room(t, limit, `SELECT count(*) FROM user_key WHERE account = ? AND user = ?`, account, user); err != nil {
			return err
		}
		_, err := t.Exec(`INSERT INTO user_key (account, user, id, inactive, created_at) VALUES (?, ?, ?, ?, ?)`, account, user, k.ID, k.Inactive, nanosOrZero(k.CreatedAt))
		return err
	})
	return wrap(err, "keep key %s of user %q", k.ID, user)
}

func userIsThere(ctx context.Context, r Reader, account, user string) error {
	var there int
	return r.Row(ctx, `SELECT 1 FROM user WHERE account = ? AND name = ?`, []any{account, user}, &there)
}

// UserKeys implements store.Identities.
func (s *Store) UserKeys(ctx context.Context, account, user string, p store.Page) ([]store.UserKey, error) {
	var out []store.UserKey
	err := s.read.Each(ctx, `SELECT id, inactive, created_at FROM user_key WHERE account = ? AND user = ? AND id > ? ORDER BY id LIMIT ?`,
		[]any{account, user, p.After, limit(p.Limit)}, func(rows Rows) (bool, error) {
			var k store.UserKey
			var created sql.NullInt64
			err := rows.Scan(&k.ID, &k.Inactive, &created)
			k.CreatedAt = moment(created)
			out = append(out, k)
			return true, err
		})
	if err == nil && len(out) == 0 {
		err = userIsThere(ctx, s.read, account, user)
	}
	return out, wrap(err, "list keys of user %q", user)
}

// SetUserKeyInactive implements store.Identities.
func (s *Store) SetUserKeyInactive(ctx context.Context, account, user, id string, inactive bool) error {
	err := s.write.Do(ctx, func(t Tx) error {
		return one(t.Exec(`UPDATE user_key SET inactive = ? WHERE account = ? AND user = ? AND id = ?`, inactive, account, user, id))
	})
	return wrap(err, "change key %s of user %q", id, user)
}

// DeleteUserKey implements store.Identities.
func (s *Store) DeleteUserKey(ctx context.Context, account, user, id string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		return one(t.Exec(`DELETE FROM user_key WHERE account = ? AND user = ? AND id = ?`, account, user, id))
	})
	return wrap(err, "delete key %s of user %q", id, user)
}

// InactiveUserKeys implements store.Identities.
func (s *Store) InactiveUserKeys(ctx context.Context) ([]string, error) {
	var out []string
	err := s.read.Each(ctx, `SELECT id FROM user_key WHERE inactive = 1`, nil, names(&out))
	return out, wrap(err, "list inactive keys")
}

// PutUserPolicy implements store.Identities.
func (s *Store) PutUserPolicy(ctx context.Context, account, user string, p store.UserPolicy, limit int) error {
	err := s.write.Do(ctx, func(t Tx) error {
		if err := userIsThere(ctx, t, account, user); err != nil {
			return err
		}
		var others int
		if err := t.Row(ctx, `SELECT coalesce(sum(octet_length(document)), 0) FROM user_policy WHERE account = ? AND user = ? AND name <> ?`,
			[]any{account, user, p.Name}, &others); err != nil {
			return err
		}
		if others+len(p.Document) > limit {
			return store.ErrLimit
		}
		_, err := t.Exec(`
			INSERT INTO user_policy (account, user, name, document) VALUES (?, ?, ?, ?)
			ON CONFLICT (account, user, name) DO UPDATE SET document = excluded.document`, account, user, p.Name, p.Document)
		return err
	})
	return wrap(err, "keep policy %q of user %q", p.Name, user)
}

// UserPolicies implements store.Identities.
func (s *Store) UserPolicies(ctx context.Context, account, user string, p store.Page) ([]store.UserPolicy, error) {
	var out []store.UserPolicy
	err := s.read.Each(ctx, `SELECT name, document FROM user_policy WHERE account = ? AND user = ? AND name > ? ORDER BY name LIMIT ?`,
		[]any{account, user, p.After, limit(p.Limit)}, func(rows Rows) (bool, error) {
			var policy store.UserPolicy
			err := rows.Scan(&policy.Name, &policy.Document)
			out = append(out, policy)
			return true, err
		})
	if err == nil && len(out) == 0 {
		err = userIsThere(ctx, s.read, account, user)
	}
	return out, wrap(err, "list policies of user %q", user)
}

// DeleteUserPolicy implements store.Identities.
func (s *Store) DeleteUserPolicy(ctx context.Context, account, user, name string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		return one(t.Exec(`DELETE FROM user_policy WHERE account = ? AND user = ? AND name = ?`, account, user, name))
	})
	return wrap(err, "delete policy %q of user %q", name, user)
}
