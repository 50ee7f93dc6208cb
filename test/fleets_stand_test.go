package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/operator"
)

// fleetStand is a stand whose server starts its instances by itself, with the commands of examples/fleet.
type fleetStand struct {
	*stand
	home string // FLEET_HOME: the instances' directories
}

// newFleetStand has the group web of two instances, which have come into service. wrap changes the commands for start and stop; nil: they are the
// example's own.
func newFleetStand(t *testing.T, wrap func(s *fleetStand, command, path string) []string) *fleetStand {
	t.Helper()
	for _, tool := range []string{"setsid", "flock"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the example's commands need %s (util-linux): install it to run this test", tool)
		}
	}
	s := &fleetStand{stand: newStand(t)}
	s.home = filepath.Join(s.dir, "instances")
	if err := os.Mkdir(s.home, 0o700); err != nil {
		t.Fatal(err)
	}
	s.reap()
	examples, err := filepath.Abs("../examples/fleet")
	if err != nil {
		t.Fatal(err)
	}
	argv := func(command string) string {
		argv := []string{filepath.Join(examples, command)}
		if wrap != nil {
			argv = wrap(s, command, argv[0])
		}
		text, err := json.Marshal(argv)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(freeAddress(t), "http://"), ":")
	s.configure(fmt.Sprintf(`fleets:
  - name: web
    size: 2
    start: %s
    stop: %s
    address: %s
    check: %s
    environment: {FLEET_HOME: '%s', FLEET_PORT: '%s', APP_PARENT_PID: '%d'}
    tags: {Environment: test}
    zones: [a, b]
    checkInterval: 1s
`, argv("start"), argv("stop"), argv("address"), argv("check"), s.home, port, os.Getpid()))
	s.serves("web", 2)
	s.createApplication("shop")
	for _, v := range []string{"v1", "v2", "v3"} {
		s.upload(v+".zip", bundle(t, v, nil))
	}
	return s
}

// configure starts the server anew with more configuration.
func (s *fleetStand) configure(more string) {
	s.t.Helper()
	s.server.stop()
	s.write("crossfade.yaml", s.read("crossfade.yaml")+more)
	s.startServer()
}

// reap ends the instances' agents with the test, however the test ends: they are no children of it. Their applications end by themselves.
func (s *fleetStand) reap() {
	s.t.Helper()
	cmd := exec.Command("sh", "-c", `cat >/dev/null; for f in "$0"/*/agent.pid; do test -e "$f" && kill -9 "$(cat "$f")" && rm "$f"; done; true`, s.home)
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		s.server.stop() // or it would start anew what ends
		for _, f := range s.pids("app.pid") {
			if out, err := exec.Command(s.program, "demo-app", "stop", "--pid-file", f).CombinedOutput(); err != nil {
				s.t.Logf("stop the application of %s: %v %s", f, err, out)
			}
		}
		if s.t.Failed() {
			for _, f := range s.pids("agent.log") {
				b, err := os.ReadFile(f)
				s.t.Logf("%s, %v:\n%s", f, err, tail(string(b), 2000))
			}
		}
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			s.t.Errorf("end the agents: %v", err)
		}
	})
}

// pids are the files of a name in the instances' directories.
func (s *fleetStand) pids(name string) []string {
	files, err := filepath.Glob(filepath.Join(s.home, "*", name))
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// fleets is what the command line lists, by name.
func (s *fleetStand) fleets() map[string]operator.FleetStatus {
	s.t.Helper()
	var out operator.ListFleetsOutput
	text := s.run("fleet", "list", "--output", "json", "--endpoint", s.endpoint)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		s.t.Fatalf("%v: %s", err, text)
	}
	all := map[string]operator.FleetStatus{}
	for _, f := range out.Fleets {
		all[f.Name] = f
	}
	return all
}

func membersOf(f operator.FleetStatus) []string {
	var all []string
	for _, i := range f.Instances {
		all = append(all, i.Name)
	}
	slices.Sort(all)
	return all
}

// serves waits until a group has so many instances, all of them in service, and returns their names.
func (s *fleetStand) serves(group string, size int) []string {
	s.t.Helper()
	var is operator.FleetStatus
	s.until(fmt.Sprintf("%s has %d instances in service", group, size), func() error {
		is = s.fleets()[group]
		if is.Size != size || is.InService != size || len(is.Instances) != size {
			time.Sleep(100 * time.Millisecond) // each look is a process
			return fmt.Errorf("it is %+v", is)
		}
		return nil
	})
	return membersOf(is)
}

// running are the pids of the agents whose root is the instance's; a process that has ended and was not waited for has no command line.
func (s *fleetStand) running(instance string) (pids []string) {
	s.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range all {
		line, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		argv := strings.Split(string(line), "\x00")
		if argv[0] == s.program && slices.Contains(argv, filepath.Join(s.home, instance, "root")) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

// alone holds that each of the instances has one agent, and that there are no others.
func (s *fleetStand) alone(instances ...string) {
	s.t.Helper()
	for _, i := range instances {
		if pids := s.running(i); len(pids) != 1 {
			s.t.Errorf("instance %s has the agents %v", i, pids)
		}
	}
	if got := len(s.pids("root")); got != len(instances) {
		s.t.Errorf("%d instances have a directory, want %d: %v", got, len(instances), s.pids("root"))
	}
}

// gone holds that nothing is left of instances: no agent, no application, no directory, no host file, no registration.
func (s *fleetStand) gone(applications []int, instances ...string) {
	s.t.Helper()
	for _, i := range instances {
		if pids := s.running(i); len(pids) > 0 {
			s.t.Errorf("the agents %v of %s run on", pids, i)
		}
		for _, f := range []string{filepath.Join(s.home, i), filepath.Join(s.dir, "data", "fleets", i+".yml")} {
			if _, err := os.Stat(f); !errors.Is(err, fs.ErrNotExist) {
				s.t.Errorf("%s is there: %v", f, err)
			}
		}
		out, err := s.deploy.GetOnPremisesInstance(s.t.Context(), &codedeploy.GetOnPremisesInstanceInput{InstanceName: &i})
		if err != nil || out.InstanceInfo.DeregisterTime == nil {
			s.t.Errorf("%s is registered: %+v, %v", i, out, err)
		}
	}
	for _, pid := range applications {
		if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(line) > 0 {
			s.t.Errorf("the application %d runs on: %s", pid, line)
		}
	}
}

// applications are the processes that serve on the instances.
func (s *fleetStand) applications(instances ...string) (pids []int) {
	s.t.Helper()
	for _, i := range instances {
		text := s.read(filepath.Join("instances", i, "app.pid"))
		pid, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			s.t.Fatalf("the application of %s: %v", i, err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// deployed makes the group prod over the Auto Scaling group web, deploys v1 in place, and makes it a blue/green group with copies.
func (s *fleetStand) deployed(action types.InstanceAction) {
	s.t.Helper()
	ctx := s.t.Context()
	prod := groupOf("prod", types.DeploymentTypeInPlace)
	prod.OnPremisesInstanceTagFilters, prod.AutoScalingGroups = nil, []string{"web"}
	if _, err := s.deploy.CreateDeploymentGroup(ctx, prod); err != nil {
		s.t.Fatal(err)
	}
	i := s.succeeds(s.begin("shop", "prod", "v1.zip"))
	if i.DeploymentOverview.Succeeded != 2 {
		s.t.Fatalf("the first deployment: %+v", i.DeploymentOverview)
	}
	s.update(action)
}

// update makes prod a blue/green group with copies, and says what becomes of the originals.
func (s *fleetStand) update(action types.InstanceAction) {
	s.t.Helper()
	end := &types.BlueInstanceTerminationOption{Action: action}
	if action == types.InstanceActionTerminate {
		end.TerminationWaitTimeInMinutes = 60
	}
	if _, err := s.deploy.UpdateDeploymentGroup(s.t.Context(), &codedeploy.UpdateDeploymentGroupInput{
		ApplicationName: aws.String("shop"), CurrentDeploymentGroupName: aws.String("prod"),
		DeploymentStyle: &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl},
		BlueGreenDeploymentConfiguration: &types.BlueGreenDeploymentConfiguration{
			DeploymentReadyOption:                     &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: 60},
			TerminateBlueInstancesOnDeploymentSuccess: end,
			GreenFleetProvisioningOption:              &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionCopyAutoScalingGroup},
		},
	}); err != nil {
		s.t.Fatal(err)
	}
}

func copyOf(id string) string { return "CodeDeploy_prod_" + id }

// selects holds which Auto Scaling group the deployment group names.
func (s *fleetStand) selects(want string) {
	s.t.Helper()
	out, err := s.deploy.GetDeploymentGroup(s.t.Context(), &codedeploy.GetDeploymentGroupInput{ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod")})
	if err != nil {
		s.t.Fatal(err)
	}
	if all := out.DeploymentGroupInfo.AutoScalingGroups; len(all) != 1 || aws.ToString(all[0].Name) != want {
		text, err := json.Marshal(all)
		s.t.Errorf("prod names the Auto Scaling groups %s, %v, want %s", text, err, want)
	}
}

// reroute begins a blue/green deployment, and lets it go on once it is ready, until the originals are to be terminated or it has ended.
func (s *fleetStand) reroute(key string) (id string) {
	s.t.Helper()
	id = s.begin("shop", "prod", key)
	s.awaitStatus(id, types.DeploymentStatusReady)
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.await(id, "the traffic has moved", func(i *types.DeploymentInfo) bool {
		return i.InstanceTerminationWaitTimeStarted || i.Status == types.DeploymentStatusSucceeded
	})
	return id
}

// answering waits until a version answers.
func (s *fleetStand) answering(v *visitor, version string) {
	s.t.Helper()
	s.until(version+" answers", func() error {
		if _, last := v.answers(); last != version {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
}

// lossless holds that no visitor was turned away.
func (s *fleetStand) lossless(v *visitor) {
	s.t.Helper()
	v.end()
	if n := v.failed.Load(); n > 0 {
		s.t.Errorf("%d of %d requests failed, the last with %s", n, v.requests.Load(), v.failure)
	}
}

// made are the deployments of a creator in prod, the latest first.
func (s *stand) made(application, group string, creator types.DeploymentCreator) (all []*types.DeploymentInfo) {
	s.t.Helper()
	out, err := s.deploy.ListDeployments(s.t.Context(), &codedeploy.ListDeploymentsInput{ApplicationName: &application, DeploymentGroupName: &group})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, id := range out.Deployments {
		i, err := s.info(id)
		if err != nil {
			s.t.Fatal(err)
		}
		if i.Creator == creator {
			all = append(all, i)
		}
	}
	return all
}

// joined holds that an instance which is in service got there through a deployment that has put it into traffic.
func (s *fleetStand) joined(instance string) {
	s.t.Helper()
	all := s.made("shop", "prod", types.DeploymentCreatorAutoscaling)
	if len(all) != 1 || all[0].Status != types.DeploymentStatusSucceeded {
		s.t.Fatalf("%s is in service, and the deployments to launched instances are %+v", instance, all)
	}
	events, _ := s.events(*all[0].DeploymentId, instance)
	if got := events["AllowTraffic"].Status; got != types.LifecycleEventStatusSucceeded {
		s.t.Errorf("AllowTraffic of %s is %q", instance, got)
	}
	s.applications(instance)
}
