package relational

import (
	"context"
	"database/sql"

	"crossfade/internal/store"
)

const joinTokenColumns = `account, id, name, tags, own_tags, replaces, uses, used, created_by, created_at, expires_at`

func scanJoinToken(scan func(...any) error) (j store.JoinToken, err error) {
	var tags string
	var created, expires sql.NullInt64
	if err := scan(&j.Account, &j.ID, &j.Name, &tags, &j.OwnTags, &j.Replace, &j.Uses, &j.Used, &j.CreatedBy, &created, &expires); err != nil {
		return store.JoinToken{}, err
	}
	j.CreatedAt, j.ExpiresAt = moment(created), moment(expires)
	return j, decodeTags(tags, &j.Tags)
}

func readJoinToken(ctx context.Context, r Reader, account, id string) (store.JoinToken, error) {
	return scanJoinToken(func(into ...any) error {
		return r.Row(ctx, `SELECT `+joinTokenColumns+` FROM join_token WHERE account = ? AND id = ?`, []any{account, id}, into...)
	})
}

// CreateJoinToken implements store.JoinTokens.
func (s *Store) CreateJoinToken(ctx context.Context, j store.JoinToken, limit int) error {
	err := s.write.Do(ctx, func(t Tx) error {
		if err := room(t, limit, `SELECT count(*) FROM join_token WHERE account = ?`, j.Account); err != nil {
			return err
		}
		_, err := t.Exec(`INSERT INTO join_token (`+joinTokenColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			j.Account, j.ID, j.Name, encodeTags(j.Tags), j.OwnTags, j.Replace, j.Uses, j.Used, j.CreatedBy, nanosOrZero(j.CreatedAt), nanosOrZero(j.ExpiresAt))
		return err
	})
	return wrap(err, "keep join token %s", j.ID)
}

// JoinToken implements store.JoinTokens.
func (s *Store) JoinToken(ctx context.Context, account, id string) (store.JoinToken, error) {
	j, err := readJoinToken(ctx, s.read, account, id)
	return j, wrap(err, "read join token %s", id)
}

// JoinTokens implements store.JoinTokens.
func (s *Store) JoinTokens(ctx context.Context, account string, p store.Page) ([]store.JoinToken, error) {
	var out []store.JoinToken
	err := s.read.Each(ctx, `SELECT `+joinTokenColumns+` FROM join_token WHERE account = ? AND id > ? ORDER BY id LIMIT ?`,
		[]any{account, p.After, limit(p.Limit)}, func(rows Rows) (bool, error) {
			j, err := scanJoinToken(rows.Scan)
			out = append(out, j)
			return true, err
		})
	return out, wrap(err, "list join tokens")
}

// UseJoinToken implements store.JoinTokens.
func (s *Store) UseJoinToken(ctx context.Context, account, id string) (j store.JoinToken, err error) {
	err = s.write.Do(ctx, func(t Tx) error {
		if j, err = readJoinToken(ctx, t, account, id); err != nil {
			return err
		}
		if j.Used >= j.Uses {
			return store.ErrLimit
		}
		j.Used++
		_, err = t.Exec(`UPDATE join_token SET used = used + 1 WHERE account = ? AND id = ?`, account, id)
		return err
	})
	if err != nil {
		return store.JoinToken{}, wrap(err, "use join token %s", id)
	}
	return j, nil
}

// ReturnJoinToken implements store.JoinTokens.
func (s *Store) ReturnJoinToken(ctx context.Context, account, id string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		_, err := t.Exec(`UPDATE join_token SET used = used - 1 WHERE account = ? AND id = ? AND used > 0`, account, id)
		return err
	})
	return wrap(err, "give a use of join token %s back", id)
}

// DeleteJoinToken implements store.JoinTokens.
func (s *Store) DeleteJoinToken(ctx context.Context, account, id string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		return one(t.Exec(`DELETE FROM join_token WHERE account = ? AND id = ?`, account, id))
	})
	return wrap(err, "delete join token %s", id)
}
