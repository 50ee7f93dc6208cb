package server

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/agent/control"
	"crossfade/internal/audit"
	"crossfade/internal/config"
	"crossfade/internal/operator"
	"crossfade/internal/sigv4"
)

var testRoot = sigv4.Credential{AccessKeyID: "AKIDTEST", SecretAccessKey: "test-secret"}

func options(t *testing.T) Options {
	t.Helper()
	c := config.Default()
	c.Listen, c.Data = "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	c.Revisions.Buckets = []string{"releases"}
	return Options{Config: c, Log: slog.New(slog.DiscardHandler), Version: "test", Root: testRoot}
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func sdk(s *Server, key sigv4.Credential) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, ""),
	}
}

func page(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	answer, err := http.Get(s.Endpoint() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestAServerAnswersEveryServiceOnOneEndpointAndCountsIt(t *testing.T) {
	t.Parallel()
	var observed atomic.Int64
	o := options(t)
	o.Observe = func(service, operation, code string, _ time.Duration) {
		if service == "codedeploy" && operation == "CreateApplication" && code == "" {
			observed.Add(1)
		}
	}
	s := start(t, o)
	deploy := codedeploy.NewFromConfig(sdk(s, testRoot))
	if _, err := deploy.CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("web")}); err != nil {
		t.Fatal(err)
	}
	objects := s3.NewFromConfig(sdk(s, testRoot), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := objects.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("releases")}); err != nil {
		t.Error(err)
	}
	if observed.Load() != 1 {
		t.Errorf("CreateApplication was observed %d times", observed.Load())
	}
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ok", "/": "Crossfade",
		"/metrics": `crossfade_requests_total{code="OK",operation="CreateApplication",service="codedeploy"} 1`,
	} {
		if status, body := page(t, s, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
}

// TestARestartKeepsEverything: resources, the root key, the signer.
func TestARestartKeepsEverything(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Root = sigv4.Credential{}
	s := start(t, o)
	key := s.Root()
	if key.AccessKeyID == "" || key.SecretAccessKey == "" {
		t.Fatal("the first start shows no root key")
	}
	_, err := codedeploy.NewFromConfig(sdk(s, key)).CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("web")})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := os.ReadFile(filepath.Join(o.Config.Data, signerFile))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s = start(t, o)
	if s.Root() != (sigv4.Credential{}) {
		t.Error("the second start shows a key")
	}
	if _, err := codedeploy.NewFromConfig(sdk(s, key)).GetApplication(t.Context(), &codedeploy.GetApplicationInput{ApplicationName: aws.String("web")}); err != nil {
		t.Error(err)
	}
	again, err := os.ReadFile(filepath.Join(o.Config.Data, signerFile))
	if err != nil || string(again) != string(signer) {
		t.Errorf("the signer changed (%v)", err)
	}
}

func TestAHostMaySpeakItsProtocolAndReadBundlesOnly(t *testing.T) {
	t.Parallel()
	s := start(t, options(t))
	host := addHost(t, s)
	var denied interface{ ErrorCode() string }
	_, err := codedeploy.NewFromConfig(sdk(s, host)).ListApplications(t.Context(), &codedeploy.ListApplicationsInput{})
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDeniedException" {
		t.Errorf("ListApplications: %v", err)
	}
	// A deployment that there is not must look the same to a host as one that there is.
	_, err = codedeploy.NewFromConfig(sdk(s, host)).ContinueDeployment(t.Context(), &codedeploy.ContinueDeploymentInput{DeploymentId: aws.String("d-ABCDEFGHI"), DeploymentWaitType: types.DeploymentWaitTypeReadyWait})
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDeniedException" {
		t.Errorf("ContinueDeployment: %v", err)
	}
	objects := s3.NewFromConfig(sdk(s, host), func(o *s3.Options) { o.UsePathStyle = true })
	_, err = objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("releases"), Key: aws.String("x"), Body: strings.NewReader("x")})
	if !errors.As(err, &denied) || denied.ErrorCode() != "AccessDenied" {
		t.Errorf("PutObject: %v", err)
	}
	// Of the bundles it reads the one that a deployment brings it, while it does.
	root := s3.NewFromConfig(sdk(s, testRoot), func(o *s3.Options) { o.UsePathStyle = true })
	for _, key := range []string{"own.zip", "other.zip"} {
		if _, err := root.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("releases"), Key: &key, Body: strings.NewReader(key)}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(key string) string {
		_, err := objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("releases"), Key: &key})
		if err == nil {
			return "read"
		}
		if errors.As(err, &denied) {
			return denied.ErrorCode()
		}
		return err.Error()
	}
	if got := read("own.zip"); got != "AccessDenied" {
		t.Errorf("before the deployment: %s", got)
	}
	id := deployTo(t, s, "releases", "own.zip")
	if own, other := read("own.zip"), read("other.zip"); own != "read" || other != "AccessDenied" {
		t.Errorf("in the deployment its own bundle is %s, another %s", own, other)
	}
	if _, err := codedeploy.NewFromConfig(sdk(s, testRoot)).StopDeployment(t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &id}); err != nil {
		t.Fatal(err)
	}
	// It ends a moment after the call.
	got := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if got = read("own.zip"); got == "AccessDenied" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got != "AccessDenied" {
		t.Errorf("after the deployment: %s", got)
	}
}

// deployTo begins a deployment of a bundle to all instances with the tag Name=web-1, and returns its id.
func deployTo(t *testing.T, s *Server, bucket, key string) string {
	t.Helper()
	client := codedeploy.NewFromConfig(sdk(s, testRoot))
	_, err := client.CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("shop")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.AddTagsToOnPremisesInstances(t.Context(), &codedeploy.AddTagsToOnPremisesInstancesInput{
		InstanceNames: []string{"web-1"}, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("web-1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateDeploymentGroup(t.Context(), &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod"), ServiceRoleArn: aws.String("arn:aws:iam::000000000000:role/deploy"),
		OnPremisesInstanceTagFilters: []types.TagFilter{{Key: aws.String("Name"), Value: aws.String("web-1"), Type: types.TagFilterTypeKeyAndValue}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.CreateDeployment(t.Context(), &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod"), DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce"),
		Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{Bucket: &bucket, Key: &key, BundleType: types.BundleTypeZip}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// The targets are there once the deployment has looked for them.
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		targets, err := client.ListDeploymentTargets(t.Context(), &codedeploy.ListDeploymentTargetsInput{DeploymentId: out.DeploymentId})
		if err == nil && len(targets.TargetIds) == 1 {
			return *out.DeploymentId
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the deployment found no target")
	return ""
}

// TestHostsReadBucketsOfOtherEndpoints: another server stands for the S3 endpoint outside.
func TestHostsReadBucketsOfOtherEndpoints(t *testing.T) {
	t.Parallel()
	outside := start(t, options(t))
	up := s3.NewFromConfig(sdk(outside, testRoot), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := up.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("company-builds")}); err != nil {
		t.Fatal(err)
	}
	put, err := up.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("company-builds"), Key: aws.String("web/1.zip"), Body: strings.NewReader("a bundle")})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Config.Revisions.External = []config.ExternalBuckets{{
		Buckets: []string{"company-builds"}, Endpoint: outside.Endpoint(), PathStyle: true,
		AccessKeyID: testRoot.AccessKeyID, SecretAccessKey: testRoot.SecretAccessKey,
	}}
	s := start(t, o)
	read := s3.NewFromConfig(sdk(s, addHost(t, s)), func(o *s3.Options) { o.UsePathStyle = true })
	deployTo(t, s, "company-builds", "web/1.zip")
	got, err := read.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("company-builds"), Key: aws.String("web/1.zip")})
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(got.Body)
	if err = errors.Join(err, got.Body.Close()); err != nil || string(content) != "a bundle" || aws.ToString(got.ETag) != aws.ToString(put.ETag) {
		t.Errorf("got %q, ETag %s (%v)", content, aws.ToString(got.ETag), err)
	}
	head, err := read.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("company-builds"), Key: aws.String("web/1.zip")})
	if err != nil || aws.ToInt64(head.ContentLength) != int64(len("a bundle")) {
		t.Errorf("HeadObject: %+v, %v", head, err)
	}
	var refused interface{ ErrorCode() string }
	write := s3.NewFromConfig(sdk(s, testRoot), func(o *s3.Options) { o.UsePathStyle = true })
	_, err = write.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("company-builds"), Key: aws.String("web/2.zip")})
	if !errors.As(err, &refused) || refused.ErrorCode() != "NoSuchKey" {
		t.Errorf("a key that there is not: %v", err)
	}
	_, err = write.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("company-builds"), Key: aws.String("web/2.zip"), Body: strings.NewReader("x")})
	if !errors.As(err, &refused) || refused.ErrorCode() != "MethodNotAllowed" {
		t.Errorf("writing: %v", err)
	}
	if _, err := write.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("releases"), Key: aws.String("x"), Body: strings.NewReader("x")}); err != nil {
		t.Errorf("the built-in store beside it: %v", err)
	}
}

func addHost(t *testing.T, s *Server) sigv4.Credential {
	t.Helper()
	c := &operator.Client{Endpoint: s.Endpoint(), Region: "us-east-1", Credential: testRoot, HTTP: http.DefaultClient, Now: time.Now}
	host, err := c.AddHost(t.Context(), operator.AddHostInput{Name: aws.String("web-1")})
	if err != nil {
		t.Fatal(err)
	}
	return sigv4.Credential{AccessKeyID: *host.AccessKeyID, SecretAccessKey: *host.SecretAccessKey}
}

// TestStoppingAnswersHeldPolls: a poll is held for many seconds, and a server that stops doesn't wait for it.
func TestStoppingAnswersHeldPolls(t *testing.T) {
	t.Parallel()
	s := start(t, options(t))
	key := addHost(t, s)
	agent := &control.Client{
		Endpoint: s.Endpoint() + "/", Host: "arn:aws:iam::000000000000:user/host/web-1", Version: "test", HTTP: &http.Client{}, Now: time.Now,
		Sign: func(_ context.Context, r *http.Request, service, payload string, at time.Time) error {
			sigv4.Sign(r, key, "us-east-1", service, payload, at)
			return nil
		},
	}
	polled := make(chan error, 1)
	go func() {
		command, err := agent.Poll(t.Context())
		if command != nil {
			err = errors.New("a command came from nowhere")
		}
		polled <- err
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, body := page(t, s, "/metrics"); strings.Contains(body, "crossfade_agent_polls_held 1\n") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server holds no poll")
		}
	}
	end, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Stop(end); err != nil {
		t.Error(err)
	}
	if err := <-polled; err != nil {
		t.Errorf("the held poll got %v", err)
	}
}

// TestTheAuditLog: the operator's calls change something as much as those of the control API, the resource and what decided are named, denials
// are there, and no secret is.
func TestTheAuditLog(t *testing.T) {
	t.Parallel()
	o := options(t)
	s := start(t, o)
	host := addHost(t, s)
	if _, err := codedeploy.NewFromConfig(sdk(s, testRoot)).CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("web")}); err != nil {
		t.Fatal(err)
	}
	if _, err := codedeploy.NewFromConfig(sdk(s, testRoot)).ListApplications(t.Context(), &codedeploy.ListApplicationsInput{}); err != nil {
		t.Fatal(err)
	}
	if _, err := codedeploy.NewFromConfig(sdk(s, host)).ListApplications(t.Context(), &codedeploy.ListApplicationsInput{}); err == nil {
		t.Fatal("a host lists applications")
	}
	forged := sigv4.Credential{AccessKeyID: testRoot.AccessKeyID, SecretAccessKey: "guessed-guessed-guessed"}
	if _, err := codedeploy.NewFromConfig(sdk(s, forged)).ListApplications(t.Context(), &codedeploy.ListApplicationsInput{}); err == nil {
		t.Fatal("a guessed secret is taken")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(o.Config.Data, auditFile))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = audit.Read(bytes.NewReader(content), func(e audit.Entry) error {
		got = append(got, strings.Join([]string{e.Operation, e.Decision, e.Principal, strings.Join(e.Resources, ","), e.Statement, e.Code}, " "))
		if e.RequestID == "" || e.From != "127.0.0.1" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
		return nil
	})
	want := []string{
		"AddHost allowed arn:aws:iam::000000000000:root  the account's root ",
		"CreateApplication allowed arn:aws:iam::000000000000:root arn:aws:codedeploy:us-east-1:000000000000:application:web the account's root ",
		"ListApplications denied arn:aws:iam::000000000000:user/host/web-1   AccessDeniedException",
		"ListApplications denied    InvalidSignatureException",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if report, err := audit.Verify(bytes.NewReader(content), nil); err != nil || len(report.Problems) > 0 {
		t.Errorf("%+v %v", report, err)
	}
	for _, secret := range []string{testRoot.SecretAccessKey, host.SecretAccessKey, forged.SecretAccessKey} {
		if bytes.Contains(content, []byte(secret)) {
			t.Error("the log has a secret")
		}
	}
}

// TestTooManyCalls: SDKs and tools get an error that they try again after, and agents an empty answer.
func TestTooManyCalls(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config.Limits.PerKey = config.Rate{Rate: 0.001, Burst: 2}
	s := start(t, o)
	host := addHost(t, s)
	client := codedeploy.NewFromConfig(sdk(s, testRoot), func(o *codedeploy.Options) { o.RetryMaxAttempts = 1 })
	if _, err := client.ListApplications(t.Context(), &codedeploy.ListApplicationsInput{}); err != nil {
		t.Fatal(err)
	}
	var refused interface{ ErrorCode() string }
	if _, err := client.ListApplications(t.Context(), &codedeploy.ListApplicationsInput{}); !errors.As(err, &refused) || refused.ErrorCode() != "ThrottlingException" {
		t.Errorf("the third call: %v", err)
	}
	objects := s3.NewFromConfig(sdk(s, testRoot), func(o *s3.Options) { o.UsePathStyle, o.RetryMaxAttempts = true, 1 })
	if _, err := objects.ListBuckets(t.Context(), &s3.ListBucketsInput{}); !errors.As(err, &refused) || refused.ErrorCode() != "SlowDown" {
		t.Errorf("S3: %v", err)
	}
	for _, call := range []struct{ operation, want string }{{"PutHostCommandComplete", "ClientException"}, {"PutHostCommandComplete", "ClientException"}, {"PollHostCommand", "200 {}"}, {"PutHostCommandComplete", "ThrottlingException"}} {
		body := `{"HostIdentifier":"arn:aws:iam::000000000000:user/host/web-1"}`
		if call.operation != "PollHostCommand" {
			body = `{"HostCommandIdentifier":"x","CommandStatus":"Succeeded"}`
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint()+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "CodeDeployCommandService_v20141006."+call.operation)
		sigv4.Sign(r, host, "us-east-1", "codedeploy-commands", sigv4.Hash([]byte(body)), time.Now())
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil || !strings.Contains(strconv.Itoa(answer.StatusCode)+" "+string(content), call.want) {
			t.Errorf("%s: %s %s (%v), want %s", call.operation, answer.Status, content, err, call.want)
		}
	}
}

// TestTLS: the endpoint speaks HTTPS with the certificate that it is given.
func TestTLS(t *testing.T) {
	t.Parallel()
	made := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(made.Close)
	pair, o := made.TLS.Certificates[0], options(t)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	o.Config.TLS = config.TLS{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	for path, block := range map[string]*pem.Block{
		o.Config.TLS.Cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, o.Config.TLS.Key: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, o)
	answer, err := made.Client().Get(s.Endpoint() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK || !strings.HasPrefix(s.Endpoint(), "https://127.0.0.1:") {
		t.Errorf("%s answers %s (%v)", s.Endpoint(), answer.Status, err)
	}
}

// TestAStartThatFailsLeavesNothingOpen: what was opened before the failure is closed, so that the next start finds port and directory free.
func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	})
	group := config.TargetGroup{Name: "web", Port: 80}
	listener := config.Listener{Name: "web", Address: taken.Addr().String(), Forward: []config.Forward{{TargetGroup: "web"}}}
	for name, spoil := range map[string]func(*Options){
		"load balancer's port": func(o *Options) {
			o.Config.LoadBalancer = config.LoadBalancer{Listeners: []config.Listener{listener}, TargetGroups: []config.TargetGroup{group}}
		},
		"load balancer's forward": func(o *Options) { o.Config.LoadBalancer.Listeners = []config.Listener{listener} },
		"certificate":             func(o *Options) { o.Config.TLS = config.TLS{Cert: "missing.pem", Key: "missing.pem"} },
		"port":                    func(o *Options) { o.Config.Listen = taken.Addr().String() },
		"bucket":                  func(o *Options) { o.Config.Revisions.Buckets = []string{"A"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good := options(t)
			bad := good
			spoil(&bad)
			if _, err := Start(t.Context(), bad); err == nil {
				t.Fatal("it started")
			}
			start(t, good)
		})
	}
}

func TestADamagedSignerIsNotReplaced(t *testing.T) {
	t.Parallel()
	o := options(t)
	if err := os.MkdirAll(o.Config.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Config.Data, signerFile), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "remove it to have a new one made") {
		t.Errorf("got %v", err)
	}
}
