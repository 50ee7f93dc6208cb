package test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/examples"
)

// binary is the real program, built once for all tests of the package.
var binary struct {
	once sync.Once
	path string
	err  error
}

func buildBinary(t *testing.T) string {
	t.Helper()
	binary.once.Do(func() {
		dir, err := os.MkdirTemp("", "crossfade-test-")
		if err != nil {
			binary.err = err
			return
		}
		binary.path = filepath.Join(dir, "crossfade")
		out, err := exec.Command("go", "build", "-o", binary.path, "crossfade/cmd/crossfade").CombinedOutput()
		if err != nil {
			binary.err = fmt.Errorf("build the program: %w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binary.path != "" {
		if err := os.RemoveAll(filepath.Dir(binary.path)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

const (
	rootKey    = "AKIDSTAND"
	rootSecret = "stand-secret-stand-secret"
	region     = "us-east-1"
	bucket     = "releases"
)

// stand is a whole installation of real processes on this machine: a server, its load balancer, and hosts with agents and the sample
// application.
type stand struct {
	t        *testing.T
	dir      string
	program  string
	endpoint string
	front    string // the load balancer
	server   *process
	deploy   *codedeploy.Client
	objects  *s3.Client
}

// process is a child that can be killed in earnest.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t, dir: t.TempDir(), program: buildBinary(t)}
	api, front := freeAddress(t), freeAddress(t)
	s.endpoint, s.front = "http://"+api, "http://"+front
	s.write("crossfade.yaml", fmt.Sprintf(`listen: %s
data: %s
log: {level: debug}
revisions: {buckets: [%s]}
loadBalancer:
  listeners:
    - {name: web, address: %s, forward: [{targetGroup: web}]}
  targetGroups:
    - name: web
      deregistrationDelay: 2s
      healthCheck: {path: /healthz, interval: 200ms, timeout: 1s, healthyThreshold: 1, unhealthyThreshold: 2}
`, api, filepath.Join(s.dir, "data"), bucket, front))
	s.clients()
	s.startServer()
	return s
}

// clients makes what calls the endpoint.
func (s *stand) clients() {
	cred := aws.CredentialsProvider(credentials.NewStaticCredentialsProvider(rootKey, rootSecret, ""))
	s.deploy = codedeploy.New(codedeploy.Options{Region: region, BaseEndpoint: &s.endpoint, Credentials: cred, RetryMaxAttempts: 8})
	s.objects = s3.New(s3.Options{Region: region, BaseEndpoint: &s.endpoint, Credentials: cred, UsePathStyle: true})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func (s *stand) write(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// environment is what child processes get: nothing of the machine's own AWS settings.
func (s *stand) environment(more ...string) []string {
	env := []string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "CROSSFADE_ROOT_ACCESS_KEY_ID=" + rootKey, "CROSSFADE_ROOT_SECRET_ACCESS_KEY=" + rootSecret,
		"AWS_ACCESS_KEY_ID=" + rootKey, "AWS_SECRET_ACCESS_KEY=" + rootSecret, "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region,
		"AWS_ENDPOINT_URL=" + s.endpoint, "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
	}
	return append(env, more...)
}

// spawn starts a child that the test's end stops.
func (s *stand) spawn(name string, env []string, args ...string) *process {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	p := &process{cmd: exec.Command(s.program, args...), done: make(chan struct{}), log: log}
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = env, s.dir, log, log
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		// How it ends is the test's to know; a child that ends too early shows in what it doesn't do.
		if err := p.cmd.Wait(); err != nil {
			fmt.Fprintf(log, "ended: %v\n", err)
		}
	}()
	s.t.Cleanup(func() {
		p.stop()
		if s.t.Failed() {
			if b, err := os.ReadFile(log.Name()); err == nil {
				s.t.Logf("the log of %s ends with\n%s", name, tail(string(b), 6000))
			}
		}
		if err := log.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return p
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// kill is kill -9.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		panic(err)
	}
	<-p.done
}

// stop asks, and kills what does not listen.
func (p *process) stop() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-p.done
		return
	}
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.kill()
	}
}

func (s *stand) metrics() ([]byte, error) {
	res, err := http.Get(s.endpoint + "/metrics")
	if err != nil {
		return nil, err
	}
	metrics, err := io.ReadAll(res.Body)
	return metrics, errors.Join(err, res.Body.Close())
}

func (s *stand) startServer() {
	s.t.Helper()
	s.server = s.spawn("server", s.environment(), "server", "--config", filepath.Join(s.dir, "crossfade.yaml"))
	s.until("the server is ready", func() error {
		res, err := http.Get(s.endpoint + "/readyz")
		if err != nil {
			return err
		}
		if err := res.Body.Close(); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz says %s", res.Status)
		}
		return nil
	})
}

// until waits for something to come true, for as long as a busy machine may take.
func (s *stand) until(what string, ok func() error) {
	s.t.Helper()
	var last error
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = ok(); last == nil {
			return
		}
	}
	s.t.Fatalf("waited in vain until %s: %v", what, last)
}

// run runs the program to its end and returns what it prints.
func (s *stand) run(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Env, cmd.Dir = s.environment(), s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("crossfade %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// addHost registers a host and starts its agent.
func (s *stand) addHost(name, environment string) *process {
	s.t.Helper()
	listen := freeAddress(s.t)
	file := filepath.Join(s.dir, name+".yml")
	s.run("host", "add", name, "--tag", "env="+environment, "--tag", "crossfade:address="+listen, "--out", file, "--endpoint", s.endpoint)
	home := filepath.Join(s.dir, name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		// The application outlives its agent, as it should; the test ends it.
		cmd := exec.Command(s.program, "demo-app", "stop", "--pid-file", filepath.Join(home, "app.pid"))
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Logf("stop the application of %s: %v %s", name, err, out)
		}
	})
	return s.startAgent(name, listen)
}

// addHosts starts two blue hosts and two green ones.
func (s *stand) addHosts() map[string]*process {
	s.t.Helper()
	agents := map[string]*process{}
	for _, env := range []string{"blue", "green"} {
		for i := 1; i <= 2; i++ {
			name := fmt.Sprintf("%s-%d", env, i)
			agents[name] = s.addHost(name, env)
		}
	}
	return agents
}

func (s *stand) startAgent(name, listen string) *process {
	s.t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "APP_HOME=" + filepath.Join(s.dir, name), "APP_LISTEN=" + listen, "CROSSFADE=" + s.program,
		"APP_PARENT_PID=" + strconv.Itoa(os.Getpid())}
	return s.spawn("agent-"+name, env, "agent", "--endpoint", s.endpoint, "--config", filepath.Join(s.dir, name+".yml"), "--root", filepath.Join(s.dir, name, "root"))
}

// bundle is the sample application as a zip, with the version and other files changed.
func bundle(t *testing.T, version string, change map[string]string) []byte {
	t.Helper()
	files := map[string]string{"site/VERSION": version + "\n"}
	for k, v := range change {
		files[k] = v
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	err := fs.WalkDir(examples.App, "app", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, "app/")
		if _, changed := files[name]; changed {
			return nil
		}
		content, err := examples.App.ReadFile(path)
		if err != nil {
			return err
		}
		files[name] = string(content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload puts a bundle into the built-in store and returns where it is.
func (s *stand) upload(key string, content []byte) *types.RevisionLocation {
	s.t.Helper()
	out, err := s.objects.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(content)})
	if err != nil {
		s.t.Fatal(err)
	}
	return &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
		Bucket: aws.String(bucket), Key: &key, BundleType: types.BundleTypeZip, ETag: out.ETag,
	}}
}

// shop is the application "shop" with a blue/green group "prod" over the hosts tagged env=blue, which run v1 in traffic, and env=green.
func (s *stand) shop(change func(*codedeploy.CreateDeploymentGroupInput)) (agents map[string]*process) {
	s.t.Helper()
	ctx := s.t.Context()
	agents = s.addHosts()
	if _, err := s.deploy.CreateApplication(ctx, &codedeploy.CreateApplicationInput{ApplicationName: aws.String("shop")}); err != nil {
		s.t.Fatal(err)
	}
	prod := groupOf("prod", types.DeploymentTypeBlueGreen)
	prod.BlueGreenDeploymentConfiguration = &types.BlueGreenDeploymentConfiguration{
		DeploymentReadyOption:                     &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: 60},
		TerminateBlueInstancesOnDeploymentSuccess: &types.BlueInstanceTerminationOption{Action: types.InstanceActionTerminate, TerminationWaitTimeInMinutes: 60},
		GreenFleetProvisioningOption:              &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionDiscoverExisting},
	}
	if change != nil {
		change(prod)
	}
	if _, err := s.deploy.CreateDeploymentGroup(ctx, prod); err != nil {
		s.t.Fatal(err)
	}
	// Nothing serves yet, so the first deployment has no original environment.
	first := s.blueGreen(s.upload("v1.zip", bundle(s.t, "v1", nil)), func(in *codedeploy.CreateDeploymentInput) {
		in.TargetInstances.TagFilters[0].Value = aws.String("blue")
	})
	if prod.BlueGreenDeploymentConfiguration.DeploymentReadyOption.ActionOnTimeout == types.DeploymentReadyActionStopDeployment {
		s.awaitStatus(first, types.DeploymentStatusReady)
		s.goOn(first, types.DeploymentWaitTypeReadyWait)
	}
	s.awaitStatus(first, types.DeploymentStatusSucceeded)
	return agents
}

// groupOf is a deployment group of the application shop over the hosts tagged env=blue, behind the target group web.
func groupOf(name string, kind types.DeploymentType) *codedeploy.CreateDeploymentGroupInput {
	return &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: &name, ServiceRoleArn: aws.String("arn:aws:iam::000000000000:role/deploy"),
		DeploymentConfigName:         aws.String("CodeDeployDefault.AllAtOnce"),
		OnPremisesInstanceTagFilters: []types.TagFilter{tag("env", "blue")},
		DeploymentStyle:              &types.DeploymentStyle{DeploymentType: kind, DeploymentOption: types.DeploymentOptionWithTrafficControl},
		LoadBalancerInfo:             &types.LoadBalancerInfo{TargetGroupInfoList: []types.TargetGroupInfo{{Name: aws.String("web")}}},
	}
}

func tag(key, value string) types.TagFilter {
	return types.TagFilter{Key: &key, Value: &value, Type: types.TagFilterTypeKeyAndValue}
}

// blueGreen begins the deployment of a revision onto the green hosts.
func (s *stand) blueGreen(revision *types.RevisionLocation, change func(*codedeploy.CreateDeploymentInput)) string {
	s.t.Helper()
	in := &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod"), Revision: revision,
		TargetInstances: &types.TargetInstances{TagFilters: []types.EC2TagFilter{{Key: aws.String("env"), Value: aws.String("green"), Type: types.EC2TagFilterTypeKeyAndValue}}},
	}
	if change != nil {
		change(in)
	}
	out, err := s.deploy.CreateDeployment(s.t.Context(), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return *out.DeploymentId
}

func (s *stand) info(id string) (*types.DeploymentInfo, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	out, err := s.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return nil, err
	}
	return out.DeploymentInfo, nil
}

// await waits for a deployment to be as wished; one that ends otherwise fails the test with its reason.
func (s *stand) await(id, what string, ok func(*types.DeploymentInfo) bool) *types.DeploymentInfo {
	s.t.Helper()
	var info *types.DeploymentInfo
	s.until(what, func() error {
		got, err := s.info(id)
		if err != nil {
			return err
		}
		info = got
		if ok(info) {
			return nil
		}
		say := fmt.Sprintf("%s is %s, %+v", id, info.Status, info.DeploymentOverview)
		if info.ErrorInformation != nil {
			say += ": " + aws.ToString(info.ErrorInformation.Message)
		}
		if info.Status == types.DeploymentStatusFailed || info.Status == types.DeploymentStatusStopped || info.Status == types.DeploymentStatusSucceeded {
			s.t.Fatalf("waited until %s, but %s\n%s", what, say, s.targets(id))
		}
		return errors.New(say)
	})
	return info
}

func (s *stand) awaitStatus(id string, status types.DeploymentStatus) *types.DeploymentInfo {
	s.t.Helper()
	return s.await(id, "the deployment is "+string(status), func(i *types.DeploymentInfo) bool { return i.Status == status })
}

// targets says how every lifecycle event of a deployment stands.
func (s *stand) targets(id string) string {
	var b strings.Builder
	list, err := s.deploy.ListDeploymentTargets(s.t.Context(), &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil {
		return err.Error()
	}
	for _, name := range list.TargetIds {
		out, err := s.deploy.GetDeploymentTarget(s.t.Context(), &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: &name})
		if err != nil {
			return err.Error()
		}
		t := out.DeploymentTarget.InstanceTarget
		fmt.Fprintf(&b, "%s %s %s:", name, t.InstanceLabel, t.Status)
		for _, e := range t.LifecycleEvents {
			fmt.Fprintf(&b, " %s=%s", aws.ToString(e.LifecycleEventName), e.Status)
			if e.Diagnostics != nil && e.Status == types.LifecycleEventStatusFailed {
				fmt.Fprintf(&b, " (%s %s %s)", e.Diagnostics.ErrorCode, aws.ToString(e.Diagnostics.Message), aws.ToString(e.Diagnostics.LogTail))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *stand) goOn(id string, wait types.DeploymentWaitType) {
	s.t.Helper()
	if _, err := s.deploy.ContinueDeployment(s.t.Context(), &codedeploy.ContinueDeploymentInput{DeploymentId: &id, DeploymentWaitType: wait}); err != nil {
		s.t.Fatal(err)
	}
}

// visitor sends requests through the load balancer until it is stopped, and counts who answered.
type visitor struct {
	stop     context.CancelFunc
	done     chan struct{}
	requests atomic.Int64
	failed   atomic.Int64
	mu       sync.Mutex
	versions map[string]int
	failure  string
	last     string // the version that answered last
}

func (s *stand) visit() *visitor {
	ctx, cancel := context.WithCancel(context.Background())
	v := &visitor{stop: cancel, done: make(chan struct{}), versions: map[string]int{}}
	go func() {
		defer close(v.done)
		client := &http.Client{Timeout: time.Minute}
		for ctx.Err() == nil {
			v.once(client, s.front)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	s.t.Cleanup(func() { v.end() })
	return v
}

func (v *visitor) once(client *http.Client, url string) {
	v.requests.Add(1)
	res, err := client.Get(url + "/version")
	var body []byte
	if err == nil {
		body, err = io.ReadAll(res.Body)
		err = errors.Join(err, res.Body.Close())
	}
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.failed.Add(1)
		v.failure = err.Error()
		return
	}
	v.last = strings.TrimSpace(string(body))
	v.versions[v.last]++
}

func (v *visitor) end() {
	v.stop()
	<-v.done
}

func (v *visitor) answers() (versions map[string]int, last string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := map[string]int{}
	for k, n := range v.versions {
		out[k] = n
	}
	return out, v.last
}

// read returns a file of the stand, empty while there is none.
func (s *stand) read(name string) string {
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(b)
}

// awaitEnd waits until a deployment has ended, however it does.
func (s *stand) awaitEnd(id string) *types.DeploymentInfo {
	s.t.Helper()
	var info *types.DeploymentInfo
	s.until("the deployment has ended", func() error {
		got, err := s.info(id)
		if err != nil {
			return err
		}
		info = got
		switch info.Status {
		case types.DeploymentStatusSucceeded, types.DeploymentStatusFailed, types.DeploymentStatusStopped:
			return nil
		default:
			return fmt.Errorf("it is %s", info.Status)
		}
	})
	return info
}
