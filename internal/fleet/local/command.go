package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// command is a program to run.
type command struct {
	argv    []string
	environ []string
	dir     string
	keep    string // the file for its output; empty: one that goes with the command
}

const (
	// outputMost bounds what is read of a command's output, in bytes; messageMost what an error says of it.
	outputMost  = 4096
	messageMost = 400
	// endGrace is how long a command that has to end may take before it is killed.
	endGrace = 2 * time.Second
)

// run runs a command to its end and returns its standard output, or an error with the end of all that it printed.
//
// Output goes to files and never through pipes: a start command leaves programs running, which would keep a pipe open, or die of a closed one.
func run(ctx context.Context, c command) (out string, err error) {
	name := strings.Join(c.argv, " ")
	stdout, err := openOutput(c)
	if err != nil {
		return "", fmt.Errorf("keep the output of %s: %w", name, err)
	}
	defer stdout.Close()
	if c.keep == "" {
		defer func() { err = errors.Join(err, os.Remove(stdout.Name())) }()
	}
	stderr := stdout
	if c.keep == "" { // what is printed is an answer, and warnings are no part of it
		if stderr, err = os.CreateTemp(c.dir, ".errors-*"); err != nil {
			return "", fmt.Errorf("keep the output of %s: %w", name, err)
		}
		defer stderr.Close()
		defer func() { err = errors.Join(err, os.Remove(stderr.Name())) }()
	}
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c.environ, c.dir, stdout, stderr, endGrace
	tie(cmd)
	// On Linux a command is tied to the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = errors.New("it took too long and was ended")
		}
		said, readErr := tail(stderr, messageMost)
		if readErr != nil || said == "" {
			return "", errors.Join(fmt.Errorf("%s: %w", name, err), readErr)
		}
		return "", fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return tail(stdout, outputMost)
}

func openOutput(c command) (*os.File, error) {
	if c.keep == "" {
		return os.CreateTemp(c.dir, ".output-*")
	}
	// Appending, so that what an earlier run left behind and still prints does not write over it.
	return os.OpenFile(c.keep, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
}

// tail reads the end of a file.
func tail(f *os.File, most int64) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
	return strings.TrimSpace(strings.ToValidUTF8(string(content), "?")), err
}

func cut(s string, most int) string { return s[:min(len(s), most)] }
