package relational

import (
	"context"
	"maps"
	"slices"
	"strings"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
)

// byTag are the conditions under which the index of tags has what a filter may match, in the order of instances. The domain owns what a filter means: each
// instance that is found is held against the filter again.
var byTag = map[string]struct {
	condition string
	arguments func(deploy.TagFilter) []any
}{
	deploy.KeyOnly:     {`t.key = ?`, func(f deploy.TagFilter) []any { return []any{f.Key} }},
	deploy.ValueOnly:   {`t.value = ?`, func(f deploy.TagFilter) []any { return []any{f.Value} }},
	deploy.KeyAndValue: {`t.key = ? AND t.value = ?`, func(f deploy.TagFilter) []any { return []any{f.Key, f.Value} }},
}

// tagged finds the registered instances that match any of the filters, by name. Others have no tags. What it costs is what it finds, however many instances
// there are.
func (s *Store) tagged(ctx context.Context, account string, f store.InstanceFilter, p store.Page) ([]deploy.Instance, error) {
	if f.Registration == "Deregistered" {
		return nil, nil
	}
	columns := `i.` + strings.ReplaceAll(instanceColumns, `, `, `, i.`)
	found := map[string]deploy.Instance{}
	for _, filter := range f.Tags {
		by, ok := byTag[filter.Type]
		if !ok {
			continue // it matches nothing
		}
		last, n := "", 0
		err := s.read.Each(ctx, `SELECT `+columns+` FROM instance_tag t CROSS JOIN instance i ON i.account = t.account AND i.name = t.instance
			WHERE t.account = ? AND `+by.condition+` AND t.instance > ? ORDER BY t.instance`,
			append(append([]any{account}, by.arguments(filter)...), p.After), func(rows Rows) (bool, error) {
				i, err := scanInstance(rows.Scan)
				if err != nil {
					return false, err
				}
				if i.Name != last && filter.Matches(i.Tags) { // a value may be that of several tags
					last = i.Name
					n++
					found[last] = i
				}
				return p.Limit <= 0 || n < p.Limit, nil
			})
		if err != nil {
			return nil, err
		}
	}
	out := slices.SortedFunc(maps.Values(found), func(a, b deploy.Instance) int { return strings.Compare(a.Name, b.Name) })
	if p.Limit > 0 && len(out) > p.Limit {
		out = out[:p.Limit]
	}
	return out, nil
}

// retag brings the index of tags from what an instance had to what it has.
func retag(t Tx, old, now deploy.Instance) error {
	for key, value := range old.Tags {
		if v, kept := now.Tags[key]; kept && v == value {
			continue
		}
		if _, err := t.Exec(`DELETE FROM instance_tag WHERE account = ? AND key = ? AND instance = ?`, old.Account, key, old.Name); err != nil {
			return err
		}
	}
	for key, value := range now.Tags {
		if v, had := old.Tags[key]; had && v == value {
			continue
		}
		// Two keys that the engine can't tell apart are one here; see Raw.
		if _, err := t.Exec(`INSERT INTO instance_tag (account, key, value, instance) VALUES (?, ?, ?, ?) ON CONFLICT (account, key, instance) DO NOTHING`, now.Account, key, value, now.Name); err != nil {
			return err
		}
	}
	return nil
}
