package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// edge is a proxy of a stand.
type edge struct {
	*process
	name, url, admin string
}

// newProxyStand is a stand whose load balancer runs in two processes of its own. The stand's front is the first of them.
func newProxyStand(t *testing.T) (*stand, []*edge) {
	t.Helper()
	s := newStand(t)
	s.server.stop()
	path := filepath.Join(s.dir, "crossfade.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s.write("crossfade.yaml", strings.Replace(string(content), "loadBalancer:\n", "loadBalancer:\n  mode: proxies\n", 1))
	s.startServer()
	edges := []*edge{{name: "edge-1", url: s.front, admin: freeAddress(t)}, {name: "edge-2", url: "http://" + freeAddress(t), admin: freeAddress(t)}}
	for _, e := range edges {
		s.startProxy(e)
	}
	return s, edges
}

// startProxy starts a proxy, and returns when it is ready.
func (s *stand) startProxy(e *edge) {
	s.t.Helper()
	e.process = s.spawn(e.name, s.environment(), "proxy", "--name", e.name, "--dir", filepath.Join(s.dir, e.name), "--endpoint", s.endpoint,
		"--listen", "web="+strings.TrimPrefix(e.url, "http://"), "--admin", e.admin, "--log-level", "debug")
	s.until(e.name+" is ready", func() error {
		status, said, err := get("http://" + e.admin + "/readyz")
		if err == nil && status != http.StatusOK {
			err = errors.New(said)
		}
		return err
	})
}

func get(url string) (status int, said string, err error) {
	res, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), errors.Join(err, res.Body.Close())
}

// visitAt visits a proxy, as visit does the first one.
func (s *stand) visitAt(e *edge) *visitor {
	other := *s
	other.front = e.url
	return other.visit()
}

// lost fails the test when a visitor lost a request.
func (s *stand) lost(when string, visitors ...*visitor) {
	s.t.Helper()
	for i, v := range visitors {
		v.end()
		if n := v.failed.Load(); n > 0 || v.requests.Load() == 0 {
			s.t.Errorf("%s, visitor %d lost %d of %d requests, the last with %s", when, i, n, v.requests.Load(), v.failure)
		}
	}
}

// standing is what the server says of a proxy.
func (s *stand) standing(name string) (state, behind string) {
	s.t.Helper()
	var out struct {
		Proxies []struct{ Name, State, Behind string } `json:"proxies"`
	}
	if err := json.Unmarshal([]byte(s.run("proxy", "list", "--endpoint", s.endpoint, "--output", "json")), &out); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range out.Proxies {
		if p.Name == name {
			return p.State, p.Behind
		}
	}
	return "", ""
}

// TestProxies moves traffic between environments with two proxies in front, and kills the server and a proxy meanwhile: no request fails.
func TestProxies(t *testing.T) {
	t.Parallel()
	s, edges := newProxyStand(t)
	s.shop(nil)
	one, two := s.visit(), s.visitAt(edges[1])

	id := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	s.awaitStatus(id, types.DeploymentStatusReady)
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.server.kill()
	s.startServer()
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	for i, v := range []*visitor{one, two} {
		if _, last := v.answers(); last != "v2" {
			s.until(fmt.Sprintf("v2 answers at proxy %d", i), func() error {
				if _, last := v.answers(); last != "v2" {
					return fmt.Errorf("%q answers", last)
				}
				return nil
			})
		}
	}
	s.lost("in a deployment with a kill -9 of the server", one)

	// The server is away: one proxy goes on, and the other one is killed and comes back with what it knew.
	s.server.kill()
	edges[0].kill()
	s.startProxy(edges[0])
	if _, said, err := get("http://" + edges[0].admin + "/readyz"); err != nil || !strings.Contains(said, "last state") {
		t.Errorf("/readyz says %q %v", said, err)
	}
	one = s.visit()
	s.until("the killed proxy answers from its disk", func() error {
		if versions, last := one.answers(); last != "v2" || versions["v1"] > 0 {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
	before := two.requests.Load()
	s.until("the other proxy goes on", func() error {
		if two.requests.Load() < before+20 {
			return errors.New("too few requests")
		}
		return nil
	})
	s.startServer()
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	s.awaitStatus(id, types.DeploymentStatusSucceeded)
	s.lost("with the server away", one, two)
}

// TestSilentProxy kills a proxy for good in a deployment: the originals stay in traffic as far as the server knows, until the proxy is back, and for
// the next one until the operator says that it is gone.
func TestSilentProxy(t *testing.T) {
	t.Parallel()
	s, edges := newProxyStand(t)
	s.shop(func(g *codedeploy.CreateDeploymentGroupInput) {
		g.BlueGreenDeploymentConfiguration.TerminateBlueInstancesOnDeploymentSuccess.TerminationWaitTimeInMinutes = 0
	})
	one := s.visit()
	id := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	s.awaitStatus(id, types.DeploymentStatusReady)
	edges[1].kill()
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	silent := func() {
		t.Helper()
		s.until("the proxy counts as silent", func() error {
			if state, behind := s.standing("edge-2"); state != "silent" || behind == "" {
				return fmt.Errorf("it is %s, %s", state, behind)
			}
			return nil
		})
		s.until("the replacement serves", func() error {
			if _, last := one.answers(); last == "v1" {
				return errors.New("v1 answers")
			}
			return nil
		})
		// The proxy that lives has taken everything over; what is missing is the word of the one that does not.
		time.Sleep(time.Second)
	}
	silent()
	i := s.await(id, "the deployment says what it waits for", func(i *types.DeploymentInfo) bool {
		return strings.Contains(strings.Join(i.DeploymentStatusMessages, " "), "BlockTraffic waits: ")
	})
	if said := strings.Join(i.DeploymentStatusMessages, " "); !strings.Contains(said, "proxy edge-2 has been silent since") || i.Status != types.DeploymentStatusInProgress {
		t.Errorf("it is %s and says %q", i.Status, said)
	}
	s.startProxy(edges[1])
	s.awaitStatus(id, types.DeploymentStatusSucceeded)

	edges[1].kill()
	back := s.blueGreen(s.upload("v3.zip", bundle(t, "v3", nil)), func(in *codedeploy.CreateDeploymentInput) {
		*in.TargetInstances.TagFilters[0].Value = "blue"
	})
	s.awaitStatus(back, types.DeploymentStatusReady)
	s.goOn(back, types.DeploymentWaitTypeReadyWait)
	silent()
	s.run("proxy", "remove", "edge-2", "--endpoint", s.endpoint)
	s.awaitStatus(back, types.DeploymentStatusSucceeded)
	s.lost("with one proxy of two", one)

	// One that ends in good order is not waited for.
	edges[0].stop()
	if state, _ := s.standing("edge-1"); state != "" {
		t.Errorf("a proxy that has left is %s", state)
	}
}
