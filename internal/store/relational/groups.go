package relational

import (
	"context"
	"database/sql"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// CreateGroup implements store.Groups.
func (s *Store) CreateGroup(ctx context.Context, g deploy.Group, limit int) error {
	settings := encode(g.Settings)
	err := s.write.Do(ctx, func(t Tx) error {
		known, err := exists(t, `SELECT 1 FROM application WHERE id = ? AND account = ?`, g.ApplicationID, g.Account)
		if err != nil {
			return err
		}
		if !known {
			return store.ErrNotFound
		}
		if err := groupNameFree(t, g.ApplicationID, g.Name); err != nil {
			return err
		}
		if err := room(t, limit, `SELECT count(*) FROM deployment_group WHERE application_id = ?`, g.ApplicationID); err != nil {
			return err
		}
		_, err = t.Exec(`INSERT INTO deployment_group (id, account, application_id, name, config, settings, tags, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			g.ID, g.Account, g.ApplicationID, g.Name, g.Settings.Config, settings, encodeTags(g.Tags), nanosOrZero(g.CreatedAt))
		return err
	})
	return wrap(err, "create deployment group %q", g.Name)
}

func groupNameFree(t Tx, applicationID, name string) error {
	taken, err := exists(t, `SELECT 1 FROM deployment_group WHERE application_id = ? AND name = ?`, applicationID, name)
	if err == nil && taken {
		err = store.ErrExists
	}
	return err
}

// selectGroup reads a whole group with what is filled in on reading; a condition follows.
const selectGroup = `
	SELECT g.id, g.account, g.application_id, a.name, g.name, g.settings, g.tags, g.created_at, g.environment,
	       coalesce(g.target_revision, ''), coalesce(g.last_successful, ''), coalesce(g.last_attempted, ''),
	       coalesce((SELECT d.id FROM deployment d WHERE d.group_id = g.id AND d.status IN (` + unfinishedStatuses + `) AND d.standing = 'active'), '')
	FROM deployment_group g
	JOIN application a ON a.id = g.application_id `

func readGroup(ctx context.Context, r Reader, condition string, args ...any) (deploy.Group, error) {
	var row groupRow
	if err := r.Row(ctx, selectGroup+condition, args, row.members()...); err != nil {
		return deploy.Group{}, err
	}
	return row.group()
}

// groupRow is a row of selectGroup.
type groupRow struct {
	g                                               deploy.Group
	settings, tags, revision, successful, attempted string
	created                                         sql.NullInt64
}

// members are what a row is read into.
func (r *groupRow) members() []any {
	return []any{
		&r.g.ID, &r.g.Account, &r.g.ApplicationID, &r.g.Application, &r.g.Name, &r.settings, &r.tags, &r.created, &r.g.Environment,
		&r.revision, &r.successful, &r.attempted, &r.g.Active,
	}
}

func (r *groupRow) group() (deploy.Group, error) {
	g := r.g
	g.CreatedAt = moment(r.created)
	for _, member := range []struct {
		doc  string
		into any
	}{{r.settings, &g.Settings}, {r.revision, &g.TargetRevision}, {r.successful, &g.LastSuccessful}, {r.attempted, &g.LastAttempted}} {
		if err := decode(member.doc, member.into); err != nil {
			return deploy.Group{}, err
		}
	}
	return g, decodeTags(r.tags, &g.Tags)
}

// Group implements store.Groups.
func (s *Store) Group(ctx context.Context, account, application, name string) (deploy.Group, error) {
	g, err := readGroup(ctx, s.read, `WHERE a.account = ? AND a.name = ? AND g.name = ?`, account, application, name)
	return g, wrap(err, "read deployment group %q of application %q", name, application)
}

// GroupByID implements store.Groups.
func (s *Store) GroupByID(ctx context.Context, id string) (deploy.Group, error) {
	g, err := readGroup(ctx, s.read, `WHERE g.id = ?`, id)
	return g, wrap(err, "read deployment group %s", id)
}

// Groups implements store.Groups. An unknown application has none.
func (s *Store) Groups(ctx context.Context, account, application string, p store.Page) ([]string, error) {
	var out []string
	err := s.read.Each(ctx, `SELECT g.name FROM application a JOIN deployment_group g ON g.application_id = a.id
		WHERE a.account = ? AND a.name = ? AND g.name > ? ORDER BY g.name LIMIT ?`,
		[]any{account, application, p.After, limit(p.Limit)}, names(&out))
	return out, wrap(err, "list deployment groups of application %q", application)
}

// AllGroups implements store.Groups.
func (s *Store) AllGroups(ctx context.Context, p store.Page) ([]deploy.Group, error) {
	var out []deploy.Group
	err := s.read.Each(ctx, selectGroup+`WHERE g.id > ? ORDER BY g.id LIMIT ?`, []any{p.After, limit(p.Limit)}, func(rows Rows) (bool, error) {
		var row groupRow
		if err := rows.Scan(row.members()...); err != nil {
			return false, err
		}
		g, err := row.group()
		out = append(out, g)
		return true, err
	})
	return out, wrap(err, "list all deployment groups")
}

// UpdateGroup implements store.Groups.
func (s *Store) UpdateGroup(ctx context.Context, account, id string, change func(*deploy.Group) error) error {
	err := s.write.Do(ctx, func(t Tx) error {
		g, err := readGroup(ctx, t, `WHERE g.id = ? AND g.account = ?`, id, account)
		if err != nil {
			return err
		}
		name, applicationID := g.Name, g.ApplicationID
		if err := change(&g); err != nil {
			return err
		}
		if g.Name != name {
			if err := groupNameFree(t, applicationID, g.Name); err != nil {
				return err
			}
		}
		_, err = t.Exec(`UPDATE deployment_group SET name = ?, config = ?, settings = ?, tags = ? WHERE id = ?`,
			g.Name, g.Settings.Config, encode(g.Settings), encodeTags(g.Tags), id)
		return err
	})
	return wrap(err, "update deployment group %s", id)
}

// DeleteGroup implements store.Groups.
func (s *Store) DeleteGroup(ctx context.Context, account, application, name string) ([]string, error) {
	var unfinished []string
	err := s.write.Do(ctx, func(t Tx) error {
		unfinished = nil
		g, err := readGroup(ctx, t, `WHERE a.account = ? AND a.name = ? AND g.name = ?`, account, application, name)
		if err != nil {
			return err
		}
		err = t.Each(ctx, `SELECT id FROM deployment WHERE group_id = ? AND status IN (`+unfinishedStatuses+`) ORDER BY id`, []any{g.ID}, names(&unfinished))
		if err != nil {
			return err
		}
		_, err = t.Exec(`DELETE FROM deployment_group WHERE id = ?`, g.ID)
		return err
	})
	if err != nil {
		return nil, wrap(err, "delete deployment group %q of application %q", name, application)
	}
	return unfinished, nil
}

// changeGroup writes what a deployment wants its group to remember. A group that is gone remembers nothing.
func changeGroup(t Tx, c *deploy.GroupChange) error {
	if c == nil {
		return nil
	}
	if c.LastAttempted != nil {
		t.Later(nil, `UPDATE deployment_group SET last_attempted = ? WHERE id = ?`, encode(c.LastAttempted), c.GroupID)
	}
	if c.LastSuccessful != nil {
		t.Later(nil, `UPDATE deployment_group SET last_successful = ? WHERE id = ?`, encode(c.LastSuccessful), c.GroupID)
	}
	if c.TargetRevision != nil {
		t.Later(nil, `UPDATE deployment_group SET target_revision = ?, target_revision_key = ? WHERE id = ?`,
			encode(c.TargetRevision), []byte(c.TargetRevision.Key()), c.GroupID)
	}
	if c.AutoScalingGroups != nil {
		if err := changeAutoScalingGroups(t, c.GroupID, c.AutoScalingGroups); err != nil {
			return err
		}
	}
	if c.Environment != nil {
		t.Later(nil, `UPDATE deployment_group SET environment = ? WHERE id = ?`, *c.Environment, c.GroupID)
	}
	return nil
}
