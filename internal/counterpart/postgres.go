package counterpart

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var postgresReady = regexp.MustCompile(`database system is ready to accept connections`)

// postgresUser owns the databases.
const postgresUser = "crossfade"

// PostgreSQL is a server of its own on a socket in a directory, so that it needs no port. It takes any password.
type PostgreSQL struct {
	programs string // the directory of its programs
	dir      string
	user     account
	settings []string
	number   atomic.Int64      // of the latest database
	prepared map[string]string // databases that others are copies of, by what they are; under the lock of shared

	mu      sync.Mutex
	process *exec.Cmd // nil: it does not run
	said    *output
	ended   chan struct{}
}

// shared is the server that the tests of a process share: it runs while one of them needs it.
var shared struct {
	mu     sync.Mutex
	users  int
	server *PostgreSQL
}

// Postgres returns the URL of an empty database of its own, in a server that the tests of the process share and that lives in memory as far as
// it may: it does not wait for the disk. Where PostgreSQL is not installed the test is skipped, and says so.
func Postgres(t testing.TB) string {
	t.Helper()
	return sharedServer(t).Database(t)
}

// PostgresLike is Postgres with a copy of a database that prepare has filled. It does so once for all tests of the process that say the same what, and
// leaves no connection behind.
func PostgresLike(t testing.TB, what string, prepare func(url string)) string {
	t.Helper()
	p := sharedServer(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if p.prepared[what] == "" {
		url := p.Database(t)
		prepare(url)
		p.prepared[what] = url
	}
	return p.database(t, " TEMPLATE "+path.Base(p.prepared[what][:strings.Index(p.prepared[what], "?")]))
}

// sharedServer keeps the shared server running until the test ends.
func sharedServer(t testing.TB) *PostgreSQL {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.users == 0 {
		p := newPostgres(t, "fsync=off", "full_page_writes=off")
		if err := p.start(); err != nil {
			t.Fatal(errors.Join(err, p.remove()))
		}
		shared.server = p
	}
	shared.users++
	t.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.users--; shared.users == 0 {
			if err := errors.Join(shared.server.end(), shared.server.remove()); err != nil {
				t.Error(err)
			}
		}
	})
	return shared.server
}

// PostgresServer starts a server for one test, which may kill it and start it again. The settings are those of postgresql.conf, as name=value.
// It waits for the disk, unless a setting says otherwise. Where PostgreSQL is not installed the test is skipped, and says so.
func PostgresServer(t testing.TB, settings ...string) *PostgreSQL {
	t.Helper()
	p := newPostgres(t, settings...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PostgreSQL said:\n%s", p.tail())
		}
		if err := errors.Join(p.end(), p.remove()); err != nil {
			t.Error(err)
		}
	})
	p.Start(t)
	return p
}

// newPostgres makes the files of a server.
func newPostgres(t testing.TB, settings ...string) *PostgreSQL {
	t.Helper()
	programs, err := postgresPrograms()
	if err != nil {
		t.Skip(err)
	}
	user, err := unprivileged()
	if err != nil {
		t.Skipf("PostgreSQL refuses to run as root, and there is nobody else: %v", err)
	}
	dir, err := os.MkdirTemp("", "pg") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	p := &PostgreSQL{programs: programs, dir: dir, user: user, settings: settings, prepared: map[string]string{}}
	if err := user.own(dir); err != nil {
		t.Fatal(errors.Join(err, p.remove()))
	}
	runtime.LockOSThread() // see launch
	out, err := p.command("initdb", "--pgdata="+p.data(), "--username="+postgresUser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync").CombinedOutput()
	runtime.UnlockOSThread()
	if err != nil {
		t.Fatal(errors.Join(fmt.Errorf("initdb: %w: %s", err, out), p.remove()))
	}
	return p
}

func (p *PostgreSQL) data() string { return filepath.Join(p.dir, "data") }

// postgresPrograms finds the newest installed server. Debian keeps them off the PATH.
func postgresPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, path)
		}
	}
	newest := func(a, b string) int { return version(a) - version(b) }
	slices.SortStableFunc(found, newest)
	for _, path := range slices.Backward(found) {
		dir := filepath.Dir(path)
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("PostgreSQL is not installed, so nothing is tried against it; install it (on Debian: apt install postgresql)")
}

// version is that of a directory such as /usr/lib/postgresql/15/bin; 0: it does not tell.
func version(path string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	if err != nil {
		return 0
	}
	return n
}

// command is a program of PostgreSQL as the user that may run it.
func (p *PostgreSQL) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.programs, name), args...)
	cmd.Dir = p.dir
	dieWithParent(cmd)
	p.user.run(cmd)
	return cmd
}

// Start starts the server after Kill, and returns when it answers.
func (p *PostgreSQL) Start(t testing.TB) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

// start waits until processes of a killed server are gone, which still have its memory.
func (p *PostgreSQL) start() error {
	for late := time.Now().Add(startTime); ; time.Sleep(50 * time.Millisecond) {
		if err := p.run(); err == nil || !strings.Contains(err.Error(), "still in use") || time.Now().After(late) {
			return err
		}
	}
}

func (p *PostgreSQL) run() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	args := []string{"-D", p.data()}
	for _, s := range slices.Concat([]string{"listen_addresses=", "unix_socket_directories=" + p.dir, "max_connections=400", "shared_buffers=64MB"}, p.settings) {
		args = append(args, "-c", s)
	}
	p.said = &output{ready: postgresReady, answers: make(chan struct{})}
	cmd, ended := p.command("postgres", args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = p.said, p.said, 5*time.Second
	said := p.said
	if err := launch(cmd, func(err error) {
		defer close(ended)
		if err != nil {
			said.add(err.Error())
		}
	}); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.process, p.ended = cmd, ended
	select {
	case <-p.said.answers:
		return nil
	case <-ended:
		p.process = nil
		return fmt.Errorf("PostgreSQL ended at once: %s", p.said.tail())
	case <-time.After(startTime):
		return fmt.Errorf("PostgreSQL does not answer after %s: %s", startTime, p.said.tail())
	}
}

// Kill ends the server at once, without any chance to write what it has in memory.
func (p *PostgreSQL) Kill(t testing.TB) {
	t.Helper()
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
}

// end kills the server and waits until nobody of it is left. Its processes notice that the first one has gone.
func (p *PostgreSQL) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return nil
	}
	err := p.process.Process.Kill()
	<-p.ended
	p.process = nil
	return err
}

func (p *PostgreSQL) remove() error {
	// The server's processes may still be on their way out.
	for late := time.Now().Add(startTime); ; time.Sleep(100 * time.Millisecond) {
		if err := os.RemoveAll(p.dir); err == nil || time.Now().After(late) {
			return err
		}
	}
}

func (p *PostgreSQL) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said == nil {
		return ""
	}
	return p.said.tail()
}

// Database makes an empty database and returns its URL.
func (p *PostgreSQL) Database(t testing.TB) string {
	t.Helper()
	return p.database(t, "")
}

func (p *PostgreSQL) database(t testing.TB, like string) string {
	t.Helper()
	name := "test" + strconv.FormatInt(p.number.Add(1), 10)
	p.SQL(t, "postgres", "CREATE DATABASE "+name+like)
	return p.URL(name)
}

// URL is the address of a database of the server.
func (p *PostgreSQL) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(postgresUser), Path: "/" + database, RawQuery: url.Values{"host": {p.dir}}.Encode()}
	return u.String()
}

// SQL runs statements in a database of the server, and returns what they say, one row in a line, columns separated by |.
func (p *PostgreSQL) SQL(t testing.TB, database, statements string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(p.programs, "psql"), "--dbname="+p.URL(database), "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
		"--command="+statements).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", statements, err, out)
	}
	return string(bytes.TrimSpace(out))
}
