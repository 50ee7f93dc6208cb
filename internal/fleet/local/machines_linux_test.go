package local_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// pid is the process of a machine.
func (w *world) pid(t *testing.T, name string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(w.machines, name, "pid"))
	must(t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(content)))
	must(t, err)
	return n
}

// kill ends the process of a machine from outside.
func (w *world) kill(t *testing.T, name string) {
	t.Helper()
	must(t, syscall.Kill(w.pid(t, name), syscall.SIGKILL))
}

// killMachines ends what a test left running.
func (w *world) killMachines() {
	for _, name := range w.running() {
		if pid := w.pid(w.t, name); syscall.Kill(pid, 0) == nil {
			w.kill(w.t, name)
		}
	}
}
