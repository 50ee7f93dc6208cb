package relational

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// changeDoc is an entry of the feed. It says what has changed and not how: whoever reads it looks.
type changeDoc struct {
	Effects []deploy.EffectKey `json:"effects,omitempty"`
	Due     int64              `json:"due,omitempty"`
	Notices bool               `json:"notices,omitempty"`
	Ended   bool               `json:"ended,omitempty"`
	Leases  bool               `json:"leases,omitempty"`
}

// note takes a transition into the entry.
func (c *changeDoc) note(t deploy.Transition) {
	c.Effects = append(c.Effects, t.Cleared()...)
	for _, e := range t.Effects() {
		c.Effects = append(c.Effects, e.Key)
	}
	d := t.Deployment()
	c.sooner(d.State.WakeAt)
	for _, x := range t.Targets() {
		c.sooner(x.DueAt)
	}
	for _, x := range t.NewTargets() {
		c.sooner(x.DueAt)
	}
	c.Notices = c.Notices || len(t.Notices()) > 0
	c.Ended = c.Ended || d.State.Status.Terminal()
	if s := t.Spawn(); s != nil {
		c.note(*s)
	}
}

func (c *changeDoc) sooner(at time.Time) {
	if n := nanosOrZero(at); n != 0 && (c.Due == 0 || n < c.Due) {
		c.Due = n
	}
}

// enter adds an entry and returns its position. now is the time that all servers share; eventsTo is the latest time of its events; 0: it has none.
func enter(ctx context.Context, t Tx, replica string, now time.Time, eventsTo int64, doc *changeDoc) (position int64, err error) {
	if eventsTo == 0 {
		if err := t.Row(ctx, lastChange, nil, &position, &eventsTo); err != nil {
			return 0, err
		}
	}
	err = t.Row(ctx, `INSERT INTO change (replica, at, events_to, doc) VALUES (?, ?, ?, ?) RETURNING position`,
		[]any{replica, unixNano(now), eventsTo, encode(doc)}, &position)
	return position, err
}

// Changes implements store.Replicas. The entry at the position is read too: as long as it is there, those after it are.
func (s *Store) Changes(ctx context.Context, after int64, except string, most int) (store.Changes, error) {
	c := store.Changes{Position: after}
	var keys []deploy.EffectKey
	var due changeDoc
	found := 0
	err := s.read.Each(ctx, `SELECT position, replica, doc FROM change WHERE position >= ? ORDER BY position LIMIT ?`, []any{after, most + 1},
		func(rows Rows) (bool, error) {
			var position int64
			var replica, text string
			if err := rows.Scan(&position, &replica, &text); err != nil {
				return false, err
			}
			if found++; found == 1 {
				if position != after {
					return false, store.ErrBehind
				}
				return true, nil
			}
			c.Position = position
			if replica == except {
				return true, nil
			}
			var doc changeDoc
			err := decode(text, &doc)
			keys = append(keys, doc.Effects...)
			c.Notices, c.Ended, c.Leases = c.Notices || doc.Notices, c.Ended || doc.Ended, c.Leases || doc.Leases
			due.sooner(moment(sql.NullInt64{Int64: doc.Due}))
			return true, err
		})
	if err == nil && found == 0 {
		err = store.ErrBehind
	}
	if err != nil {
		return c, wrap(err, "read the changes after %d", after)
	}
	c.More, c.Due = found > most, moment(sql.NullInt64{Int64: due.Due})
	c.Effects, err = s.effectsNow(ctx, keys)
	return c, wrap(err, "read the effects that changed after %d", after)
}

// effectPieces are the numbers of targets that are read at once, so that there are few texts of statements.
var effectPieces = []int{1, 8, 64}

// effectsNow reads what has become of effects.
func (s *Store) effectsNow(ctx context.Context, keys []deploy.EffectKey) ([]store.EffectChange, error) {
	out := make([]store.EffectChange, 0, len(keys))
	index := make(map[deploy.EffectKey]int, len(keys))
	targets := map[string][]string{} // by deployment
	var order []string
	for _, k := range keys {
		if _, known := index[k]; known {
			continue
		}
		index[k] = len(out)
		out = append(out, store.EffectChange{Key: k})
		if targets[k.DeploymentID] == nil {
			order = append(order, k.DeploymentID)
		}
		targets[k.DeploymentID] = append(targets[k.DeploymentID], k.Target)
	}
	for _, id := range order {
		of := targets[id]
		slices.Sort(of)
		of = slices.Compact(of)
		for len(of) > 0 {
			size := effectPieces[len(effectPieces)-1]
			for _, n := range slices.Backward(effectPieces) {
				if n >= len(of) {
					size = n
				}
			}
			args := []any{id}
			for i := range size {
				args = append(args, of[min(i, len(of)-1)])
			}
			of = of[min(size, len(of)):]
			err := s.read.Each(ctx, `SELECT deployment_id, target_id, kind, doc FROM effect WHERE deployment_id = ? AND target_id IN (`+marks(size)+`)`, args,
				func(rows Rows) (bool, error) {
					e, err := scanEffect(rows)
					if i, asked := index[e.Key]; asked {
						out[i].Effect = &e
					}
					return true, err
				})
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func scanEffect(rows Rows) (deploy.Effect, error) {
	var e deploy.Effect
	var text string
	if err := rows.Scan(&e.Key.DeploymentID, &e.Key.Target, &e.Key.Kind, &text); err != nil {
		return e, err
	}
	var doc effectDoc
	err := decode(text, &doc)
	e.Command, e.Traffic, e.Split, e.Watch, e.Hold = doc.Command, doc.Traffic, doc.Split, doc.Watch, doc.Hold
	return e, err
}

// lastChange is where the feed ends, and the latest time of its events.
const lastChange = `SELECT position, events_to FROM change WHERE position = (SELECT max(position) FROM change)`

// EffectsOf implements store.Replicas. The position is read first: what is committed in between is read twice and not never.
func (s *Store) EffectsOf(ctx context.Context, shards deploy.Shards) ([]deploy.Effect, int64, error) {
	var position, eventsTo int64
	if err := s.read.Row(ctx, lastChange, nil, &position, &eventsTo); err != nil {
		return nil, 0, wrap(err, "read the position of the feed")
	}
	var out []deploy.Effect
	filter, args := inShards("deployment_id", shards)
	err := s.read.Each(ctx, `SELECT deployment_id, target_id, kind, doc FROM effect`+strings.Replace(filter, " AND ", " WHERE ", 1)+` ORDER BY deployment_id, target_id, kind`, args,
		func(rows Rows) (bool, error) {
			e, err := scanEffect(rows)
			out = append(out, e)
			return true, err
		})
	return out, position, wrap(err, "read the outstanding effects of %d shards", shards.Len())
}

// TrimChanges implements store.Replicas.
func (s *Store) TrimChanges(ctx context.Context, age time.Duration, most int) (int, error) {
	var removed int64
	err := s.write.Do(ctx, func(t Tx) error {
		removed = 0
		now, err := sharedNow(ctx, t, time.Now())
		if err != nil {
			return err
		}
		before, end := unixNano(now.Add(-age)), int64(0)
		err = t.Each(ctx, `SELECT position, at FROM change WHERE position < (SELECT max(position) FROM change) ORDER BY position LIMIT ?`, []any{most},
			func(rows Rows) (bool, error) {
				var position, at int64
				if err := rows.Scan(&position, &at); err != nil || at > before {
					return false, err
				}
				end = position
				return true, nil
			})
		if err != nil || end == 0 {
			return err
		}
		removed, err = t.Exec(`DELETE FROM change WHERE position <= ?`, end)
		return err
	})
	return int(removed), wrap(err, "trim the feed of changes")
}

// inShards is a condition on a column with ids of deployments: deploy.ShardOf as SQL. It is nothing for all shards.
func inShards(column string, shards deploy.Shards) (string, []any) {
	if shards == deploy.AllShards {
		return "", nil
	}
	last := func(back string) string {
		return `unicode(substr(` + column + `, length(` + column + `)` + back + `, 1))`
	}
	return ` AND (CAST(1 AS BIGINT) << ((` + last("") + ` * 37 + ` + last(" - 1") + `) % 64)) & ? <> 0`, []any{int64(shards)}
}

// DueIn implements store.Replicas.
func (s *Store) DueIn(ctx context.Context, shards deploy.Shards, at time.Time, most int) ([]store.Due, error) {
	var out []store.Due
	until := unixNano(at)
	ofDeployment, one := inShards("id", shards)
	ofTarget, _ := inShards("deployment_id", shards)
	args := append(append([]any{until}, one...), until)
	err := s.read.Each(ctx, `
		SELECT id AS deployment, '' AS target, wake_at AS at FROM deployment WHERE wake_at <= ?`+ofDeployment+`
		UNION ALL
		SELECT deployment_id AS deployment, id AS target, due_at AS at FROM target WHERE due_at <= ?`+ofTarget+`
		ORDER BY at, deployment LIMIT ?`, append(append(args, one...), limit(most)),
		func(rows Rows) (bool, error) {
			var d store.Due
			var at sql.NullInt64
			err := rows.Scan(&d.DeploymentID, &d.Target, &at)
			d.At = moment(at)
			out = append(out, d)
			return true, err
		})
	return out, wrap(err, "read what is due in %d shards", shards.Len())
}

// NextDueIn implements store.Replicas.
func (s *Store) NextDueIn(ctx context.Context, shards deploy.Shards) (time.Time, error) {
	first := func(column, id, table string) (time.Time, error) {
		var at sql.NullInt64
		filter, args := inShards(id, shards)
		err := s.read.Row(ctx, `SELECT `+column+` FROM `+table+` WHERE `+column+` IS NOT NULL`+filter+` ORDER BY `+column+` LIMIT 1`, args, &at)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return moment(at), err
	}
	next, err := first("wake_at", "id", "deployment")
	if err == nil {
		var target time.Time
		if target, err = first("due_at", "deployment_id", "target"); next.IsZero() || !target.IsZero() && target.Before(next) {
			next = target
		}
	}
	return next, wrap(err, "read the next deadline in %d shards", shards.Len())
}
