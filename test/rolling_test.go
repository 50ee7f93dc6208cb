package test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/counterpart"
)

// held is a revision whose BeforeAllowTraffic takes as long as there is a file "hold" in the host's directory. The events around the traffic write down
// when they begin and end, so that a second run would show.
func held(t *testing.T, version string) []byte {
	t.Helper()
	const line = "#!/bin/sh\nset -eu\ncd \"$APP_HOME\"\necho \"$DEPLOYMENT_ID $LIFECYCLE_EVENT begins\" >> events\n"
	const end = "echo \"$DEPLOYMENT_ID $LIFECYCLE_EVENT ends\" >> events\n"
	spec := "version: 0.0\nos: linux\nhooks:\n"
	for _, hook := range [][2]string{
		{"ApplicationStop", "scripts/stop.sh"}, {"AfterInstall", "scripts/install.sh"}, {"ApplicationStart", "scripts/start.sh"},
		{"ValidateService", "scripts/note.sh"}, {"BeforeAllowTraffic", "scripts/hold.sh"}, {"AfterAllowTraffic", "scripts/note.sh"},
	} {
		spec += fmt.Sprintf("  %s:\n    - location: %s\n", hook[0], hook[1])
	}
	return bundle(t, version, map[string]string{
		"appspec.yml": spec, "scripts/note.sh": line + end, "scripts/hold.sh": line + "while test -e hold; do sleep 0.05; done\n" + end,
	})
}

// TestRollingUpgrade replaces both servers, one after the other, by a newer program, with which the schema grows while the older one still runs. It holds
// that nobody loses a request through the load balancer or a call: through what stands before the servers, and directly at the one that is not replaced
// just now.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	database := counterpart.Postgres(t)
	s := newReplicaStand(t, database, 2, "")
	s.shop(nil)
	visitors, calls := s.visit(), s.call(s.calls(s.endpoint, 1))
	var grows sync.Once
	version := s.goesOn(visitors, func(when string) {
		begun := time.Now()
		s.replace(s.replicas[0])
		grows.Do(func() { grow(t, database) })
		s.replace(s.replicas[1])
		t.Logf("replaced both servers %s in %s", when, time.Since(begun).Round(10*time.Millisecond))
	})
	s.lost("through upgrades of the servers", visitors)
	calls.end(t, "through the front")
	for _, r := range s.replicas {
		s.serves(r.name, "http://"+r.address, version)
	}
}

// TestUpgradeInFlight stops the only server and starts a newer program in its place. Meanwhile the load balancer's processes go on.
func TestUpgradeInFlight(t *testing.T) {
	t.Parallel()
	s, edges := newProxyStand(t)
	s.shop(nil)
	one, two := s.visit(), s.visitAt(edges[1])
	version := s.goesOn(one, func(string) {
		s.server.stop()
		if state := s.server.cmd.ProcessState; !state.Success() {
			t.Errorf("the server ended with %s", state)
		}
		s.startServer()
	})
	s.lost("through upgrades of the server", one, two)
	s.serves("the server", s.endpoint, version)
}

// goesOn upgrades what serves in the Ready wait, in the middle of rerouting, when one instance of the replacement environment has its traffic and the hook
// of the other runs, and in the termination wait, and holds that the deployment goes on at the same step and runs nothing twice. It returns the version
// of the newer program, which is the stand's from the first upgrade on.
func (s *stand) goesOn(visitors *visitor, upgrade func(when string)) (version string) {
	s.t.Helper()
	program, version := s.newer()
	green := []string{"green-1", "green-2"}
	s.touch("hold", green...)
	id := s.blueGreen(s.upload("v2.zip", held(s.t, "v2")), func(in *codedeploy.CreateDeploymentInput) {
		in.DeploymentConfigName = aws.String("CodeDeployDefault.OneAtATime")
	})
	before := s.awaitStatus(id, types.DeploymentStatusReady)
	s.program = program
	upgrade("in the Ready wait")
	after, err := s.info(id)
	if err != nil {
		s.t.Fatal(err)
	}
	if after.Status != types.DeploymentStatusReady || !after.CreateTime.Equal(*before.CreateTime) || !after.StartTime.Equal(*before.StartTime) {
		s.t.Fatalf("after the upgrade the deployment is %s", after.Status)
	}
	if versions, _ := visitors.answers(); versions["v2"] != 0 {
		s.t.Errorf("v2 answered before ContinueDeployment: %v", versions)
	}

	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	first := s.reroutes(id, green)
	s.remove("hold", first)
	second := green[0]
	if second == first {
		second = green[1]
	}
	s.reroutes(id, []string{second})
	upgrade("in the middle of rerouting")
	if i, err := s.info(id); err != nil || i.DeploymentOverview.InProgress == 0 || i.Status != types.DeploymentStatusInProgress {
		s.t.Fatalf("after the upgrade: %+v %v", i, err)
	}
	if versions, _ := visitors.answers(); versions["v1"] == 0 || versions["v2"] == 0 {
		s.t.Errorf("in the middle of rerouting answer %v", versions)
	}
	s.remove("hold", second)

	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	upgrade("in the termination wait")
	if i, err := s.info(id); err != nil || !i.InstanceTerminationWaitTimeStarted || i.Status != types.DeploymentStatusInProgress {
		s.t.Fatalf("after the upgrade: %+v %v", i, err)
	}
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	i := s.awaitStatus(id, types.DeploymentStatusSucceeded)
	if i.DeploymentOverview.Succeeded != 4 {
		s.t.Errorf("the overview says %+v\n%s", i.DeploymentOverview, s.targets(id))
	}
	s.until("v2 answers", func() error {
		if _, last := visitors.answers(); last != "v2" {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
	s.ranOnce(id, green)
	if said := s.run("version"); !strings.Contains(said, version) {
		s.t.Errorf("%s is %s", program, said)
	}
	return version
}

// reroutes returns the first of the hosts whose BeforeAllowTraffic runs.
func (s *stand) reroutes(id string, hosts []string) (host string) {
	s.t.Helper()
	s.until("a host reroutes", func() error {
		for _, host = range hosts {
			if strings.Contains(s.read(filepath.Join(host, "events")), id+" BeforeAllowTraffic begins\n") {
				return nil
			}
		}
		return errors.New("none does yet")
	})
	return host
}

// ranOnce holds that the hooks that a held revision writes down ran on each host, and none of them twice.
func (s *stand) ranOnce(id string, hosts []string) {
	s.t.Helper()
	var want strings.Builder
	for _, event := range []string{"ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic"} {
		fmt.Fprintf(&want, "%s %s begins\n%[1]s %[2]s ends\n", id, event)
	}
	for _, host := range hosts {
		if lines := s.read(filepath.Join(host, "events")); lines != want.String() {
			s.t.Errorf("on %s ran\n%swant\n%s", host, lines, want.String())
		}
	}
}
