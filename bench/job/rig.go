package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
	"crossfade/internal/wire/control"
)

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

func assemble(ctx context.Context, dir string, work time.Duration) (_ *rig, err error) {
	c := config.Default()
	c.Listen, c.Data = "127.0.0.1:0", filepath.Join(dir, "data")
	c.Revisions.Buckets = []string{"releases"}
	c.Limits.PerKey, c.Limits.PerAddress = config.Rate{}, config.Rate{} // all calls come with one key, as fast as they can
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
