// Command job measures a whole server of this process, with agents, a load balancer and requests through it, over real connections with real
// signatures and durable writes:
//
//   - the overhead of a whole blue/green deployment over two hosts with no-op hooks and no waits;
//   - from the accepted ContinueDeployment to the first answer of the replacement and to the last new request at the original, over many
//     reroutings back and forth under load, and how many requests failed;
//   - calls of the control API per second.
//
// Everything shares this machine's cores with the load that measures it. Run it with `go run ./bench/job`.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/agent"
	"crossfade/internal/agent/identity"
	"crossfade/internal/config"
	"crossfade/internal/operator"
	"crossfade/internal/server"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire/control"
)

func main() {
	var o options
	flag.IntVar(&o.reroutes, "reroutes", 50, "how many reroutings, back and forth")
	flag.IntVar(&o.rate, "rate", 1000, "requests per second during the reroutings")
	flag.DurationVar(&o.work, "work", 0, "how long the application works on a request; more than 0 makes the requests POSTs")
	flag.DurationVar(&o.calls, "calls", 5*time.Second, "how long each operation of the control API is called")
	flag.IntVar(&o.clients, "clients", 32, "how many clients call the control API at once")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the calls of the control API to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type options struct {
	reroutes, rate, clients int
	calls, work             time.Duration
	profile                 string
}

var root = sigv4.Credential{AccessKeyID: "AKIDBENCH", SecretAccessKey: "bench-secret-bench-secret"}

const region = "us-east-1"

// rig is a running installation.
type rig struct {
	server  *server.Server
	front   string
	deploy  *codedeploy.Client
	objects *s3.Client
	apps    map[string]*app // by host
	work    time.Duration   // of an application on a request
	agents  sync.WaitGroup
	stop    context.CancelFunc
}

// app answers requests for a host and notes when.
type app struct {
	environment string
	http        *http.Server
	last        atomic.Int64 // when the last request came, in nanoseconds
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "crossfade-bench-job-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := assemble(ctx, dir, o.work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.end()) }()
	fmt.Fprintf(out, "%s %s/%s, %d CPUs\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.measureReroutes(ctx, o, out); err != nil {
		return err
	}
	return r.measureCalls(ctx, o, out)
}

func assemble(ctx context.Context, dir string, work time.Duration) (_ *rig, err error) {
	c := config.Default()
	c.Listen, c.Data = "127.0.0.1:0", filepath.Join(dir, "data")
	c.Revisions.Buckets = []string{"releases"}
	c.LoadBalancer.Listeners = []config.Listener{{Name: "web", Address: "127.0.0.1:0", Forward: []config.Forward{{TargetGroup: "web", Weight: 1}}}}
	c.LoadBalancer.TargetGroups = []config.TargetGroup{{Name: "web", DeregistrationDelay: 5 * time.Second,
		HealthCheck: config.HealthCheck{Path: "/", Interval: time.Second, Timeout: time.Second, HealthyThreshold: 1, UnhealthyThreshold: 2}}}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.Start(ctx, server.Options{Config: c, Log: log, Version: "bench", Root: root})
	if err != nil {
		return nil, err
	}
	endpoint := s.Endpoint()
	cred := aws.CredentialsProvider(credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, ""))
	r := &rig{
		server: s, front: "http://" + s.BalancerAddress("web"), apps: map[string]*app{}, work: work,
		deploy:  codedeploy.New(codedeploy.Options{Region: region, BaseEndpoint: &endpoint, Credentials: cred}),
		objects: s3.New(s3.Options{Region: region, BaseEndpoint: &endpoint, Credentials: cred, UsePathStyle: true}),
	}
	agents, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	client := &operator.Client{Endpoint: endpoint, Credential: root, Region: region, HTTP: http.DefaultClient, Now: time.Now}
	for _, env := range []string{"blue", "green"} {
		for i := range 2 {
			if err := r.addHost(ctx, agents, dir, fmt.Sprintf("%s-%d", env, i+1), env, client, log); err != nil {
				return nil, errors.Join(err, r.end())
			}
		}
	}
	return r, nil
}

func (r *rig) addHost(ctx, agents context.Context, dir, name, env string, client *operator.Client, log *slog.Logger) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	a := &app{environment: env}
	a.http = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/visit" {
			a.last.Store(time.Now().UnixNano())
			time.Sleep(r.work)
		}
		w.Header().Set("X-Environment", env)
	})}
	r.apps[name] = a
	r.agents.Go(func() {
		if err := a.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("application ended", "error", err)
		}
	})
	made, err := client.AddHost(ctx, operator.AddHostInput{Name: &name, Tags: []control.Tag{
		{Key: new("env"), Value: &env}, {Key: new("crossfade:address"), Value: new(l.Addr().String())},
	}})
	if err != nil {
		return err
	}
	o := agent.Options{
		Endpoint: client.Endpoint, Root: filepath.Join(dir, name), Version: "crossfade/bench", Log: log,
		Identity: identity.New(*made.IAMUserARN, *made.Region, identity.Credentials{AccessKeyID: *made.AccessKeyID, SecretAccessKey: *made.SecretAccessKey}),
	}
	r.agents.Go(func() {
		if err := agent.Run(agents, o); err != nil {
			log.Error("agent ended", "host", name, "error", err)
		}
	})
	return nil
}

func (r *rig) end() error {
	if r.stop != nil {
		r.stop()
	}
	var errs []error
	for _, a := range r.apps {
		errs = append(errs, a.http.Close())
	}
	r.agents.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(append(errs, r.server.Stop(ctx))...)
}

// prepare makes application, group and bundle, and puts the blue hosts into traffic.
func (r *rig) prepare(ctx context.Context) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("appspec.yml")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, "version: 0.0\nos: linux\n"); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if _, err := r.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("releases"), Key: aws.String("noop.zip"), Body: bytes.NewReader(b.Bytes())}); err != nil {
		return err
	}
	if _, err := r.deploy.CreateApplication(ctx, &codedeploy.CreateApplicationInput{ApplicationName: aws.String("shop")}); err != nil {
		return err
	}
	_, err = r.deploy.CreateDeploymentGroup(ctx, &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod"), ServiceRoleArn: aws.String("arn:aws:iam::000000000000:role/deploy"),
		DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce"),
		DeploymentStyle:      &types.DeploymentStyle{DeploymentType: types.DeploymentTypeBlueGreen, DeploymentOption: types.DeploymentOptionWithTrafficControl},
		LoadBalancerInfo:     &types.LoadBalancerInfo{TargetGroupInfoList: []types.TargetGroupInfo{{Name: aws.String("web")}}},
		BlueGreenDeploymentConfiguration: &types.BlueGreenDeploymentConfiguration{
			DeploymentReadyOption:                     &types.DeploymentReadyOption{ActionOnTimeout: types.DeploymentReadyActionStopDeployment, WaitTimeInMinutes: 60},
			TerminateBlueInstancesOnDeploymentSuccess: &types.BlueInstanceTerminationOption{Action: types.InstanceActionTerminate},
			GreenFleetProvisioningOption:              &types.GreenFleetProvisioningOption{Action: types.GreenFleetProvisioningActionDiscoverExisting},
		},
	})
	if err != nil {
		return err
	}
	_, _, err = r.reroute(ctx, "blue", nil)
	return err
}

func (r *rig) create(ctx context.Context, env string) (string, error) {
	out, err := r.deploy.CreateDeployment(ctx, &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod"),
		Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
			Bucket: aws.String("releases"), Key: aws.String("noop.zip"), BundleType: types.BundleTypeZip,
		}},
		TargetInstances: &types.TargetInstances{TagFilters: []types.EC2TagFilter{{Key: aws.String("env"), Value: &env, Type: types.EC2TagFilterTypeKeyAndValue}}},
	})
	if err != nil {
		return "", err
	}
	return *out.DeploymentId, nil
}

// askInterval is how often a deployment's status is asked for: it is what "whole deployment" is rounded up to, and asking costs what is measured.
const askInterval = 10 * time.Millisecond

// await waits until a deployment has a status.
func (r *rig) await(ctx context.Context, id string, status types.DeploymentStatus) (*types.DeploymentInfo, error) {
	for {
		out, err := r.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
		if err != nil {
			return nil, err
		}
		switch i := out.DeploymentInfo; {
		case i.Status == status:
			return i, nil
		case i.Status == types.DeploymentStatusFailed || i.Status == types.DeploymentStatusStopped:
			return nil, fmt.Errorf("deployment %s is %s: %s", id, i.Status, aws.ToString(i.ErrorInformation.Message))
		}
		time.Sleep(askInterval)
	}
}

// reroute deploys onto an environment and reroutes to it. It returns how long the deployment took without its time in Ready, and when
// ContinueDeployment was accepted.
func (r *rig) reroute(ctx context.Context, env string, ready func()) (whole time.Duration, accepted time.Time, err error) {
	begun := time.Now()
	id, err := r.create(ctx, env)
	if err != nil {
		return 0, accepted, err
	}
	if _, err := r.await(ctx, id, types.DeploymentStatusReady); err != nil {
		return 0, accepted, err
	}
	whole = time.Since(begun)
	if ready != nil {
		ready()
	}
	begun = time.Now()
	if _, err := r.deploy.ContinueDeployment(ctx, &codedeploy.ContinueDeploymentInput{DeploymentId: &id}); err != nil {
		return 0, accepted, err
	}
	accepted = time.Now()
	if _, err := r.await(ctx, id, types.DeploymentStatusSucceeded); err != nil {
		return 0, accepted, err
	}
	return whole + time.Since(begun), accepted, nil
}

// load sends requests through the load balancer at a steady rate and notes when each environment first answers.
type load struct {
	post             bool // instead of GET
	requests, failed atomic.Int64
	mu               sync.Mutex
	failure          string
	watch            string    // the environment whose first answer is wanted
	first            time.Time // when it came
}

func (l *load) run(ctx context.Context, url string, rate int) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	slots := make(chan struct{}, 256)
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			l.one(client, url)
		})
	}
}

func (l *load) one(client *http.Client, url string) {
	l.requests.Add(1)
	var res *http.Response
	var err error
	if l.post {
		res, err = client.Post(url, "text/plain", strings.NewReader("order one"))
	} else {
		res, err = client.Get(url)
	}
	now := time.Now()
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		err = errors.Join(err, res.Body.Close())
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(res.Status)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed.Add(1)
		l.failure = err.Error()
		return
	}
	if l.first.IsZero() && res.Header.Get("X-Environment") == l.watch {
		l.first = now
	}
}

func (l *load) expect(env string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch, l.first = env, time.Time{}
}

func (l *load) firstAnswer() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func (r *rig) measureReroutes(ctx context.Context, o options, out io.Writer) error {
	var l load
	under, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	l.post = o.work > 0
	wg.Go(func() { l.run(under, r.front+"/visit", o.rate) })
	defer wg.Wait()
	defer stop()
	var first, last, whole []time.Duration
	begun := time.Now()
	for i := range o.reroutes {
		env, old := "green", "blue"
		if i%2 == 1 {
			env, old = old, env
		}
		took, accepted, err := r.reroute(ctx, env, func() { l.expect(env) })
		if err != nil {
			return err
		}
		whole = append(whole, took)
		first = append(first, l.firstAnswer().Sub(accepted))
		newest := int64(0)
		for _, a := range r.apps {
			if a.environment == old {
				newest = max(newest, a.last.Load())
			}
		}
		last = append(last, time.Unix(0, newest).Sub(accepted))
	}
	seconds := time.Since(begun).Seconds()
	stop()
	wg.Wait()
	fmt.Fprintf(out, "%d blue/green deployments over 2+2 hosts with no-op hooks, %.0f requests/s meanwhile\n", o.reroutes, float64(l.requests.Load())/seconds)
	fmt.Fprintf(out, "  whole deployment, CreateDeployment to Succeeded   %s\n", spread(whole))
	fmt.Fprintf(out, "  ContinueDeployment accepted to first new answer   %s\n", spread(first))
	fmt.Fprintf(out, "  ContinueDeployment accepted to last old request   %s\n", spread(last))
	fmt.Fprintf(out, "  requests %d, failed %d %s\n", l.requests.Load(), l.failed.Load(), l.failure)
	if l.failed.Load() > 0 {
		return errors.New("requests failed")
	}
	return nil
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	at := func(p float64) time.Duration {
		return d[min(len(d)-1, int(p*float64(len(d))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s  p90 %s  max %s", at(0.5), at(0.9), at(1))
}

func (r *rig) measureCalls(ctx context.Context, o options, out io.Writer) error {
	list, err := r.deploy.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{})
	if err != nil {
		return err
	}
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			if err := f.Close(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	get := `{"deploymentId":"` + list.Deployments[0] + `"}`
	if err := r.call(ctx, o, out, "GetDeployment", get); err != nil {
		return err
	}
	return r.createAndDelete(ctx, o, out)
}

// call calls one operation from many clients at once for a while.
func (r *rig) call(ctx context.Context, o options, out io.Writer, name, body string) error {
	return r.clients(ctx, o, out, name, func(ctx context.Context, c *http.Client, _ int) (int, error) {
		return 1, r.post(ctx, c, name, body)
	})
}

// createAndDelete makes an application and takes it away again: two durable writes, and no quota is reached.
func (r *rig) createAndDelete(ctx context.Context, o options, out io.Writer) error {
	return r.clients(ctx, o, out, "CreateApplication, DeleteApplication", func(ctx context.Context, c *http.Client, client int) (int, error) {
		body := fmt.Sprintf(`{"applicationName":"bench-%d"}`, client)
		if err := r.post(ctx, c, "CreateApplication", body); err != nil {
			return 0, err
		}
		return 2, r.post(ctx, c, "DeleteApplication", body)
	})
}

func (r *rig) clients(ctx context.Context, o options, out io.Writer, name string, once func(context.Context, *http.Client, int) (int, error)) error {
	ctx, stop := context.WithTimeout(ctx, o.calls)
	defer stop()
	var mu sync.Mutex
	var took []time.Duration
	var calls int
	var failure error
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range o.clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				at := time.Now()
				n, err := once(context.WithoutCancel(ctx), client, i)
				mu.Lock()
				calls += n
				if err != nil {
					failure = err
				} else {
					took = append(took, time.Since(at)/time.Duration(n))
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if failure != nil {
		return fmt.Errorf("%s: %w", name, failure)
	}
	fmt.Fprintf(out, "%s from %d clients: %.0f calls/s, a call %s\n", name, o.clients, float64(calls)/time.Since(begun).Seconds(), spread(took))
	return nil
}

func (r *rig) post(ctx context.Context, c *http.Client, operation, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.server.Endpoint()+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Amz-Target", "CodeDeploy_20141006."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	sigv4.Sign(req, root, region, "codedeploy", sigv4.Hash([]byte(body)), time.Now())
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", operation, res.Status, answer)
	}
	return nil
}
