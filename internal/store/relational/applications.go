package relational

import (
	"context"
	"database/sql"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// CreateApplication implements store.Applications.
func (s *Store) CreateApplication(ctx context.Context, a deploy.Application, limit int) error {
	err := s.write.Do(ctx, func(t Tx) error {
		taken, err := exists(t, `SELECT 1 FROM application WHERE account = ? AND name = ?`, a.Account, a.Name)
		if err != nil {
			return err
		}
		if taken {
			return store.ErrExists
		}
		if err := room(t, limit, `SELECT count(*) FROM application WHERE account = ?`, a.Account); err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO application (id, account, name, platform, tags, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
			a.ID, a.Account, a.Name, a.Platform, encodeTags(a.Tags), nanosOrZero(a.CreatedAt))
		return err
	})
	return wrap(err, "create application %q", a.Name)
}

// room fails with store.ErrLimit when what query counts has reached the limit.
func room(t Tx, limit int, query string, args ...any) error {
	var n int
	if err := t.Row(context.Background(), query, args, &n); err != nil {
		return err
	}
	if n >= limit {
		return store.ErrLimit
	}
	return nil
}

// Application implements store.Applications.
func (s *Store) Application(ctx context.Context, account, name string) (deploy.Application, error) {
	a := deploy.Application{Account: account, Name: name}
	var tags string
	var created sql.NullInt64
	err := s.read.Row(ctx, `SELECT id, platform, tags, created_at FROM application WHERE account = ? AND name = ?`, []any{account, name},
		&a.ID, &a.Platform, &tags, &created)
	if err == nil {
		a.CreatedAt = moment(created)
		err = decodeTags(tags, &a.Tags)
	}
	if err != nil {
		return deploy.Application{}, wrap(err, "read application %q", name)
	}
	return a, nil
}

// Applications implements store.Applications.
func (s *Store) Applications(ctx context.Context, account string, p store.Page) ([]string, error) {
	var out []string
	err := s.read.Each(ctx, `SELECT name FROM application WHERE account = ? AND name > ? ORDER BY name LIMIT ?`,
		[]any{account, p.After, limit(p.Limit)}, names(&out))
	return out, wrap(err, "list applications")
}

// RenameApplication implements store.Applications. A rename to the present name changes nothing.
func (s *Store) RenameApplication(ctx context.Context, account, name, newName string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		id, err := applicationID(t, account, name)
		if err != nil || name == newName {
			return err
		}
		taken, err := exists(t, `SELECT 1 FROM application WHERE account = ? AND name = ?`, account, newName)
		if err != nil {
			return err
		}
		if taken {
			return store.ErrExists
		}
		_, err = t.Exec(`UPDATE application SET name = ? WHERE id = ?`, newName, id)
		return err
	})
	return wrap(err, "rename application %q to %q", name, newName)
}

func applicationID(t Tx, account, name string) (id string, err error) {
	err = t.Row(context.Background(), `SELECT id FROM application WHERE account = ? AND name = ?`, []any{account, name}, &id)
	return id, err
}

// DeleteApplication implements store.Applications.
func (s *Store) DeleteApplication(ctx context.Context, account, name string) ([]string, error) {
	var unfinished []string
	err := s.write.Do(ctx, func(t Tx) error {
		unfinished = nil
		id, err := applicationID(t, account, name)
		if err != nil {
			return err
		}
		err = t.Each(ctx, `SELECT id FROM deployment WHERE application_id = ? AND status IN (`+unfinishedStatuses+`) ORDER BY id`, []any{id}, names(&unfinished))
		if err != nil {
			return err
		}
		// Groups and revisions go with it, by their foreign keys.
		_, err = t.Exec(`DELETE FROM application WHERE id = ?`, id)
		return err
	})
	if err != nil {
		return nil, wrap(err, "delete application %q", name)
	}
	return unfinished, nil
}

// SetApplicationTags implements store.Applications. An unknown name returns store.ErrNotFound.
func (s *Store) SetApplicationTags(ctx context.Context, account, name string, tags map[string]string) error {
	err := s.write.Do(ctx, func(t Tx) error {
		return one(t.Exec(`UPDATE application SET tags = ? WHERE account = ? AND name = ?`, encodeTags(tags), account, name))
	})
	return wrap(err, "tag application %q", name)
}

// one turns a write that found no row into store.ErrNotFound.
func one(rows int64, err error) error {
	if err == nil && rows == 0 {
		return store.ErrNotFound
	}
	return err
}
