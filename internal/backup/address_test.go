package backup

import (
	"slices"
	"testing"
)

func TestTheAddressForPostgreSQLsPrograms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, url, want string
		environ         []string
	}{
		{"plain", "postgres://u@h:5433/d?sslmode=verify-full", "postgres://u@h:5433/d?sslmode=verify-full", nil},
		{"several servers", "postgres://u@h1:5432,h2:5433/d?target_session_attrs=read-write", "postgres://u@h1:5432,h2:5433/d?target_session_attrs=read-write", nil},
		{"password", "postgres://u:p%40ss@h/d", "postgres://u@h/d", []string{"PGPASSWORD=p@ss"}},
		{"password as a parameter", "postgres:///d?host=/run&user=u&password=p%20w", "postgres:///d?host=%2Frun&user=u", []string{"PGPASSWORD=p w"}},
		{"the driver's own", "postgres://u@h/d?default_query_exec_mode=exec", "postgres://u@h/d", nil},
		{"the driver's word", "postgres://u@h?database=d", "postgres://u@h?dbname=d", nil},
		{
			"parameters of sessions", "postgres://u@h/d?lock_timeout=5s&application_name=a+b&TimeZone=a%20b%5C", `postgres://u@h/d?application_name=a%20b&options=-c%20TimeZone%3Da%5C%20b%5C%5C%20-c%20lock_timeout%3D5s`,
			nil,
		},
		{"beside others", "postgres://u@h/d?options=-c%20geqo%3Doff&lock_timeout=5s", "postgres://u@h/d?options=-c%20geqo%3Doff%20-c%20lock_timeout%3D5s", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, environ, err := Postgres{URL: c.url}.address()
			if err != nil || got != c.want || !slices.Equal(environ, c.environ) {
				t.Errorf("got\n%s %q, %v, want\n%s %q", got, environ, err, c.want, c.environ)
			}
		})
	}
}
