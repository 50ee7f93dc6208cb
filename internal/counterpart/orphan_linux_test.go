package counterpart

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestAProgramOutlivesTheThreadThatAskedForIt holds that a program ends with the process and not with a thread of it.
func TestAProgramOutlivesTheThreadThatAskedForIt(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	dieWithParent(cmd)
	ended := make(chan error, 1)
	thread := make(chan int)
	failed := make(chan error, 1)
	var ask func()
	ask = func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if syscall.Gettid() == os.Getpid() {
			go ask() // the first thread never ends
			select {}
		}
		failed <- launch(cmd, func(err error) { ended <- err })
		thread <- syscall.Gettid()
	}
	go ask()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	task := fmt.Sprintf("/proc/self/task/%d", <-thread)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(task); os.IsNotExist(err) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the thread does not end")
		}
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the program ended before it was told to: %v", err)
	}
}
