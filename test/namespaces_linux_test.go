package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"
)

// The machines of a network: the server's, one for the clients, and the hosts from hostNumber on.
const (
	network      = "10.77.0."
	serverNumber = 1
	clientNumber = 2
	hostNumber   = 11
)

// machines are network namespaces on one bridge, each a machine of its own as far as the network goes.
type machines struct {
	t      *testing.T
	prefix string
	names  []string
}

// newMachines makes the server's and the clients' machine, or skips the test where that is not permitted.
func newMachines(t *testing.T) *machines {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("network namespaces need root on Linux")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("network namespaces need the program ip (Debian package iproute2)")
	}
	m := &machines{t: t, prefix: fmt.Sprintf("cf%d", os.Getpid()%100_000)}
	if out, err := exec.Command("ip", "netns", "add", m.name("server")).CombinedOutput(); err != nil {
		t.Skipf("network namespaces are not permitted here: %s", bytes.TrimSpace(out))
	}
	m.remember("server")
	m.in("server", "ip", "link", "set", "lo", "up")
	m.in("server", "ip", "link", "add", "switch", "type", "bridge")
	m.in("server", "ip", "addr", "add", fmt.Sprintf("%s%d/24", network, serverNumber), "dev", "switch")
	m.in("server", "ip", "link", "set", "switch", "up")
	m.add("client", clientNumber)
	return m
}

func (m *machines) name(machine string) string { return m.prefix + machine }

// remember takes a namespace away at the end, and with it its links.
func (m *machines) remember(machine string) {
	m.names = append(m.names, machine)
	m.t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", m.name(machine)).CombinedOutput(); err != nil {
			m.t.Errorf("take the machine %s away: %v %s", machine, err, out)
		}
	})
}

// add makes a machine with an address and plugs it in.
func (m *machines) add(machine string, number int) {
	m.t.Helper()
	m.do("ip", "netns", "add", m.name(machine))
	m.remember(machine)
	plug := fmt.Sprintf("p%d", number)
	m.do("ip", "link", "add", plug, "netns", m.name("server"), "type", "veth", "peer", "name", "eth0", "netns", m.name(machine))
	m.in("server", "ip", "link", "set", plug, "master", "switch", "up")
	m.in(machine, "ip", "addr", "add", fmt.Sprintf("%s%d/24", network, number), "dev", "eth0")
	m.in(machine, "ip", "link", "set", "eth0", "up")
	m.in(machine, "ip", "link", "set", "lo", "up")
}

// plug pulls a machine's cable out, or puts it in again.
func (m *machines) plug(number int, state string) {
	m.t.Helper()
	m.in("server", "ip", "link", "set", fmt.Sprintf("p%d", number), state)
}

func (m *machines) do(program string, args ...string) {
	m.t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		m.t.Fatalf("%s %s: %v %s", program, strings.Join(args, " "), err, out)
	}
}

func (m *machines) in(machine string, command ...string) {
	m.t.Helper()
	m.do("ip", append([]string{"netns", "exec", m.name(machine)}, command...)...)
}

// dial connects as a program on the clients' machine would: a socket stays in the namespace that its thread was in.
func (m *machines) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		namespace, err := os.Open("/var/run/netns/" + m.name("client"))
		if err == nil {
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
			err = errors.Join(err, namespace.Close())
		}
		if err != nil {
			done <- result{nil, err}
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, kind, address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// machineStand is an installation whose server and hosts are machines of their own. The server makes its own certificates, and the hosts enrol.
type machineStand struct {
	*stand
	machines *machines
	http     *http.Client
	ca       string
}

func newMachineStand(t *testing.T) *machineStand {
	t.Helper()
	m := newMachines(t)
	api, front := fmt.Sprintf("%s%d:8470", network, serverNumber), fmt.Sprintf("%s%d:8080", network, serverNumber)
	s := &machineStand{stand: &stand{t: t, dir: t.TempDir(), program: buildBinary(t), endpoint: "https://" + api, front: "http://" + front}, machines: m}
	s.ca = filepath.Join(s.dir, "data", "ca.pem")
	s.write("crossfade.yaml", fmt.Sprintf(`listen: %s
data: %s
log: {level: debug}
revisions: {buckets: [%s]}
loadBalancer:
  listeners:
    - {name: web, address: %s, forward: [{targetGroup: web}]}
  targetGroups:
    - name: web
      port: 8080
      deregistrationDelay: 2s
      healthCheck: {path: /healthz, interval: 200ms, timeout: 1s, healthyThreshold: 1, unhealthyThreshold: 2}
`, api, filepath.Join(s.dir, "data"), bucket, front))
	s.server = s.on("server", "server", s.environment(), "server", "--config", filepath.Join(s.dir, "crossfade.yaml"))
	s.until("the server has made its CA", func() error {
		content, err := os.ReadFile(s.ca)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(content) {
			return errors.New("no certificate")
		}
		s.http = &http.Client{Transport: &http.Transport{DialContext: m.dial, TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 8}}
		return nil
	})
	s.until("the server is ready", func() error {
		status, _, err := s.get(s.endpoint + "/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/readyz says %d", status)
		}
		return err
	})
	cred := aws.CredentialsProvider(credentials.NewStaticCredentialsProvider(rootKey, rootSecret, ""))
	s.deploy = codedeploy.New(codedeploy.Options{Region: region, BaseEndpoint: &s.endpoint, Credentials: cred, HTTPClient: s.http, RetryMaxAttempts: 8})
	s.objects = s3.New(s3.Options{Region: region, BaseEndpoint: &s.endpoint, Credentials: cred, HTTPClient: s.http, UsePathStyle: true})
	return s
}

// on starts the program on a machine.
func (s *machineStand) on(machine, name string, env []string, args ...string) *process {
	s.t.Helper()
	inside := *s.stand
	inside.program = "ip"
	return inside.spawn(name, env, append([]string{"netns", "exec", s.machines.name(machine), s.program}, args...)...)
}

// runOn runs the program on a machine to its end.
func (s *machineStand) runOn(machine string, args ...string) []byte {
	s.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", s.machines.name(machine), s.program}, args...)...)
	var errs bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stderr = s.environment("AWS_CA_BUNDLE="+s.ca), s.dir, &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("crossfade %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.Bytes())
	}
	return out
}

func (s *machineStand) get(url string) (status int, body string, err error) {
	res, err := s.http.Get(url)
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), errors.Join(err, res.Body.Close())
}

// enrol makes a machine, lets it join with a token, and starts its agent.
func (s *machineStand) enrol(name, env string, number int) {
	s.t.Helper()
	s.machines.add(name, number)
	var token struct {
		Token string `json:"token"`
	}
	out := s.runOn("client", "host", "token", "--name", name, "--tag", "env="+env, "--output", "json")
	if err := json.Unmarshal(out, &token); err != nil || token.Token == "" {
		s.t.Fatalf("crossfade host token says %s (%v)", out, err)
	}
	home := filepath.Join(s.dir, name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		s.t.Fatal(err)
	}
	// The machine has nothing of the operator's.
	cmd := exec.Command("ip", "netns", "exec", s.machines.name(name), s.program, "agent", "enroll", "--token", token.Token, "--name", name, "--dir", filepath.Join(home, "agent"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s can't enrol: %v\n%s", name, err, out)
	}
	s.t.Cleanup(func() {
		cmd := exec.Command(s.program, "demo-app", "stop", "--pid-file", filepath.Join(home, "app.pid"))
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Logf("stop the application of %s: %v %s", name, err, out)
		}
	})
	s.on(name, "agent-"+name, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "APP_HOME=" + home, "APP_LISTEN=0.0.0.0:8080", "CROSSFADE=" + s.program, fmt.Sprintf("APP_PARENT_PID=%d", os.Getpid()),
	}, "agent", "--dir", filepath.Join(home, "agent"), "--root", filepath.Join(home, "root"))
}

// TestMachinesOfTheirOwn deploys blue/green onto machines that share nothing but a network: TLS from the server's own CA, hosts that joined
// with tokens and are known by the address that they poll from, traffic through the load balancer, and a cable that is pulled in mid-deployment.
func TestMachinesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newMachineStand(t)
	for i, env := range []string{"blue", "blue", "green", "green"} {
		s.enrol(fmt.Sprintf("%s-%d", env, i%2+1), env, hostNumber+i)
	}
	s.createApplication("shop")
	prod := groupOf("prod", types.DeploymentTypeBlueGreen)
	prod.BlueGreenDeploymentConfiguration = &types.BlueGreenDeploymentConfiguration{
		DeploymentReadyOption:                     &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: 60},
		TerminateBlueInstancesOnDeploymentSuccess: &types.BlueInstanceTerminationOption{Action: types.InstanceActionKeepAlive},
		GreenFleetProvisioningOption:              &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionDiscoverExisting},
	}
	if _, err := s.deploy.CreateDeploymentGroup(t.Context(), prod); err != nil {
		t.Fatal(err)
	}
	first := s.blueGreen(s.upload("v1.zip", bundle(t, "v1", nil)), func(in *codedeploy.CreateDeploymentInput) {
		in.TargetInstances.TagFilters[0].Value = aws.String("blue")
	})
	s.awaitStatus(first, types.DeploymentStatusReady)
	s.goOn(first, types.DeploymentWaitTypeReadyWait)
	s.awaitStatus(first, types.DeploymentStatusSucceeded)
	if status, body, err := s.get(s.front); err != nil || status != http.StatusOK || !strings.Contains(body, "v1") {
		t.Fatalf("the load balancer answers %d %s (%v)", status, body, err)
	}
	stop := s.ask()

	second := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	// A host that is away for a while in the middle of its events comes back to them.
	s.machines.plug(hostNumber+2, "down")
	time.Sleep(3 * time.Second)
	s.machines.plug(hostNumber+2, "up")
	s.awaitStatus(second, types.DeploymentStatusReady)
	if _, body, err := s.get(s.front); err != nil || !strings.Contains(body, "v1") {
		t.Errorf("while it waits, the load balancer answers %s (%v)", body, err)
	}
	s.goOn(second, types.DeploymentWaitTypeReadyWait)
	s.awaitStatus(second, types.DeploymentStatusSucceeded)
	asked, failed, last := stop()
	if asked < 100 || failed != "" || !strings.Contains(last, "v2") {
		t.Errorf("%d requests; the first that failed: %q; the last answer: %q", asked, failed, last)
	}
	targets, err := s.deploy.BatchGetDeploymentTargets(t.Context(), &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &second, TargetIds: []string{"green-1", "green-2"}})
	if err != nil || len(targets.DeploymentTargets) != 2 {
		t.Fatalf("%+v, %v", targets, err)
	}
	for _, target := range targets.DeploymentTargets {
		if target.InstanceTarget.Status != types.TargetStatusSucceeded {
			t.Errorf("%s is %s", *target.InstanceTarget.TargetId, target.InstanceTarget.Status)
		}
	}
	t.Logf("%d requests through the load balancer, none failed", asked)
}

// ask sends requests through the load balancer, one after the other, until it is told to stop.
func (s *machineStand) ask() (stop func() (asked int, failed, last string)) {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	type outcome struct {
		asked        int
		failed, last string
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		for ctx.Err() == nil {
			status, body, err := s.get(s.front)
			o.asked++
			o.last = body
			if (err != nil || status != http.StatusOK) && o.failed == "" {
				o.failed = fmt.Sprintf("number %d: %d %s %v", o.asked, status, body, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		done <- o
	}()
	return func() (int, string, string) {
		cancel()
		o := <-done
		return o.asked, o.failed, o.last
	}
}
