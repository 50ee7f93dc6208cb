package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"crossfade/internal/awsjson/client"
	"crossfade/internal/sigv4"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"crossfade": main})
}

// TestScripts runs the command line as a user does; each file of testdata/script is a session.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Deadline: time.Now().Add(8 * time.Minute), // a command that should have ended costs no more than that
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION", "CROSSFADE_CONFIG"} {
				e.Setenv(name, "")
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "serve": serve, "stop": stop, "get": get, "await": await, "mode": mode, "call": call,
		},
	})
}

// served is the server of a script.
type served struct {
	cmd    *exec.Cmd
	stderr *os.File
}

// servers finds the server of a script that runs.
var servers sync.Map

// serve starts a server with the arguments and waits until it says where it is: ENDPOINT, and the key if it shows one, become variables.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: serve [argument...]")
	}
	stderr, err := os.Create(ts.MkAbs("server.log"))
	ts.Check(err)
	cmd := exec.Command("crossfade", append([]string{"server", "--output", "json"}, args...)...)
	for _, path := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if _, err := os.Stat(path + "/crossfade"); err == nil {
			cmd.Path, cmd.Err = path+"/crossfade", nil
			break
		}
	}
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), stderr
	for _, name := range []string{"HOME", "PATH", "TMPDIR", "WORK", rootKeyVariable, rootSecretVariable, "GOCOVERDIR"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	c := &served{cmd: cmd, stderr: stderr}
	ts.Defer(func() {
		if c.cmd.ProcessState == nil {
			c.end(ts)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		log, readErr := os.ReadFile(stderr.Name())
		ts.Check(readErr)
		ts.Fatalf("the server says nothing: %v\n%s", err, log)
	}
	var about struct{ Endpoint, Listen, AccessKeyID, SecretAccessKey string }
	ts.Check(json.Unmarshal(line, &about))
	ts.Setenv("ENDPOINT", about.Endpoint)
	ts.Setenv("LISTEN", about.Listen)
	ts.Setenv("SHOWN_KEY", about.AccessKeyID)
	ts.Setenv("SHOWN_SECRET", about.SecretAccessKey)
	servers.Store(ts, c)
}

func (c *served) end(ts *testscript.TestScript) {
	ts.Check(c.cmd.Process.Signal(syscall.SIGTERM))
	if err := c.cmd.Wait(); err != nil {
		ts.Fatalf("the server ends with %v", err)
	}
	ts.Check(c.stderr.Close())
}

// stop sends the server SIGTERM; it must end with exit code 0.
func stop(ts *testscript.TestScript, neg bool, args []string) {
	c, ok := servers.LoadAndDelete(ts)
	if neg || len(args) > 0 || !ok {
		ts.Fatalf("usage: stop, after serve")
	}
	c.(*served).end(ts)
}

// call calls an operation of the control API with the input as JSON; it must be answered with success.
func call(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: call operation input")
	}
	c := client.Client{
		Endpoint: ts.Getenv("ENDPOINT"), Region: "us-east-1", Service: "codedeploy", Target: "CodeDeploy_20141006", HTTP: http.DefaultClient, Now: time.Now, MaxAnswer: 1 << 20,
		Credential: sigv4.Credential{AccessKeyID: ts.Getenv(rootKeyVariable), SecretAccessKey: ts.Getenv(rootSecretVariable)},
	}
	ts.Check(c.Call(context.Background(), args[0], json.RawMessage(args[1]), nil))
}

// get asks for a URL; the status must be the first argument, and what comes must match the third.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: get status url regexp")
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[1], nil)
	ts.Check(err)
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	if !strings.HasPrefix(answer.Status, args[0]) || !regexp.MustCompile(args[2]).Match(body) {
		ts.Fatalf("%s answers %s: %s", args[1], answer.Status, body)
	}
}

// await waits until a file matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await file regexp")
	}
	want := regexp.MustCompile(args[1])
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(content) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not come to match %s: %v\n%s", args[0], args[1], err, content)
		}
	}
}

// exits runs a program that must end with the exit code. What it writes is for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [argument...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%s: %v", args[1], err)
		}
		code = ended.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s ends with exit code %d, want %s", args[1], code, args[0])
	}
}

// mode checks the permissions of a file.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode permissions file")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}
