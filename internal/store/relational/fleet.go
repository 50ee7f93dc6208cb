package relational

import (
	"bytes"
	"context"
	"database/sql"

	"crossfade/internal/store"
)

var _ store.Fleets = (*Store)(nil)

// FleetGroups implements store.Fleets. One statement reads groups and instances, so that each group is as one change left it.
func (s *Store) FleetGroups(ctx context.Context, account string) ([]store.FleetGroup, error) {
	var out []store.FleetGroup
	err := s.read.Each(ctx, `
		SELECT g.account, g.name, g.doc, i.name, i.doc
		FROM fleet_group g LEFT JOIN fleet_instance i ON i.account = g.account AND i.fleet_group = g.name
		WHERE ? = '' OR g.account = ?
		ORDER BY g.account, g.name, i.name`, []any{account, account}, func(rows Rows) (bool, error) {
		var g store.FleetGroup
		var instance sql.NullString
		var doc []byte
		if err := rows.Scan(&g.Account, &g.Name, &g.Doc, &instance, &doc); err != nil {
			return false, err
		}
		if n := len(out); n == 0 || out[n-1].Account != g.Account || out[n-1].Name != g.Name {
			g.Doc = document(g.Doc)
			out = append(out, g)
		}
		if instance.Valid {
			last := &out[len(out)-1]
			last.Instances = append(last.Instances, store.FleetInstance{Name: instance.String, Doc: document(doc)})
		}
		return true, nil
	})
	return out, wrap(err, "list Auto Scaling groups")
}

// ChangeFleetGroup implements store.Fleets. Only the rows that change are written.
func (s *Store) ChangeFleetGroup(ctx context.Context, account, name string, change func(*store.FleetGroup) error) error {
	err := s.write.Do(ctx, func(t Tx) error {
		is, err := readFleetGroup(ctx, t, account, name)
		if err != nil {
			return err
		}
		next := is
		next.Instances = append([]store.FleetInstance(nil), is.Instances...)
		if err := change(&next); err != nil {
			return err
		}
		if next.Doc == nil {
			_, err := t.Exec(`DELETE FROM fleet_group WHERE account = ? AND name = ?`, account, name)
			return err
		}
		if !bytes.Equal(next.Doc, is.Doc) || is.Doc == nil {
			_, err := t.Exec(`INSERT INTO fleet_group (account, name, doc) VALUES (?, ?, ?) ON CONFLICT (account, name) DO UPDATE SET doc = excluded.doc`,
				account, name, next.Doc)
			if err != nil {
				return err
			}
		}
		return writeFleetInstances(t, is, next)
	})
	return wrap(err, "change the Auto Scaling group %q", name)
}

func readFleetGroup(ctx context.Context, t Tx, account, name string) (store.FleetGroup, error) {
	g := store.FleetGroup{Account: account, Name: name}
	switch err := t.Row(ctx, `SELECT doc FROM fleet_group WHERE account = ? AND name = ?`, []any{account, name}, &g.Doc); err {
	case nil:
		g.Doc = document(g.Doc)
	case store.ErrNotFound:
		return g, nil
	default:
		return g, err
	}
	err := t.Each(ctx, `SELECT name, doc FROM fleet_instance WHERE account = ? AND fleet_group = ? ORDER BY name`, []any{account, name},
		func(rows Rows) (bool, error) {
			var i store.FleetInstance
			err := rows.Scan(&i.Name, &i.Doc)
			i.Doc = document(i.Doc)
			g.Instances = append(g.Instances, i)
			return true, err
		})
	return g, err
}

func writeFleetInstances(t Tx, is, next store.FleetGroup) error {
	known := make(map[string][]byte, len(is.Instances))
	for _, i := range is.Instances {
		known[i.Name] = i.Doc
	}
	for _, i := range next.Instances {
		doc, there := known[i.Name]
		delete(known, i.Name)
		var err error
		switch {
		case !there:
			_, err = t.Exec(`INSERT INTO fleet_instance (account, name, fleet_group, doc) VALUES (?, ?, ?, ?)`, is.Account, i.Name, is.Name, i.Doc)
		case !bytes.Equal(doc, i.Doc):
			_, err = t.Exec(`UPDATE fleet_instance SET doc = ? WHERE account = ? AND name = ?`, i.Doc, is.Account, i.Name)
		}
		if err != nil {
			return err
		}
	}
	for name := range known {
		if _, err := t.Exec(`DELETE FROM fleet_instance WHERE account = ? AND name = ?`, is.Account, name); err != nil {
			return err
		}
	}
	return nil
}

// document is a column that is never NULL; the driver reads an empty one as nil.
func document(doc []byte) []byte {
	if doc == nil {
		return []byte{}
	}
	return doc
}
