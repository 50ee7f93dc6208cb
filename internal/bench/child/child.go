// Package child is the bench's own server: a process of this program with a data directory of its own, so that its memory and its processor time are
// its own, and so that it can be killed.
//
// It owns the process, its configuration and its directory, and takes all of it away at the end. It measures nothing. A [Stage] opens one server
// after the other; each has fresh data.
package child

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"crossfade/internal/bench"
	"crossfade/internal/bench/seed"
	"crossfade/internal/config"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/store/postgres"
	"crossfade/internal/store/sqlite"
)

// Stage starts servers. Program and Arguments are required.
type Stage struct {
	Program   string   // this program
	Arguments []string // that make it a server; it is then told its configuration with --config
	Environ   []string // of the process; the root's key is added
	Dir       string   // in which directories for data are made; empty: the system's for temporary files
	Configure []string // lines of YAML that are added to the configuration
	// Profile is a file that the CPU profile of what is measured is written to, and with .heap behind it what was in memory then; empty: none is
	// made. The program must then take --profile-listen.
	Profile  string
	PollHold time.Duration // how long polls are held; zero: the server's default
	// Store is the URL of an empty database on PostgreSQL for the server to use; empty: SQLite in its data directory.
	Store    string
	Progress func(format string, args ...any)
	// Ready bounds a start. Zero: two minutes.
	Ready time.Duration

	find func(context.Context) (string, error) // nil: freeAddress
}

var _ bench.Stage = (*Stage)(nil)

// server is one that runs.
type server struct {
	stage   *Stage
	dir     string
	listen  string
	profile string // the address; empty: none
	root    sigv4.Credential

	mu  sync.Mutex
	run *running // nil: it does not run
}

// Open implements bench.Stage.
func (s *Stage) Open(ctx context.Context, n bench.Needs) (_ *bench.Installation, err error) {
	dir, err := os.MkdirTemp(s.Dir, "crossfade-bench-")
	if err != nil {
		return nil, fmt.Errorf("make the server's directory: %w", err)
	}
	child := &server{stage: s, dir: dir, root: sigv4.Credential{AccessKeyID: "AKIA" + rand.Text()[:16], SecretAccessKey: rand.Text() + rand.Text()}}
	defer func() {
		if err != nil {
			err = errors.Join(err, child.close(ctx))
		}
	}()
	at := &bench.Installation{Region: config.Default().Region, Credential: child.root, HTTP: http.DefaultClient, Process: child, Keep: true, Close: child.close}
	for i := range n.TargetGroups {
		at.TargetGroups = append(at.TargetGroups, fmt.Sprintf("tg-%04d", i))
	}
	if n.Stored > 0 {
		if at.Stored, err = child.fill(ctx, n.Stored); err != nil {
			return nil, err
		}
	}
	for range addressTries {
		if err = child.settle(ctx, at.TargetGroups); err == nil {
			break
		}
		// Somebody else was faster: an address that is free is free for all.
		if !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	at.Endpoint = "http://" + child.listen
	return at, nil
}

// addressTries is how often a server is started on other addresses when those that were free are taken by the time it listens.
const addressTries = 5

// settle finds the addresses of the server, which it keeps over restarts, and starts it there.
func (s *server) settle(ctx context.Context, targetGroups []string) (err error) {
	if s.listen, err = s.stage.free(ctx); err != nil {
		return err
	}
	if s.stage.Profile != "" {
		if s.profile, err = s.stage.free(ctx); err != nil {
			return err
		}
	}
	if err := s.configure(targetGroups); err != nil {
		return err
	}
	// What is said of one start is not to be read as of the next.
	if err := os.Remove(s.log()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("begin the server's log: %w", err)
	}
	return s.Start(ctx)
}

func (s *Stage) free(ctx context.Context) (string, error) {
	if s.find != nil {
		return s.find(ctx)
	}
	return freeAddress(ctx)
}

// freeAddress is one that nothing listens on now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }
func (s *server) file() string { return filepath.Join(s.dir, "crossfade.yaml") }
func (s *server) log() string  { return filepath.Join(s.dir, "server.log") }

// configure writes the server's configuration. JSON is YAML, and has no ambiguous strings.
func (s *server) configure(targetGroups []string) error {
	type object = map[string]any
	balancer := object{}
	if len(targetGroups) > 0 {
		var groups, forward []object
		for _, name := range targetGroups {
			groups = append(groups, object{"name": name, "deregistrationDelay": "1s", "healthCheck": object{"path": "/", "interval": "10s", "timeout": "5s", "healthyThreshold": 1, "unhealthyThreshold": 3}})
		}
		forward = append(forward, object{"targetGroup": targetGroups[0], "weight": 1})
		balancer = object{"listeners": []object{{"name": "web", "address": "127.0.0.1:0", "forward": forward}}, "targetGroups": groups}
	}
	// All callers are one here, who does nothing but call.
	limits := object{"perKey": object{"rate": 0}, "perAddress": object{"rate": 0}}
	var b bytes.Buffer
	for _, part := range []struct {
		key   string
		value any
	}{{"listen", s.listen}, {"data", s.data()}, {"log", object{"level": "warn"}}, {"loadBalancer", balancer}, {"limits", limits}} {
		value, err := json.Marshal(part.value)
		if err != nil {
			return fmt.Errorf("write the server's configuration: %w", err)
		}
		fmt.Fprintf(&b, "%s: %s\n", part.key, value)
	}
	if s.stage.PollHold > 0 {
		fmt.Fprintf(&b, "agents: {pollHold: %s}\n", s.stage.PollHold)
	}
	if s.stage.Store != "" {
		fmt.Fprintf(&b, "store: %q\nrevisions: {directory: %q}\n", s.stage.Store, filepath.Join(s.dir, "bundles"))
	}
	for _, line := range s.stage.Configure {
		fmt.Fprintln(&b, line)
	}
	if err := os.WriteFile(s.file(), b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the server's configuration: %w", err)
	}
	return nil
}

// open opens the store before the server does.
func (s *server) open(ctx context.Context) (store.Store, error) {
	silent := slog.New(slog.DiscardHandler)
	if s.stage.Store != "" {
		return postgres.Open(ctx, s.stage.Store, silent)
	}
	return sqlite.Open(ctx, s.data(), silent)
}

// fill puts deployments into the store before the server has it.
func (s *server) fill(ctx context.Context, n int) (_ *bench.Stored, err error) {
	begun := time.Now()
	kept, err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the store to fill it: %w", err)
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	made, err := seed.Fill(ctx, kept, config.Default().Account, n, begun, func(done int) {
		if done%50_000 == 0 {
			s.stage.Progress("%d of %d deployments stored", done, n)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("fill the store: %w", err)
	}
	return &bench.Stored{Application: made.Application, Groups: made.Groups, Deployments: made.Deployments, Count: n, Took: time.Since(begun)}, nil
}

// running is the process.
type running struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // valid once ended is closed
}

// Start implements bench.Process.
func (s *server) Start(ctx context.Context) error {
	args := append(append([]string{}, s.stage.Arguments...), "--config", s.file(), "--output", "json")
	if s.profile != "" {
		args = append(args, "--profile-listen", s.profile)
	}
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the server's log: %w", err)
	}
	cmd := exec.Command(s.stage.Program, args...) //nolint:gosec,noctx // it is this program; its end is Kill's or close's
	cmd.Dir, cmd.Stderr = s.dir, log
	cmd.Env = append(append([]string{}, s.stage.Environ...), "CROSSFADE_ROOT_ACCESS_KEY_ID="+s.root.AccessKeyID, "CROSSFADE_ROOT_SECRET_ACCESS_KEY="+s.root.SecretAccessKey)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err = errors.Join(err, log.Close()); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	r := &running{cmd: cmd, ended: make(chan struct{})}
	s.mu.Lock()
	s.run = r
	s.mu.Unlock()
	said := make(chan error, 1)
	go func() {
		// It says where it is on one line once it answers, and nothing more.
		_, err := bufio.NewReader(out).ReadBytes('\n')
		said <- err
		_, copyErr := io.Copy(io.Discard, out)
		r.err = errors.Join(copyErr, cmd.Wait())
		close(r.ended)
	}()
	limit := time.NewTimer(max(s.stage.Ready, 2*time.Minute))
	defer limit.Stop()
	select {
	case err = <-said:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-limit.C:
		err = errors.New("it says nothing")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the server does not start: %w; its log ends with: %s", err, s.tail()), s.Kill())
	}
	return nil
}

// tail is the end of the server's log.
func (s *server) tail() string {
	content, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	const enough = 2000
	return strings.TrimSpace(string(content[max(0, len(content)-enough):]))
}

// ID implements bench.Process.
func (s *server) ID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return 0
	}
	return s.run.cmd.Process.Pid
}

// take returns the process, which is the caller's to end; nil when there is none.
func (s *server) take() *running {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.run
	s.run = nil
	return r
}

// Kill implements bench.Process.
func (s *server) Kill() error {
	r := s.take()
	if r == nil {
		return nil
	}
	err := r.cmd.Process.Kill()
	<-r.ended
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the server: %w", err)
	}
	return nil
}

// patience is how long the server may take to end in good order.
const patience = 40 * time.Second

// close ends the server and removes its directory.
func (s *server) close(context.Context) error {
	var err error
	if r := s.take(); r != nil {
		err = r.stop()
	}
	if err != nil {
		err = fmt.Errorf("end the server: %w; its log ends with: %s", err, s.tail())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (r *running) stop() error {
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, r.cmd.Process.Kill())
	}
	select {
	case <-r.ended:
	case <-time.After(patience):
		err := r.cmd.Process.Kill()
		<-r.ended
		return errors.Join(errors.New("it did not end in time and was killed"), err)
	}
	return r.err
}

// Profile implements bench.Process.
func (s *server) Profile(ctx context.Context) (end func() error, err error) {
	if s.profile == "" {
		return func() error { return nil }, nil
	}
	if err := s.fetch(ctx, "/start", ""); err != nil {
		return nil, err
	}
	return func() error {
		ctx := context.WithoutCancel(ctx)
		return errors.Join(s.fetch(ctx, "/stop", s.stage.Profile), s.fetch(ctx, "/heap", s.stage.Profile+".heap"))
	}, nil
}

// fetch asks the server's profiler, and writes what it answers to a file, if one is given.
func (s *server) fetch(ctx context.Context, path, to string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.profile+path, nil)
	if err != nil {
		return fmt.Errorf("profile the server: %w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("profile the server: %w", err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return fmt.Errorf("read the server's profile: %w", err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("profile the server: it answers %s: %s", answer.Status, content)
	case to == "":
		return nil
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		return fmt.Errorf("write the server's profile: %w", err)
	}
	return nil
}
