package counterpart

import (
	"bytes"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"testing"
	"time"
)

const (
	// startTime is how long a program may take until it answers; far more than it needs, as test machines are busy.
	startTime = time.Minute
	// shownBytes is how much of what a program said is logged when a test fails.
	shownBytes = 8 << 10
)

// program is what to start.
type program struct {
	names []string // under which it may be installed, the likeliest first
	have  string   // what to install, for the message of a skipped test
	args  []string
	// listens finds the address in what the program prints, as its first group: the program picks the port, so that no two get the same.
	listens *regexp.Regexp
	// ready is printed, not before the address, when the program answers.
	ready *regexp.Regexp
}

// start runs the program until the test ends, and returns its host:port once it answers.
func (p program) start(t testing.TB) string {
	t.Helper()
	path := p.find()
	if path == "" {
		t.Skipf("%s is not installed, so nothing is tried against it; install %s", p.names[0], p.have)
	}
	said := &output{ready: p.ready, answers: make(chan struct{})}
	cmd := exec.Command(path, p.args...)
	cmd.Stdout, cmd.Stderr = said, said
	// What a program leaves behind may hold its output open for ever.
	cmd.WaitDelay = 5 * time.Second
	dieWithParent(cmd)
	var end error // written before ended is closed
	ended := make(chan struct{})
	if err := launch(cmd, func(err error) {
		end = err
		close(ended)
	}); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Logf("%s ended before the test did: %v", p.names[0], err)
		}
		<-ended
		if t.Failed() {
			t.Logf("%s (%v) said:\n%s", p.names[0], end, said.tail())
		}
	})
	select {
	case <-said.answers:
	case <-ended:
		t.Fatalf("%s ended at once: %v", p.names[0], end)
	case <-time.After(startTime):
		t.Fatalf("%s does not answer after %s", p.names[0], startTime)
	}
	address := p.listens.FindStringSubmatch(said.text())
	if address == nil {
		t.Fatalf("%s does not say where it listens", p.names[0])
	}
	return address[1]
}

// launch starts a program and calls ended with how it ended. A program that dies with its parent is killed when the thread ends that started it, and
// a test may end threads; so its thread is its own for as long as it runs.
func launch(cmd *exec.Cmd, ended func(error)) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	return <-started
}

func (p program) find() string {
	for _, name := range p.names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// output keeps what a program prints and watches for the words that say that it answers.
type output struct {
	ready   *regexp.Regexp
	answers chan struct{} // closed when ready was printed

	mu   sync.Mutex
	all  bytes.Buffer
	seen bool
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all.Write(b)
	if !o.seen && o.ready.Match(o.all.Bytes()) {
		o.seen = true
		close(o.answers)
	}
	return len(b), nil
}

// add says something of the program itself.
func (o *output) add(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all.WriteString(text + "\n")
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

func (o *output) tail() string {
	text := o.text()
	return text[max(0, len(text)-shownBytes):]
}
