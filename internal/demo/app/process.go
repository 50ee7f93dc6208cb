package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Process is an application in the background.
type Process struct {
	Program string   // what to run
	Args    []string // so that it serves
	PIDFile string
	Log     string // file that its output is appended to
}

const (
	startTimeout = 10 * time.Second
	lookInterval = 20 * time.Millisecond
)

// Start starts the process in a session of its own, so that it outlives the script that starts it, and returns when url answers. When it
// doesn't, the process is stopped and the end of its log is in the error.
func (p Process) Start(ctx context.Context, url string) error {
	if Check(ctx, url, "") == nil {
		return fmt.Errorf("something answers at %s already, so the application can't listen there: stop it", url)
	}
	log, err := os.OpenFile(p.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the application's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(p.Program, p.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the application: %w", err)
	}
	if err := writePID(p.PIDFile, cmd.Process.Pid); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if err := Check(ctx, url, ""); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the application ended at once: %w; its log ends with: %s", err, lastLine(p.Log))
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the application did not answer at %s within %s; its log ends with: %s", url, startTimeout, lastLine(p.Log)),
				cmd.Process.Kill(), os.Remove(p.PIDFile))
		case <-time.After(lookInterval):
		}
	}
}

// writePID writes the pid so that a reader sees all of it or nothing.
func writePID(path string, pid int) error {
	part := path + ".new"
	if err := os.WriteFile(part, []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the application's pid: %w", err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("write the application's pid: %w", err)
	}
	return nil
}

// Stop ends the process of a pid file and waits until it is gone. No file and no process are no error.
func Stop(ctx context.Context, pidFile string) error {
	content, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the application's pid: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("%s holds no pid: remove it", filepath.Base(pidFile))
	}
	if alive(pid) {
		if err := terminate(pid); err != nil {
			return fmt.Errorf("stop the application, process %d: %w", pid, err)
		}
	}
	give := time.NewTimer(2 * stopTimeout)
	defer give.Stop()
	for alive(pid) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of process %d: %w", pid, ctx.Err())
		case <-give.C:
			if err := kill(pid); err != nil {
				return fmt.Errorf("kill the application, process %d: %w", pid, err)
			}
		case <-time.After(lookInterval):
		}
	}
	if err := os.Remove(pidFile); err != nil {
		return fmt.Errorf("remove the application's pid: %w", err)
	}
	return nil
}

// Check asks url once; the answer must be 200, and say what is expected unless that is empty.
func Check(ctx context.Context, url, expect string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("check the application: %w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("check the application: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return fmt.Errorf("check the application: %w", err)
	}
	said := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, answer.Status, said)
	}
	if expect != "" && said != expect {
		return fmt.Errorf("%s says %q where %q is expected", url, said, expect)
	}
	return nil
}

func lastLine(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return lines[len(lines)-1]
}
