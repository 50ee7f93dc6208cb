package script

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"crossfade/internal/agent/cgroup"
)

// Run runs the script to its end. It returns nil on success, a *[Failure], or the context's error: ending the context kills the script.
func Run(ctx context.Context, s Script, out Output) error {
	if err := prepare(s); err != nil {
		return err
	}
	p, err := start(s, out)
	if err != nil {
		return err
	}
	defer p.group.Close()
	defer p.closeOutputs()

	timeout := time.NewTimer(s.Timeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
		return p.ended(ctx, s, timeout.C)
	case <-timeout.C:
		notes := ""
		if err := p.stop(); err != nil {
			notes = fmt.Sprintf(", and it could not be stopped: %v", err)
		}
		return fail(s, CodeTimedOut, "Script at specified location: %s failed to complete in %d seconds%s", s.Location, int(s.Timeout.Seconds()), notes)
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("run script %s: %w", s.Location, context.Cause(ctx)), p.stop())
	}
}

// prepare makes sure that the script is there and executable.
func prepare(s Script) error {
	info, err := os.Stat(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(s, CodeMissing, "Script does not exist at specified location: %s", s.Location)
	case err != nil:
		return fail(s, CodeMissing, "Script at specified location: %s can't be read: %v", s.Location, err)
	case info.IsDir():
		return fail(s, CodeMissing, "Script at specified location: %s is a directory", s.Location)
	}
	if isExecutable(info) {
		return nil
	}
	if err := os.Chmod(s.Path, info.Mode().Perm()|0o111); err != nil {
		return fail(s, CodeNotExecutable, "Unable to set script at specified location: %s as executable: %v", s.Location, err)
	}
	return nil
}

// process is a started script.
type process struct {
	cmd     *exec.Cmd
	group   *cgroup.Group // may be nil
	exited  chan struct{} // closed when the script itself has ended, which sets the next two
	result  error         // of waiting for it
	members bool          // its process group was not empty then: the group's number is not another's yet
	readers sync.WaitGroup
	quiet   chan struct{} // closed when both outputs have ended
	outputs []*os.File
	mu      sync.Mutex // holds the lines of the two outputs apart
	open    map[Stream]bool
}

func start(s Script, out Output) (*process, error) {
	argv, identity, err := command(s)
	if err != nil {
		return nil, err
	}
	p := &process{exited: make(chan struct{}), quiet: make(chan struct{}), open: map[Stream]bool{Stdout: true, Stderr: true}}
	var ends []*os.File
	defer func() {
		for _, e := range ends {
			e.Close() //nolint:errcheck // the script has its own copy
		}
	}()
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			p.closeOutputs()
			return nil, fmt.Errorf("make pipe for script output: %w", err)
		}
		p.outputs, ends = append(p.outputs, r), append(ends, w)
	}
	p.group = s.Cgroups.New()
	if err := p.launch(s, argv, identity, ends); err != nil {
		p.closeOutputs()
		p.group.Close()
		return nil, err
	}
	for i, stream := range []Stream{Stdout, Stderr} {
		p.readers.Go(func() { p.read(stream, p.outputs[i], out) })
	}
	go func() {
		p.readers.Wait()
		close(p.quiet)
	}()
	go func() {
		defer close(p.exited)
		p.result = p.cmd.Wait()
		p.members = groupLives(p.cmd)
	}()
	return p, nil
}

// launch starts the process. Two refusals of the kernel are not final: the file may still be open for writing in a process that another
// goroutine is just forking, and a script without a "#!" line is the shell's.
func (p *process) launch(s Script, argv []string, identity *credential, ends []*os.File) error {
	const tries = 50
	for try := 1; ; try++ {
		p.cmd = exec.Command(argv[0], argv[1:]...)
		p.cmd.Env = append(append([]string(nil), s.Env...), identity.environment()...)
		p.cmd.Dir = workingDirectory
		p.cmd.Stdout, p.cmd.Stderr = ends[0], ends[1]
		setGroup(p.cmd, identity)
		p.group.Attach(p.cmd.SysProcAttr)
		err := p.cmd.Start()
		if err != nil && p.group != nil && !isBusy(err) && !isNoProgram(err) {
			// The group may be to blame: without one it may do, or fails in the same way.
			refused := p.group
			p.group = nil
			defer func() {
				if p.cmd.Process != nil {
					refused.Refused(err)
				}
				refused.Close()
			}()
			continue
		}
		switch {
		case err == nil:
			return nil
		case isBusy(err) && try < tries:
			time.Sleep(time.Duration(try) * time.Millisecond)
		case isNoProgram(err) && argv[0] == s.Path:
			argv = []string{"/bin/sh", s.Path}
		default:
			return fail(s, CodeFailed, "Script at specified location: %s can't be started%s: %v", s.Location, startHint(s.Path, err), err)
		}
	}
}

// startHint explains the commonest reason for a script that is there and yet "not found".
func startHint(path string, err error) string {
	if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	f, openErr := os.Open(path)
	if openErr != nil {
		return ""
	}
	defer f.Close()
	line, readErr := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	switch {
	case readErr == nil && strings.HasPrefix(line, "#!") && strings.HasSuffix(line, "\r\n"):
		return ", because its lines end as on Windows: save it with Unix line ends"
	case strings.HasPrefix(line, "#!"):
		return fmt.Sprintf(", because the interpreter of its first line %.80q is not on this host", strings.TrimSpace(line))
	default:
		return ""
	}
}

func (p *process) read(stream Stream, r *os.File, out Output) {
	buffered := bufio.NewReaderSize(r, longestLine)
	for {
		line, err := buffered.ReadSlice('\n')
		if len(line) > 0 {
			p.mu.Lock()
			out(stream, string(bytes.TrimRight(line, "\r\n")))
			p.mu.Unlock()
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	p.mu.Lock()
	delete(p.open, stream)
	p.mu.Unlock()
}

// ended judges a script that has exited. Its outputs may still be held open by what it started.
func (p *process) ended(ctx context.Context, s Script, timeout <-chan time.Time) error {
	if p.result != nil {
		p.waitQuiet(lastWords)
		return fail(s, CodeFailed, "Script at specified location: %s%s failed with %s", s.Location, asUser(s), exitText(p.result))
	}
	select {
	case <-p.quiet:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("wait for the output of script %s: %w", s.Location, context.Cause(ctx)), p.stop())
	case <-timeout:
	}
	p.mu.Lock()
	stream := Stdout
	if !p.open[Stdout] {
		stream = Stderr
	}
	p.mu.Unlock()
	notes := ""
	if err := p.stop(); err != nil {
		notes = fmt.Sprintf(", and what it left could not be stopped: %v", err)
	}
	return fail(s, CodeOutputsOpen, "Script at specified location: %s failed to close %s%s", s.Location, strings.ToUpper(string(stream)), notes)
}

func asUser(s Script) string {
	if s.RunAs == "" {
		return ""
	}
	return " run as user " + s.RunAs
}

func exitText(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err.Error()
	}
	if code := exit.ExitCode(); code >= 0 {
		return fmt.Sprintf("exit code %d", code)
	}
	return exit.String() // "signal: killed"
}

// stop ends the script, or what it left when it has exited already, politely at first.
func (p *process) stop() error {
	until := time.Now().Add(stopGrace)
	err := errors.Join(p.signal(terminate), p.group.Terminate())
	p.waitGone(until)
	// Even when the script itself is gone, what it started may not be.
	err = errors.Join(err, p.signal(kill), p.group.Kill())
	p.group.Wait(lastWords)
	p.waitQuiet(lastWords)
	return err
}

// signal reaches the script's process group unless that is known to be gone: another may have its number by then.
func (p *process) signal(send func(*exec.Cmd) error) error {
	select {
	case <-p.exited:
		if !p.members {
			return nil
		}
	default:
	}
	return send(p.cmd)
}

// waitGone waits until there is no sign of the script nor of what it started, or until the time given.
func (p *process) waitGone(until time.Time) {
	select {
	case <-p.exited:
		p.waitQuiet(time.Until(until))
		p.group.Wait(time.Until(until))
	case <-time.After(time.Until(until)):
	}
}

func (p *process) waitQuiet(most time.Duration) {
	select {
	case <-p.quiet:
	case <-time.After(most):
	}
}

// closeOutputs ends the readers and waits for them.
func (p *process) closeOutputs() {
	for _, r := range p.outputs {
		if p.cmd == nil || p.cmd.Process == nil || p.isQuiet() {
			break
		}
		if err := giveUpReading(p.cmd, r); err != nil {
			r.Close() //nolint:errcheck // the last way to end its reader
		}
	}
	p.readers.Wait()
	for _, r := range p.outputs {
		r.Close() //nolint:errcheck // only read from
	}
}

func (p *process) isQuiet() bool {
	select {
	case <-p.quiet:
		return true
	default:
		return false
	}
}
