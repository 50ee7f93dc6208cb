//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"crossfade/internal/config"
	"crossfade/internal/server"
	"crossfade/internal/sigv4"
)

const (
	// replicaVariable makes this program a server with the configuration file that it names.
	replicaVariable = "CROSSFADE_FAULTS_REPLICA"
	// skewVariable is how wrong its clock is.
	skewVariable = "CROSSFADE_FAULTS_SKEW"

	region  = "us-east-1"
	account = "000000000000"
)

var root = sigv4.Credential{AccessKeyID: "AKIDFAULTS", SecretAccessKey: "faults-secret-faults-secret"}

// runReplica is a server until it is told to stop.
func runReplica() int {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if err := replicaMain(log); err != nil {
		log.Error("the replica ended", "error", err)
		return 1
	}
	return 0
}

func replicaMain(log *slog.Logger) error {
	skew, err := time.ParseDuration(os.Getenv(skewVariable))
	if err != nil {
		return fmt.Errorf("read %s: %w", skewVariable, err)
	}
	c, err := config.Load(config.Sources{File: os.Getenv(replicaVariable)})
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	s, err := server.Start(ctx, server.Options{
		Config: c, Log: log, Version: "faults", Root: root, Now: func() time.Time { return time.Now().Add(skew) },
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	stop, cancelStop := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancelStop()
	return s.Stop(stop)
}

// replica is one of the servers. What happens to it happens in one goroutine, chaos.
type replica struct {
	t       *testing.T
	name    string
	file    string // its configuration
	address string
	wire    *wire // between it and the database
	log     *os.File

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{}
}

// newReplica makes the configuration and starts nothing yet.
func newReplica(t *testing.T, dir, name, settings string) *replica {
	t.Helper()
	r := &replica{t: t, name: name, file: filepath.Join(dir, name+".yaml"), address: freeAddress(t)}
	text := fmt.Sprintf("listen: %s\ndata: %s\nshutdownTimeout: 10s\n%s", r.address, filepath.Join(dir, name), settings)
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	r.log = log
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			t.Logf("the log of %s ends with\n%s", name, tail(log.Name(), 5000))
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// start starts it with a clock that is wrong by so much.
func (r *replica) start(skew time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), replicaVariable+"="+r.file, skewVariable+"="+skew.String())
	cmd.Stdout, cmd.Stderr = r.log, r.log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := cmd.Wait(); err != nil {
			fmt.Fprintf(r.log, "ended: %v\n", err)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cmd, r.ended = cmd, ended
	return nil
}

// signal sends one; a process that is gone takes none.
func (r *replica) signal(s syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return
	}
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Errorf("signal %s: %v", r.name, err)
	}
}

// kill is kill -9, also of one that is stopped.
func (r *replica) kill() {
	r.signal(syscall.SIGKILL)
	r.gone(time.Minute)
}

// gone waits until the process has ended.
func (r *replica) gone(limit time.Duration) bool {
	r.mu.Lock()
	ended := r.ended
	r.mu.Unlock()
	if ended == nil {
		return true
	}
	select {
	case <-ended:
		return true
	case <-time.After(limit):
		return false
	}
}
