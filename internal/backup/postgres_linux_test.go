package backup_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crossfade/internal/backup"
)

// cluster is a real PostgreSQL behind a socket in a directory, so that it needs no port.
type cluster struct {
	t        *testing.T
	programs string
	dir      string
}

// postgres starts a PostgreSQL that asks for a password. It does not run as root, so root's tests run it as the user postgres.
func postgres(t *testing.T) *cluster {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Skip("PostgreSQL is not installed, so no backup of it is tried; install the package postgresql")
	}
	dir, err := os.MkdirTemp("", "pg") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{t: t, programs: filepath.Dir(found[len(found)-1]), dir: dir}
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	credential := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skipf("there is no user to run PostgreSQL: %v", err)
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		credential.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} //nolint:gosec // ids of this machine
		for _, path := range []string{dir, password} {
			if err := os.Chown(path, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(found[len(found)-1], "--pgdata="+data, "--username=crossfade", "--pwfile="+password, "--auth=scram-sha-256", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = credential, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := exec.Command(filepath.Join(c.programs, "postgres"), "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+dir, "-c", "fsync=off")
	server.SysProcAttr, server.Dir = credential, dir
	var said strings.Builder
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := server.Wait(); err != nil {
			t.Logf("PostgreSQL ended: %v\n%s", err, said.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := c.sql("postgres", "SELECT 1"); err == nil {
			return c
		} else if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL does not answer: %v", err)
		}
	}
}

func (c *cluster) url(database, password string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("crossfade", password), Path: "/" + database, RawQuery: url.Values{"host": {c.dir}}.Encode()}
	return u.String()
}

func (c *cluster) sql(database, text string) (string, error) {
	out, err := exec.Command(filepath.Join(c.programs, "psql"), "--dbname="+c.url(database, "s3cret"), "--tuples-only", "--no-align", "--command="+text).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), err
}

func (c *cluster) must(database, text string) string {
	c.t.Helper()
	out, err := c.sql(database, text)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func TestABackupOfPostgreSQL(t *testing.T) {
	t.Parallel()
	c := postgres(t)
	for _, name := range []string{"living", "restored"} {
		c.must("postgres", "CREATE DATABASE "+name)
	}
	c.must("living", "CREATE TABLE deployment (id text PRIMARY KEY, doc bytea); INSERT INTO deployment VALUES ('d-1', '\\x00ff')")
	data, file := directory(t)
	m, err := backup.Write(t.Context(), backup.Options{
		Data: data, Database: backup.Postgres{URL: c.url("living", "s3cret") + "&default_query_exec_mode=exec&lock_timeout=20s&search_path=public,%20pg_temp"}, File: file, Version: "test", Now: func() time.Time { return made },
	})
	if err != nil || m.Database != "postgres" || len(m.Files) != 6 {
		t.Fatalf("%+v, %v", m, err)
	}
	c.must("living", "DELETE FROM deployment")
	to := filepath.Join(t.TempDir(), "data")
	_, err = backup.Restore(t.Context(), backup.RestoreOptions{File: file, Data: to, Database: plain{to}})
	if err == nil || !strings.Contains(err.Error(), "say with --store where it goes") {
		t.Errorf("restored to another kind of database: %v", err)
	}
	restore := func(database, password string) error {
		_, err := backup.Restore(t.Context(), backup.RestoreOptions{File: file, Data: to, Database: backup.Postgres{URL: c.url(database, password)}})
		return err
	}
	if err := restore("living", "s3cret"); err == nil || !strings.Contains(err.Error(), "the database has tables already") {
		t.Errorf("restored over a database: %v", err)
	}
	if err := restore("restored", "wrong"); err == nil || strings.Contains(err.Error(), "wrong") || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("restored without the password: %v", err)
	}
	if err := restore("restored", "s3cret"); err != nil {
		t.Fatal(err)
	}
	if got := c.must("restored", "SELECT id || encode(doc, 'hex') FROM deployment"); got != "d-100ff" {
		t.Errorf("the row is %q", got)
	}
	if key, err := os.ReadFile(filepath.Join(to, "secret.key")); err != nil || string(key) != "key" {
		t.Errorf("the key is %q, %v", key, err)
	}
	if left := tree(t, to); strings.Contains(left, "crossfade.db") || strings.Contains(left, "restored-database") {
		t.Errorf("the data directory has\n%s", left)
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "mysql://u:geheim@h/d", "postgres://u:geheim@h:port/d", "://"} {
		err := backup.Postgres{URL: address}.Copy(context.Background(), filepath.Join(t.TempDir(), "dump"))
		if err == nil || !strings.Contains(err.Error(), "no URL such as") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
