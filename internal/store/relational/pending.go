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
	notices [][]any // that nobody is told of
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

// remove takes the values out whose keys are said to go, and returns them in order.
func (l *last[K, V]) remove(goes func(K) bool) (out []V) {
	kept := l.order[:0]
	for _, k := range l.order {
		if !goes(k) {
			kept = append(kept, k)
			continue
		}
		out = append(out, l.values[k])
		delete(l.values, k)
	}
	l.order = kept
	return out
}

// rows takes a transition's rows.
func (b *batch) rows(t deploy.Transition) {
	id, p := t.Deployment().Spec.ID, &b.pending
	k := b.known[id]
	for _, n := range t.NewTargets() {
		p.added = append(p.added, n)
		k.change(n)
	}
	for _, c := range t.Targets() {
		p.targets.put(store.TargetKey{Deployment: id, Target: c.ID}, c)
		k.change(c)
	}
	if t.SkipRest() {
		b.addTargets()
		b.changeTargets(p.targets.remove(func(k store.TargetKey) bool { return k.Deployment == id }))
		b.tx.Later(nil, `UPDATE target SET status = 'Skipped', due_at = NULL WHERE deployment_id = ? AND +status IN ('Pending', 'InProgress', 'Ready')`, id)
		k.forgetTargets()
	}
	for _, key := range t.Cleared() {
		p.effects.put(key, nil)
	}
	if t.ClearAll() {
		p.effects.remove(func(k deploy.EffectKey) bool { return k.DeploymentID == id && k.Kind != deploy.EffectTraffic })
		b.tx.Later(nil, `DELETE FROM effect WHERE deployment_id = ? AND kind <> ?`, id, string(deploy.EffectTraffic))
	}
	for _, e := range t.Effects() {
		p.effects.put(e.Key, &e)
	}
	for _, l := range t.Journal() {
		p.journal = append(p.journal, []any{id, l.Number, nanosOrZero(l.At), l.Target, string(l.Event), l.From, l.To, Raw(l.Text)})
	}
	p.states = append(p.states, t.Instances()...)
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
	addNotices = Bulk{
		One: `INSERT INTO notice (account, deployment_id, at, doc) VALUES (?, ?, ?, ?)`,
		All: `INSERT INTO notice (account, deployment_id, at, doc) SELECT * FROM unnest(?::text[], ?::text[], ?::bigint[], ?::text[])`,
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
	b.addTargets()
	b.changeTargets(p.targets.remove(func(store.TargetKey) bool { return true }))
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
	p.effects = last[deploy.EffectKey, *deploy.Effect]{}
	b.say(addLines, len(p.journal), func(i int) []any { return p.journal[i] })
	b.say(addNotices, len(p.notices), func(i int) []any { return p.notices[i] })
	p.journal, p.notices = nil, nil
	return b.flushStates()
}

func (b *batch) addTargets() {
	added := b.pending.added
	b.pending.added = nil
	b.say(addTargets, len(added), func(i int) []any {
		n := added[i]
		return []any{n.DeploymentID, n.ID, string(n.Lane), n.Rank, n.Turn, string(n.Status), nanos(n.DueAt), b.targetDoc(n)}
	})
}

// changeTargets writes targets that are there, or pending no more as new ones.
func (b *batch) changeTargets(changed []deploy.Target) {
	b.say(changeTargets, len(changed), func(i int) []any {
		c := changed[i]
		return []any{c.Turn, string(c.Status), nanos(c.DueAt), b.targetDoc(c), c.DeploymentID, c.ID}
	})
}

func (b *batch) targetDoc(t deploy.Target) string {
	b.scratch = appendTarget(b.scratch[:0], t)
	return string(b.scratch)
}

func (b *batch) flushStates() error {
	states := b.pending.states
	b.pending.states = nil
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
