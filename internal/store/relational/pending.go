package relational

import (
	"slices"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// pending is what a batch has decided of the rows of its deployments and not yet told the database. Of each row only the last counts.
type pending struct {
	added   []deploy.Target // new ones, whose deployments are new too or have just learnt of them
	targets last[store.TargetKey, deploy.Target]
	effects last[deploy.EffectKey, *deploy.Effect] // nil: there is none any more
	journal [][]any
	states  []deploy.InstanceChange
}

// last keeps the last value of each key, in the order in which the keys came.
type last[K comparable, V any] struct {
	values map[K]V
	order  []K
}

func (l *last[K, V]) put(k K, v V) {
	if l.values == nil {
		l.values = map[K]V{}
	}
	if _, known := l.values[k]; !known {
		l.order = append(l.order, k)
	}
	l.values[k] = v
}

func (l *last[K, V]) clear() {
	clear(l.values)
	l.order = l.order[:0]
}

// rows takes a transition's rows.
func (b *batch) rows(t deploy.Transition) error {
	id, p := t.Deployment().Spec.ID, &b.pending
	k := b.known[id]
	for _, n := range t.NewTargets() {
		p.added = append(p.added, n)
		k.targets[n.ID] = n
	}
	for _, c := range t.Targets() {
		p.targets.put(store.TargetKey{Deployment: id, Target: c.ID}, c)
		k.targets[c.ID] = c
	}
	for _, key := range t.Cleared() {
		p.effects.put(key, nil)
	}
	if t.SkipRest() || t.ClearAll() {
		if err := b.flushRows(); err != nil {
			return err
		}
	}
	if t.SkipRest() {
		b.tx.Later(nil, `UPDATE target SET status = 'Skipped', due_at = NULL WHERE deployment_id = ? AND +status IN ('Pending', 'InProgress', 'Ready')`, id)
		clear(k.targets)
	}
	if t.ClearAll() {
		b.tx.Later(nil, `DELETE FROM effect WHERE deployment_id = ? AND kind <> ?`, id, string(deploy.EffectTraffic))
	}
	for _, e := range t.Effects() {
		p.effects.put(e.Key, &e)
	}
	for _, l := range t.Journal() {
		p.journal = append(p.journal, []any{id, l.Number, nanosOrZero(l.At), l.Target, string(l.Event), l.From, l.To, Raw(l.Text)})
	}
	p.states = append(p.states, t.Instances()...)
	return nil
}

// The statements of rows, in the order in which they are said.
var (
	addTargets = Bulk{
		One: `INSERT INTO target (deployment_id, id, lane, rank, turn, status, due_at, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		All: `INSERT INTO target (deployment_id, id, lane, rank, turn, status, due_at, doc)
			SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::bigint[], ?::bigint[], ?::text[], ?::bigint[], ?::text[])`,
	}
	changeTargets = Bulk{
		One: `UPDATE target SET turn = ?, status = ?, due_at = ?, doc = ? WHERE deployment_id = ? AND id = ?`,
		All: `UPDATE target SET turn = n.turn, status = n.status, due_at = n.due_at, doc = n.doc
			FROM unnest(?::bigint[], ?::text[], ?::bigint[], ?::text[], ?::text[], ?::text[]) AS n (turn, status, due_at, doc, of, target)
			WHERE target.deployment_id = n.of AND target.id = n.target`,
		None: errGone,
	}
	removeEffects = Bulk{
		One: `DELETE FROM effect WHERE deployment_id = ? AND target_id = ? AND kind = ?`,
		All: `DELETE FROM effect USING unnest(?::text[], ?::text[], ?::text[]) AS n (of, target, what)
			WHERE effect.deployment_id = n.of AND effect.target_id = n.target AND effect.kind = n.what`,
	}
	keepEffects = Bulk{
		One: `INSERT INTO effect (deployment_id, target_id, kind, doc) VALUES (?, ?, ?, ?)
			ON CONFLICT (deployment_id, target_id, kind) DO UPDATE SET doc = excluded.doc`,
		All: `INSERT INTO effect (deployment_id, target_id, kind, doc) SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[])
			ON CONFLICT (deployment_id, target_id, kind) DO UPDATE SET doc = excluded.doc`,
	}
	addLines = Bulk{
		One: `INSERT INTO journal (deployment_id, number, at, target_id, event, from_status, to_status, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		All: `INSERT INTO journal (deployment_id, number, at, target_id, event, from_status, to_status, text)
			SELECT * FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[], ?::bytea[])`,
	}
)

// flushRows tells the database all that is pending.
func (b *batch) flushRows() error {
	p := &b.pending
	b.say(addTargets, len(p.added), func(i int) []any {
		n := p.added[i]
		return []any{n.DeploymentID, n.ID, string(n.Lane), n.Rank, n.Turn, string(n.Status), nanos(n.DueAt), targetDoc(n)}
	})
	p.added = nil
	b.say(changeTargets, len(p.targets.order), func(i int) []any {
		k := p.targets.order[i]
		c := p.targets.values[k]
		return []any{c.Turn, string(c.Status), nanos(c.DueAt), targetDoc(c), k.Deployment, k.Target}
	})
	p.targets.clear()
	var kept, gone []deploy.EffectKey
	for _, k := range p.effects.order {
		if p.effects.values[k] == nil {
			gone = append(gone, k)
		} else {
			kept = append(kept, k)
		}
	}
	b.say(removeEffects, len(gone), func(i int) []any { return []any{gone[i].DeploymentID, gone[i].Target, string(gone[i].Kind)} })
	b.say(keepEffects, len(kept), func(i int) []any {
		e := p.effects.values[kept[i]]
		doc := encode(effectDoc{Command: e.Command, Traffic: e.Traffic, Split: e.Split, Watch: e.Watch, Hold: e.Hold})
		return []any{e.Key.DeploymentID, e.Key.Target, string(e.Key.Kind), doc}
	})
	p.effects.clear()
	b.say(addLines, len(p.journal), func(i int) []any { return p.journal[i] })
	p.journal = nil
	states := p.states
	p.states = nil
	return b.instances(states)
}

// saidAtOnce bounds the rows of one statement, and so what has to be in memory for it.
const saidAtOnce = 1000

func (b *batch) say(what Bulk, n int, row func(i int) []any) {
	for from := 0; from < n; from += saidAtOnce {
		rows := make([][]any, 0, min(n-from, saidAtOnce))
		for i := from; i < min(n, from+saidAtOnce); i++ {
			rows = append(rows, row(i))
		}
		b.tx.LaterOf(what, slices.Clip(rows))
	}
}
