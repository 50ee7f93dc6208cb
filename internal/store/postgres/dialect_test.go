package postgres

import (
	"reflect"
	"testing"

	"crossfade/internal/store/relational"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		`SELECT a FROM t WHERE b = ? AND +c IN (?, ?)`:                                               `SELECT a FROM t WHERE b = $1 AND c IN ($2, $3)`,
		`SELECT ?1, ?2 WHERE x = ?1`:                                                                 `SELECT $1, $2 WHERE x = $1`,
		`SELECT '?' || 'it''s ?' FROM user WHERE user = ?`:                                           `SELECT '?' || 'it''s ?' FROM "user" WHERE "user" = $1`,
		`UPDATE delivery SET tries = tries + 1 WHERE id = ?`:                                         `UPDATE delivery SET tries = tries + 1 WHERE id = $1`,
		`SELECT 1 FROM user_key k CROSS JOIN user u ON u.id = 1`:                                     `SELECT 1 FROM user_key k JOIN "user" u ON u.id = 1`,
		`SELECT unicode(substr(id, 1, 1)) FROM t`:                                                    `SELECT ascii(substr(id, 1, 1)) FROM t`,
		"SELECT a FROM t WHERE b = ?\n\t\tUNION ALL\n\t\tSELECT a FROM u\n\t\tORDER BY a, b LIMIT ?": `(SELECT a FROM t WHERE b = $1 ORDER BY a, b LIMIT $2) UNION ALL (SELECT a FROM u ORDER BY a, b LIMIT $2) ORDER BY a, b LIMIT $2`,
		`SELECT min(a) FROM (SELECT 1 AS a UNION ALL SELECT 2) AS b`:                                 `SELECT min(a) FROM (SELECT 1 AS a UNION ALL SELECT 2) AS b`,
	} {
		if got := translate(query); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", query, got, want)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	given := []any{"a", true, false, int64(3), relational.Raw("\x00"), "b\x00\xff"}
	if got := values(given); !reflect.DeepEqual(got, []any{"a", int64(1), int64(0), int64(3), []byte{0}, "b\uFFFD\uFFFD"}) || given[1] != true {
		t.Errorf("%v of %v", got, given)
	}
}
