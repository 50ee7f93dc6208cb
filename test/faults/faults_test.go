//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/operator"
)

const (
	replicaCount = 3
	crewCount    = 5 // deployment groups
	hostsEach    = 2 // in each of their two environments
)

// TestNothingIsLost runs deployments on three servers while bad things happen, and holds afterwards: the effect of each acknowledged call is there,
// each deployment ended as it should, no lifecycle event ran twice, and no request through the load balancer failed.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	seed := *faultsSeed
	if seed == 0 {
		seed = rand.Uint64N(1 << 32)
	}
	t.Logf("the seed is %d", seed)
	s := newStage(t)
	ledger := newLedger()
	s.makeHosts(ledger)
	crews := s.makeCrews(ledger, seed)
	s.visit()

	ctx, cancel := context.WithTimeoutCause(t.Context(), *faultsFor+2*time.Minute, errors.New("the time for it is over"))
	defer cancel()
	more, enough := context.WithCancel(ctx)
	defer enough()
	var work sync.WaitGroup
	failures := make(chan error, 2*crewCount)
	for _, c := range crews {
		work.Go(func() { failures <- c.work(ctx, more) })
		clerk := *c
		work.Go(func() { failures <- clerk.clerk(ctx, more) })
	}
	c := &chaos{
		t: t, chance: rand.New(rand.NewPCG(seed, 1)), replicas: s.replicas, database: s.database, begun: time.Now(),
		busy: map[string]bool{}, done: map[string]int{},
	}
	c.run(ctx, *faultsFor)
	c.say("all is mended")
	enough()
	work.Wait()
	for range cap(failures) {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	s.check(ledger)
	made := 0
	for _, c := range crews {
		made += c.made
	}
	t.Logf("%d deployments, %d lifecycle events, %d requests, %d failed, %d applications; faults: %v", made, len(ledger.successes), s.visitors.requests.Load(),
		s.visitors.failed.Load(), len(ledger.applications), c.done)
}

// client is the control API through the front, which tries again as the SDKs do.
func (s *stage) client() *codedeploy.Client {
	return codedeploy.New(codedeploy.Options{
		Region: region, BaseEndpoint: &s.front.URL, Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, ""),
		HTTPClient: &http.Client{Timeout: 15 * time.Second},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff, o.RateLimiter = 10, 2*time.Second, unlimited{}
		}),
	})
}

// unlimited lets tries be made as often as it takes: there are more failures here than the SDK's budget is for.
type unlimited struct{}

func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (unlimited) AddTokens(uint) error { return nil }

// makeHosts makes the machines of all groups.
func (s *stage) makeHosts(l *ledger) {
	s.t.Helper()
	by := &operator.Client{Endpoint: s.front.URL, Region: region, Credential: root, HTTP: &http.Client{Timeout: 15 * time.Second}, Now: time.Now}
	for _, group := range s.groups {
		for _, colour := range colours {
			for i := range hostsEach {
				newHost(s.t, by, s.front.URL, l, fmt.Sprintf("%s-%s-%d", group, colour, i), map[string]string{"group": group, "environment": colour})
			}
		}
	}
}

// makeCrews makes the application, its bundles and its groups, each with one environment in traffic.
func (s *stage) makeCrews(l *ledger, seed uint64) []*crew {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	client := s.client()
	if _, err := client.CreateApplication(ctx, &codedeploy.CreateApplicationInput{ApplicationName: aws.String(application)}); err != nil {
		s.t.Fatal(err)
	}
	objects := s3.New(s3.Options{Region: region, BaseEndpoint: &s.front.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, "")})
	for _, key := range []string{"good.zip", badKey, "stopped.zip"} {
		if _, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader([]byte(key))}); err != nil {
			s.t.Fatal(err)
		}
	}
	var crews []*crew
	var prepared sync.WaitGroup
	for i, group := range s.groups {
		c := &crew{group: group, deploy: client, ledger: l, chance: rand.New(rand.NewPCG(seed, uint64(i)+2))}
		crews = append(crews, c)
		prepared.Go(func() {
			if err := c.prepare(ctx); err != nil {
				s.t.Error(err)
			}
		})
	}
	prepared.Wait()
	if s.t.Failed() {
		s.t.FailNow()
	}
	return crews
}

// check holds what is there against what was seen.
func (s *stage) check(l *ledger) {
	s.t.Helper()
	s.endVisits()
	if failed := s.visitors.failed.Load(); failed != 0 {
		s.t.Errorf("%d of %d requests failed; the first: %s", failed, s.visitors.requests.Load(), *s.visitors.first.Load())
	}
	for _, what := range l.twice() {
		s.t.Error(what)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	client := s.client()
	if len(l.deployments) < 2*crewCount {
		s.t.Errorf("only %d deployments came to an end: the test shows little", len(l.deployments))
	}
	for id, end := range l.deployments {
		if err := s.checkDeployment(ctx, client, l, id, end); err != nil {
			s.t.Error(err)
		}
	}
	there := map[string]bool{}
	pages := codedeploy.NewListApplicationsPaginator(client, &codedeploy.ListApplicationsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, name := range page.Applications {
			there[name] = true
		}
	}
	for name, want := range l.applications {
		if there[name] != want {
			s.t.Errorf("application %s is there: %v; what was acknowledged says %v", name, there[name], want)
		}
	}
}

// checkDeployment holds that one ended as it has to, and that its instances say what their hosts saw.
func (s *stage) checkDeployment(ctx context.Context, client *codedeploy.Client, l *ledger, id, end string) error {
	out, err := client.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return fmt.Errorf("deployment %s was acknowledged: %w", id, err)
	}
	if got := string(out.DeploymentInfo.Status); got != end {
		return fmt.Errorf("deployment %s is %s, not %s", id, got, end)
	}
	list, err := client.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil {
		return fmt.Errorf("list the targets of %s: %w", id, err)
	}
	for _, name := range list.TargetIds {
		got, err := client.GetDeploymentTarget(ctx, &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: &name})
		if err != nil {
			return fmt.Errorf("get target %s of %s: %w", name, id, err)
		}
		for _, e := range got.DeploymentTarget.InstanceTarget.LifecycleEvents {
			event := aws.ToString(e.LifecycleEventName)
			if l.successes[id+" "+name+" "+event] > 0 && e.Status != types.LifecycleEventStatusSucceeded {
				return fmt.Errorf("%s of %s on %s succeeded on its host, and the server acknowledged it; now it is %s", event, id, name, e.Status)
			}
		}
	}
	return nil
}
