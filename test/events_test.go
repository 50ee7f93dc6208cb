package test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/sigv4"
)

// listening is one connection to the stream of events.
type listening struct {
	heard inbox[heard]
	ended chan struct{}
}

type heard struct {
	id    int64
	event event
}

// listen reads the stream until the server or the test ends it.
func (s *stand) listen(key sigv4.Credential, path, lastEventID string) *listening {
	s.t.Helper()
	res := s.signed(key, path, lastEventID)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%s answers %s, %s", path, res.Status, res.Header.Get("Content-Type"))
	}
	l := &listening{ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		var h heard
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() { // until it is cut off
			name, value, _ := strings.Cut(lines.Text(), ": ")
			var err error
			switch name {
			case "id":
				h.id, err = strconv.ParseInt(value, 10, 64)
			case "data":
				if err = exactly([]byte(value), &h.event); err == nil {
					l.heard.put(h)
				}
				h = heard{}
			}
			if err != nil {
				s.t.Errorf("%v: %s", err, lines.Text())
			}
		}
	}()
	s.t.Cleanup(func() { s.server.stop(); <-l.ended })
	return l
}

// until waits for a state of the deployment.
func (l *listening) until(s *stand, state string) {
	s.t.Helper()
	s.until("the stream tells "+state, func() error {
		for _, h := range l.heard.have() {
			if h.event.Detail.InstanceID == "" && h.event.Detail.State == state {
				return nil
			}
		}
		return fmt.Errorf("it told %v", l.heard.have())
	})
}

// TestEvents follows a deployment on the stream of events through kill -9 of the server, on a webhook, and by crossfade wait with and without the
// stream.
func TestEvents(t *testing.T) {
	t.Parallel()
	hook := receive(t, nil)
	s := newStand(t)
	// A root of another account, whose key remains when the server goes back to its own.
	s.server.stop()
	other := sigv4.Credential{AccessKeyID: "AKIDOTHER", SecretAccessKey: "other-secret-other-secret"}
	elsewhere := s.spawn("server-of-another", s.environment("CROSSFADE_ACCOUNT=111122223333", "CROSSFADE_ROOT_ACCESS_KEY_ID="+other.AccessKeyID,
		"CROSSFADE_ROOT_SECRET_ACCESS_KEY="+other.SecretAccessKey, "CROSSFADE_REVISIONS_BUCKETS=[of-another]"), "server", "--config", s.dir+"/crossfade.yaml")
	s.until("it answers", func() error {
		res, err := http.Get(s.endpoint + "/readyz")
		if err == nil {
			err = res.Body.Close()
		}
		return err
	})
	elsewhere.stop()
	s.configured("notifications:\n  webhooks:\n" + hook.telling("all", topics+"none", true))
	s.addHost("green-1", "green")
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
	const path = "/events?application=shop"
	if got := s.signed(sigv4.Credential{}, path, "").StatusCode; got < 400 || got >= 500 {
		t.Errorf("unsigned, the stream is answered with %d", got)
	}
	before := s.listen(rootCredential, path, "")

	s.touch("hold", "green-1")
	id := s.blueGreen(s.upload("v1.zip", heldBundle(t, "v1")), nil)
	s.awaitRun("green-1", id, "BeforeInstall")
	cut := s.cutting(t)
	direct, alone := s.begun("wait", id, "--for", "ready"), cut.on.begun("wait", id, "--for", "ready")
	<-cut.listens
	cut.cut()
	s.remove("hold", "green-1")
	for name, wait := range map[string]func() ended{"with the stream": direct, "when the stream is cut": alone} {
		if e := wait(); e.code != 0 || !strings.Contains(e.out, "reached: ready") {
			t.Errorf("%s the wait ends with %+v", name, e)
		}
	}
	before.until(s, "READY")
	s.server.kill()
	s.startServer()
	told := before.heard.have()
	after := s.listen(rootCredential, path, strconv.FormatInt(told[len(told)-1].id, 10))
	none := s.listen(other, "/events?after=0", "")
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.succeeds(id)
	after.until(s, "SUCCESS")
	all := s.listen(rootCredential, path+"&after=0", "")
	all.until(s, "SUCCESS")
	s.until("the webhook was told of the success", func() error {
		if got := hook.state.have(); len(got) < 6 {
			return fmt.Errorf("told was %v", got)
		}
		return nil
	})
	s.server.stop()
	<-none.ended

	if got := none.heard.have(); len(got) != 0 {
		t.Errorf("another account hears %v", got)
	}
	same := func(a, b heard) bool { return a.id == b.id && a.event.ID == b.event.ID }
	joined := append(told, after.heard.have()...)
	if whole := all.heard.have(); !slices.EqualFunc(joined, whole, same) {
		t.Errorf("in two parts the stream told\n%+v, in one\n%+v", joined, whole)
	}
	if posted := hook.state.have(); !slices.EqualFunc(joined, posted, func(h heard, e event) bool { return h.event.ID == e.ID && h.event.Detail == e.Detail }) {
		t.Errorf("the stream told\n%+v, the webhook\n%+v", joined, posted)
	}
	var states []string
	for _, h := range joined {
		e := h.event
		states = append(states, strings.TrimSpace(e.Detail.InstanceID+" "+e.Detail.State))
		at, err := time.Parse(time.RFC3339, e.Time)
		kind := "Deployment"
		if e.Detail.InstanceID != "" {
			kind = "Instance"
		}
		if err != nil || at.Location() != time.UTC || e.Version != "0" || e.DetailType != "CodeDeploy "+kind+" State-change Notification" || e.Source != "aws.codedeploy" ||
			e.Account != "000000000000" || e.Region != region || e.Detail.Region != region || e.Detail.DeploymentID != id || e.Detail.Application != "shop" ||
			e.Detail.DeploymentGroup != "prod" || e.Detail.InstanceGroupID == "" || !slices.Contains(e.Resources, groupARN("shop", "prod")) {
			t.Errorf("an event is not as documented: %+v", e)
		}
	}
	if want := []string{"START", "green-1 START", "green-1 READY", "READY", "green-1 SUCCESS", "SUCCESS"}; !slices.Equal(states, want) {
		t.Errorf("the states are %q, want %q", states, want)
	}
}

// cutting is a way to the server on which the stream of events can be cut.
type cutting struct {
	on      *stand
	listens chan struct{} // closed when the stream has been asked for
	cut     func()
}

func (s *stand) cutting(t *testing.T) cutting {
	t.Helper()
	u, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	// The address that is asked is signed.
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.Host = r.In.Host }}
	listens := make(chan struct{})
	once := sync.OnceFunc(func() { close(listens) })
	broken, cut := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			once()
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(broken, cancel)()
			r = r.WithContext(ctx)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { cut(); server.Close() })
	on := *s
	on.endpoint = server.URL
	return cutting{on: &on, listens: listens, cut: cut}
}
