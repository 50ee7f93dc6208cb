package relational

import (
	"context"
	"fmt"

	"crossfade/internal/store"
)

// faults are rows that must not be there, with what to call them. Each is a count and an example.
var faults = []struct{ what, query string }{
	{"deployments have lost their specification", `SELECT count(*), coalesce(min(d.id), '') FROM deployment d
		WHERE NOT EXISTS (SELECT 1 FROM deployment_spec s WHERE s.deployment_id = d.id)`},
	{"specifications have no deployment", `SELECT count(*), coalesce(min(s.deployment_id), '') FROM deployment_spec s
		WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = s.deployment_id)`},
	{"effects have no deployment", `SELECT count(*), coalesce(min(e.deployment_id), '') FROM effect e
		WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = e.deployment_id)`},
	{"targets have no deployment", `SELECT count(*), coalesce(min(t.deployment_id), '') FROM target t
		WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = t.deployment_id)
		AND NOT EXISTS (SELECT 1 FROM removed_deployment r WHERE r.deployment_id = t.deployment_id)`},
	{"lines of journals have no deployment", `SELECT count(*), coalesce(min(j.deployment_id), '') FROM journal j
		WHERE NOT EXISTS (SELECT 1 FROM deployment d WHERE d.id = j.deployment_id)
		AND NOT EXISTS (SELECT 1 FROM removed_deployment r WHERE r.deployment_id = j.deployment_id)`},
	{"deliveries wait behind one that is not there", `SELECT count(*), coalesce(min(m.deployment_id), '') FROM delivery m
		WHERE m.not_before IS NULL AND NOT EXISTS (SELECT 1 FROM delivery f
			WHERE f.deployment_id = m.deployment_id AND f.destination = m.destination AND f.id < m.id)`},
}

// Inspect counts the rows of tables, and looks for rows that contradict each other when the schema is the one that this Crossfade makes.
func Inspect(ctx context.Context, r Reader, tables []string, schema, known int64) (store.Inspection, error) {
	out := store.Inspection{Schema: schema, Known: known, Tables: []store.TableSize{}, Problems: []string{}}
	for _, name := range tables {
		size := store.TableSize{Name: name}
		if err := r.Row(ctx, `SELECT count(*) FROM `+name, nil, &size.Rows); err != nil {
			return out, wrap(err, "count the rows of the table %s", name)
		}
		out.Tables = append(out.Tables, size)
	}
	if schema != known {
		return out, nil
	}
	for _, f := range faults {
		var n int64
		var example string
		if err := r.Row(ctx, f.query, nil, &n, &example); err != nil {
			return out, wrap(err, "look whether %s", f.what)
		}
		if n > 0 {
			out.Problems = append(out.Problems, fmt.Sprintf("%d %s, deployment %s for one", n, f.what, example))
		}
	}
	return out, nil
}
