package config

import (
	"fmt"
	"net/url"
	"strings"
)

// checkStore refuses what names no PostgreSQL database. What it says has nothing of the value but the scheme: there may be a password in it.
func checkStore(value string) *problem {
	if value == "" {
		return nil
	}
	const form = "write postgres://user@host/database, or leave it out for SQLite in the data directory"
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok || strings.ContainsAny(scheme, "@:/= ") {
		return &problem{"store", "is no URL: " + form}
	}
	if scheme != "postgres" && scheme != "postgresql" {
		return &problem{"store", fmt.Sprintf("has the scheme %q, and there is no such store: %s", scheme, form)}
	}
	// Errors of url.Parse have the whole text in them.
	u, err := url.Parse(value)
	if err != nil {
		return &problem{"store", "can't be read as a URL (is there a letter in the password that must be written as %XX?): " + form}
	}
	if rest == "" || u.Host == "" && u.Query().Get("host") == "" {
		return &problem{"store", "names no host: " + form + "; a socket's directory is given as postgres://user@/database?host=/run/postgresql"}
	}
	if strings.Trim(u.Path, "/") == "" {
		return &problem{"store", "names no database: " + form}
	}
	return nil
}

// StoreName is the store as it may be printed: without a password.
func (c Config) StoreName() string {
	if c.Store == "" {
		return "SQLite in " + c.Data
	}
	u, err := url.Parse(c.Store)
	if err != nil {
		return "PostgreSQL"
	}
	host := u.Host
	if host == "" {
		host = u.Query().Get("host")
	}
	return fmt.Sprintf("PostgreSQL, database %s on %s", strings.Trim(u.Path, "/"), host)
}
