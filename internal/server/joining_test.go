package server

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/agent"
	"crossfade/internal/agent/enroll"
	"crossfade/internal/agent/identity"
	"crossfade/internal/awsjson/client"
	"crossfade/internal/config"
	"crossfade/internal/envelope"
	"crossfade/internal/join"
	"crossfade/internal/operator"
	"crossfade/internal/wire/control"
)

// certify writes a certificate for 127.0.0.1 and its key, and returns the certificate of the authority that signed it, in PEM.
func certify(t *testing.T) (files config.TLS, authority []byte) {
	t.Helper()
	issue := func(template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	draw := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	rootKey, leafKey := draw(), draw()
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issue(root, root, rootKey, rootKey)})
	key, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	files = config.TLS{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	for path, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: issue(leaf, root, leafKey, rootKey)}, files.Key: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files, authority
}

// bundle is a revision that installs a file.
func bundle(t *testing.T, destination string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string]string{
		"appspec.yml": "version: 0.0\nos: linux\nfile_exists_behavior: OVERWRITE\nfiles:\n- source: page\n  destination: " + destination + "\n", "page": "hello",
	} {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// counted counts renewals and lets a test wait for them.
type counted struct {
	mu   sync.Mutex
	n    int
	ring chan struct{}
}

func (c *counted) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	close(c.ring)
	c.ring = make(chan struct{})
}

func (c *counted) await(t *testing.T, n int) {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		c.mu.Lock()
		got, ring := c.n, c.ring
		c.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-ring:
		case <-late:
			t.Fatalf("%d renewals came about, not %d", got, n)
		}
	}
}

// TestAHostEnrolsDeploysRenewsAndIsRemoved is the life of a host over TLS, with sessions of a few seconds, so that the later deployment is carried out
// with credentials that the host has renewed by itself.
func TestAHostEnrolsDeploysRenewsAndIsRemoved(t *testing.T) {
	t.Parallel()
	o := options(t)
	var authority []byte
	o.Config.TLS, authority = certify(t)
	o.HostSession = 3 * time.Second
	s := start(t, o)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	root := sdk(s, testRoot)
	web := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) { tr.TLSClientConfig = &tls.Config{RootCAs: pool} })
	root.HTTPClient = web
	operators := &operator.Client{Endpoint: s.Endpoint(), Region: "us-east-1", Credential: testRoot, HTTP: &http.Client{Transport: web.GetTransport()}, Now: time.Now}

	made, err := operators.CreateJoinToken(t.Context(), operator.CreateJoinTokenInput{Name: new("web-1"), Tags: []control.Tag{{Key: new("Group"), Value: new("web")}}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := join.ParseToken(*made.Token)
	if err != nil || token.Endpoint != s.Endpoint() {
		t.Fatalf("the token is %+v, %v", token, err)
	}
	dir := enroll.Directory(filepath.Join(t.TempDir(), "agent"))
	host, err := enroll.Enroll(t.Context(), enroll.Options{Token: token, Directory: dir, Authorities: authority, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	settings, err := dir.Load()
	if err != nil {
		t.Fatal(err)
	}
	id, note, err := identity.Load(settings.Host)
	if err != nil || note != "" || id.Host != host.ARN {
		t.Fatalf("the identity is %+v (%s), %v", id, note, err)
	}
	signers, err := os.ReadFile(settings.SignerCA)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(signers)

	renewals := &counted{ring: make(chan struct{})}
	renewer := &enroll.Renewer{Directory: dir, Now: time.Now, Chance: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler), Renewed: func() {
		id.Refresh()
		renewals.add()
	}}
	run, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { renewer.Run(run) })
	running.Go(func() {
		err := agent.Run(run, agent.Options{
			Endpoint: settings.Endpoint, Identity: id, Root: filepath.Join(string(dir), "root"), Version: "test", Log: slog.New(slog.DiscardHandler), RootCAs: pool,
			Trust: envelope.Trust{Roots: trusted},
		})
		if err != nil {
			t.Errorf("the agent: %v", err)
		}
	})

	objects := s3.NewFromConfig(root, func(o *s3.Options) { o.UsePathStyle = true })
	destination := filepath.Join(t.TempDir(), "www")
	if _, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("releases"), Key: aws.String("web.zip"), Body: bytes.NewReader(bundle(t, destination))}); err != nil {
		t.Fatal(err)
	}
	deploys := codedeploy.NewFromConfig(root)
	if _, err := deploys.CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("web")}); err != nil {
		t.Fatal(err)
	}
	_, err = deploys.CreateDeploymentGroup(t.Context(), &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: aws.String("web"), DeploymentGroupName: aws.String("web"), ServiceRoleArn: aws.String("arn:aws:iam::000000000000:role/deploy"),
		OnPremisesInstanceTagFilters: []types.TagFilter{{Key: aws.String("Group"), Value: aws.String("web"), Type: types.TagFilterTypeKeyAndValue}},
	})
	if err != nil {
		t.Fatal(err)
	}
	deploy := func() types.DeploymentStatus {
		t.Helper()
		made, err := deploys.CreateDeployment(t.Context(), &codedeploy.CreateDeploymentInput{
			ApplicationName: aws.String("web"), DeploymentGroupName: aws.String("web"), DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce"),
			Revision: &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
				Bucket: aws.String("releases"), Key: aws.String("web.zip"), BundleType: types.BundleTypeZip,
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			got, err := deploys.GetDeployment(t.Context(), &codedeploy.GetDeploymentInput{DeploymentId: made.DeploymentId})
			if err != nil {
				t.Fatal(err)
			}
			if got.DeploymentInfo.CompleteTime != nil || time.Now().After(end) {
				return got.DeploymentInfo.Status
			}
		}
	}
	if got := deploy(); got != types.DeploymentStatusSucceeded {
		t.Fatalf("the deployment is %s", got)
	}
	if content, err := os.ReadFile(filepath.Join(destination, "page")); err != nil || string(content) != "hello" {
		t.Errorf("installed is %q, %v", content, err)
	}
	first, err := dir.Session()
	if err != nil {
		t.Fatal(err)
	}
	// Three renewals are longer than the first session.
	renewals.await(t, 3)
	if got := deploy(); got != types.DeploymentStatusSucceeded {
		t.Errorf("the deployment with renewed credentials is %s", got)
	}
	now, err := dir.Session()
	if err != nil || now.SessionToken == first.SessionToken || !now.ExpiresAt.After(host.Session.ExpiresAt) {
		t.Errorf("the credentials hold until %s, at first until %s (%v)", now.ExpiresAt, host.Session.ExpiresAt, err)
	}

	if err := operators.RemoveHost(t.Context(), operator.RemoveHostInput{Name: new("web-1")}); err != nil {
		t.Fatal(err)
	}
	var refused *operator.Refusal
	if _, err := renewer.Renew(t.Context()); !errors.As(err, &refused) || refused.Code != "HostNotEnrolledException" {
		t.Errorf("a removed host's renewal: %v", err)
	}
	if got := deploy(); got == types.DeploymentStatusSucceeded {
		t.Error("a removed host was deployed to")
	}
	// Another host of the name is another host: it has nothing of what the first one still holds.
	again, err := operators.CreateJoinToken(t.Context(), operator.CreateJoinTokenInput{Name: new("web-1")})
	if err != nil {
		t.Fatal(err)
	}
	if token, err = join.ParseToken(*again.Token); err != nil {
		t.Fatal(err)
	}
	second, err := enroll.Enroll(t.Context(), enroll.Options{Token: token, Directory: enroll.Directory(filepath.Join(t.TempDir(), "agent")), Authorities: authority, Now: time.Now})
	if err != nil || second.ARN == host.ARN || !strings.Contains(second.ARN, ":assumed-role/crossfade-host/web-1@") {
		t.Errorf("enrolled again as %+v, %v", second, err)
	}
	if _, err := renewer.Renew(t.Context()); !errors.As(err, &refused) {
		t.Errorf("the first host's renewal: %v", err)
	}
}

// TestAHostThatWasOffRenewsWhatHasExpired holds what an expired session is still good for, and until when.
func TestAHostThatWasOffRenewsWhatHasExpired(t *testing.T) {
	t.Parallel()
	var past atomic.Int64
	begun := time.Now()
	now := func() time.Time { return begun.Add(time.Duration(past.Load())) }
	o := options(t)
	o.Now = now
	s := start(t, o)
	operators := &operator.Client{Endpoint: s.Endpoint(), Region: "us-east-1", Credential: testRoot, HTTP: http.DefaultClient, Now: now}
	made, err := operators.CreateJoinToken(t.Context(), operator.CreateJoinTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := join.ParseToken(*made.Token)
	if err != nil {
		t.Fatal(err)
	}
	dir := enroll.Directory(filepath.Join(t.TempDir(), "agent"))
	host, err := enroll.Enroll(t.Context(), enroll.Options{Token: token, Directory: dir, Name: "web-1", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	renewer := &enroll.Renewer{Directory: dir, Now: now, Chance: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler)}
	poll := func() error {
		session, err := dir.Session()
		if err != nil {
			t.Fatal(err)
		}
		c := client.Client{
			Endpoint: s.Endpoint(), Region: "us-east-1", Service: "codedeploy-commands", Target: "CodeDeployCommandService_v20141006", Credential: session.Credential,
			HTTP: http.DefaultClient, Now: now, MaxAnswer: 1 << 16,
		}
		return c.Call(t.Context(), "GetDeploymentSpecification", map[string]string{"HostIdentifier": host.ARN, "DeploymentExecutionId": "a/b/c/d"}, nil)
	}
	says := func(err error, code string) {
		t.Helper()
		var refused *client.Refusal
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("refused with %v, want %s", err, code)
		}
	}
	says(poll(), "ClientException") // it may ask, and there is no such deployment
	past.Add(int64(29 * 24 * time.Hour))
	says(poll(), "ExpiredTokenException")
	if _, err := renewer.Renew(t.Context()); err != nil {
		t.Error(err)
	}
	says(poll(), "ClientException")
	past.Add(int64(31 * 24 * time.Hour))
	_, err = renewer.Renew(t.Context())
	says(err, "ExpiredTokenException")

	// A join token is good for nothing but to enrol, and for an hour.
	if made, err = operators.CreateJoinToken(t.Context(), operator.CreateJoinTokenInput{}); err != nil {
		t.Fatal(err)
	}
	if token, err = join.ParseToken(*made.Token); err != nil {
		t.Fatal(err)
	}
	thief := *operators
	thief.Credential = token.Credential()
	_, err = thief.CreateJoinToken(t.Context(), operator.CreateJoinTokenInput{})
	says(err, "AccessDeniedException")
	_, err = thief.AddHost(t.Context(), operator.AddHostInput{Name: new("web-2")})
	says(err, "AccessDeniedException")
	past.Add(int64(time.Hour))
	_, err = enroll.Enroll(t.Context(), enroll.Options{Token: token, Directory: dir, Again: true, Name: "web-2", Now: now})
	says(err, "ExpiredTokenException")
}
