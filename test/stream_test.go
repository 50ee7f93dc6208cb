package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// talking is a revision whose script writes numbered lines, each group of them when the test lets it: a file named after the group in the host's directory.
func talking(t *testing.T, groups, lines int) []byte {
	t.Helper()
	return bundle(t, "talking", map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: scripts/talk.sh\n",
		"scripts/talk.sh": fmt.Sprintf(`#!/bin/sh
trap '' PIPE
for group in $(seq %d); do
	until [ -e "$APP_HOME/$DEPLOYMENT_ID.$group" ]; do
		[ -e "/proc/$APP_PARENT_PID" ] || exit 1
		sleep 0.02
	done
	for line in $(seq %d); do echo "group $group line $line"; done
done
`, groups, lines),
	})
}

// said is what crossfade logs prints of so many groups.
func said(host string, groups, lines int) []string {
	all := []string{host + " AfterInstall agent| Script - scripts/talk.sh"}
	for g := range groups {
		for l := range lines {
			all = append(all, fmt.Sprintf("%s AfterInstall stdout| group %d line %d", host, g+1, l+1))
		}
	}
	return all
}

// untilLogged waits until what the server has of a deployment's log is as wished.
func (s *stand) untilLogged(id string, want []string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d lines are logged", len(want)), func() error {
		if got := strings.Split(strings.TrimSpace(s.run("logs", id)), "\n"); !slices.Equal(got, want) {
			return fmt.Errorf("there are %d: %.2000q", len(got), got)
		}
		return nil
	})
}

// TestOutputOfARealAgent holds that the server has what a script writes while it still runs, and all of it once, in order, after the server was killed
// in the midst of it, and after the agent was.
func TestOutputOfARealAgent(t *testing.T) {
	t.Parallel()
	const lines = 300
	s := newStand(t)
	agent := s.addHost("web-1", "stream")
	s.logGroup("stream")
	s.upload("talking.zip", talking(t, 3, lines))
	let := func(id string, group int) { s.write(fmt.Sprintf("web-1/%s.%d", id, group), "") }

	id := s.begin("shop", "prod", "talking.zip")
	let(id, 1)
	s.untilLogged(id, said("web-1", 1, lines))
	if i, err := s.info(id); err != nil || i.Status != types.DeploymentStatusInProgress {
		t.Fatalf("its first lines were logged when it was %v, %v", i, err)
	}
	s.server.kill()
	let(id, 2)
	s.until("the script has written its second lines", func() error {
		if log := s.scriptsLog("web-1", id); !strings.HasSuffix(log, fmt.Sprintf("group 2 line %d\n", lines)) {
			return fmt.Errorf("it wrote %s", tail(log, 100))
		}
		return nil
	})
	s.startServer()
	s.untilLogged(id, said("web-1", 2, lines))
	let(id, 3)
	s.awaitStatus(id, types.DeploymentStatusSucceeded)
	s.untilLogged(id, said("web-1", 3, lines))

	// The agent is killed as soon as it has read lines, which it hardly had time to send.
	id = s.begin("shop", "prod", "talking.zip")
	let(id, 1)
	s.untilLogged(id, said("web-1", 1, lines))
	let(id, 2)
	s.until("the agent has read the script's second lines", func() error {
		if log := s.scriptsLog("web-1", id); !strings.HasSuffix(log, fmt.Sprintf("group 2 line %d\n", lines)) {
			return fmt.Errorf("it has %s", tail(log, 100))
		}
		return nil
	})
	agent.kill()
	let(id, 3) // nobody reads these any more
	s.startAgent("web-1", "127.0.0.1:1")
	s.fails(id)
	const why = "Failing in-progress lifecycle event after an agent restart."
	s.untilLogged(id, append(said("web-1", 2, lines), "web-1 AfterInstall agent| "+why))
	says(t, s.exits(0, "explain", id), why, fmt.Sprintf("| [stdout]group 2 line %d", lines))
}

// scriptsLog is what the agent of a host has of the output of a deployment's scripts.
func (s *stand) scriptsLog(host, id string) string {
	s.t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.dir, host, "root", "*", id, "logs", "scripts.log"))
	if err != nil || len(logs) != 1 {
		return ""
	}
	content, err := os.ReadFile(logs[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return string(content)
}
