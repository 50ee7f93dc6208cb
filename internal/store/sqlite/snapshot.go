package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// Snapshots copies the database of a data directory, also while a server has it open, and makes a database of such a copy. It implements
// backup.Database.
type Snapshots struct{ Dir string }

// Kind implements backup.Database.
func (Snapshots) Kind() string { return "sqlite" }

// Files implements backup.Database.
func (Snapshots) Files() []string {
	return []string{databaseFile, databaseFile + "-wal", databaseFile + "-shm", databaseFile + "-journal", lockFile}
}

// Copy writes the database as it is after its last commit into a file that is not there yet, compact and checked. Nobody waits for it; what the
// server writes meanwhile stays in its write-ahead log until the copy is made.
func (s Snapshots) Copy(ctx context.Context, file string) (err error) {
	path := filepath.Join(s.Dir, databaseFile)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("find the database: %w", err)
	}
	// A relative path would be read as the host of a URL.
	whole, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", fileURL(whole, "mode=rw"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	// The file is made beforehand, so that nobody else can ever read it: SQLite takes an empty one.
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, file); err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	return checkCopy(ctx, file)
}

// checkCopy holds that a copy is a whole database.
func checkCopy(ctx context.Context, file string) (err error) {
	whole, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", fileURL(whole, "mode=ro"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var said string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said); err != nil {
		return fmt.Errorf("check the copy of the database: %w", err)
	}
	if said != "ok" {
		return fmt.Errorf("the copy of the database is damaged: %s", said)
	}
	return nil
}

func fileURL(path, query string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query + "&_pragma=busy_timeout(10000)"}
	return u.String()
}

// Restore makes a copy the database of the data directory. The copy is gone then.
func (s Snapshots) Restore(ctx context.Context, file string) error {
	path := filepath.Join(s.Dir, databaseFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s is there already", path), err)
	}
	if err := checkCopy(ctx, file); err != nil {
		return err
	}
	if err := os.Rename(file, path); err != nil {
		return fmt.Errorf("name the database: %w", err)
	}
	return syncDirectory(s.Dir)
}
