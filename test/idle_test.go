package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// idleKiB is what an idle agent may have resident, in KiB.
const idleKiB = 20 << 10

// TestAnIdleAgentIsSmall holds how much of the machine an agent keeps that has nothing to do, before it ever had anything and after a deployment.
func TestAnIdleAgentIsSmall(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("what a process has resident is read from /proc, which this system lacks")
	}
	s := newStand(t)
	s.configured("agents: {pollHold: 1s}\n")
	agent := s.addHost("blue-1", "blue")
	small := func(when string) {
		t.Helper()
		var got int
		s.until("the agent is small "+when, func() (err error) {
			if got, err = residentKiB(agent.cmd.Process.Pid); err == nil && got >= idleKiB {
				err = fmt.Errorf("%d KiB are resident", got)
			}
			if err == nil && !strings.Contains(s.read("agent-blue-1.log"), "agent started") {
				err = errors.New("it has not started yet")
			}
			return err
		})
		t.Logf("%s: %d KiB resident", when, got)
	}
	small("at first")
	s.createApplication("shop")
	group := groupOf("plain", types.DeploymentTypeInPlace)
	group.DeploymentStyle.DeploymentOption, group.LoadBalancerInfo = types.DeploymentOptionWithoutTrafficControl, nil
	if _, err := s.deploy.CreateDeploymentGroup(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	s.upload("v1.zip", bundle(t, "v1", nil))
	s.awaitStatus(s.begin("shop", "plain", "v1.zip"), types.DeploymentStatusSucceeded)
	small("after a deployment")
}

var resident = regexp.MustCompile(`(?m)^VmRSS:\s+([0-9]+) kB$`)

func residentKiB(pid int) (int, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	m := resident.FindSubmatch(status)
	if m == nil {
		return 0, errors.New("its memory is not told")
	}
	return strconv.Atoi(string(m[1]))
}
