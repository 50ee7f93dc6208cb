package config

import (
	"strings"
	"testing"
)

func TestStores(t *testing.T) {
	t.Parallel()
	for value, name := range map[string]string{
		"": "SQLite in crossfade-data",
		"postgres://crossfade@db.example.com/crossfade":                              "PostgreSQL, database crossfade on db.example.com",
		"postgresql://u:geheim@db:5433/shop?sslmode=verify-full":                     "PostgreSQL, database shop on db:5433",
		"postgres://crossfade@/crossfade?host=/run/postgresql&port=5432":             "PostgreSQL, database crossfade on /run/postgresql",
		"postgres://u:geheim@one:5432,two:5432/shop?target_session_attrs=read-write": "PostgreSQL, database shop on one:5432,two:5432",
	} {
		c, err := Load(Sources{Environ: []string{"CROSSFADE_STORE=" + value}})
		if err != nil || c.Store != value || c.StoreName() != name {
			t.Errorf("%s: %q, %v, want %q", value, c.StoreName(), err, name)
		}
	}
}

// TestStoresThatAreRefused also holds that a refusal shows no password.
func TestStoresThatAreRefused(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"mysql://u:geheim@h/d":                 `the scheme "mysql", and there is no such store`,
		"geheim":                               "is no URL",
		"host=db password=geheim dbname=shop":  "is no URL",
		"u:geheim@h/d":                         "is no URL",
		"postgres://u:geheim%@h/d":             "can't be read as a URL",
		"postgres://u:geheim@h:port/d":         "can't be read as a URL",
		"postgres:///shop?password=geheim":     "names no host",
		"postgres://":                          "names no host",
		"postgres://u:geheim@db.example.com":   "names no database",
		"postgres://u:geheim@db.example.com//": "names no database",
	} {
		_, err := Load(Sources{Environ: []string{"CROSSFADE_STORE=" + value}})
		if err == nil || !strings.Contains(err.Error(), "environment variable CROSSFADE_STORE: store "+want) && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
			continue
		}
		if strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the password shows in %v", value, err)
		}
	}
}
