package server

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/config"
	"crossfade/internal/operator"
	"crossfade/internal/sigv4"
	"crossfade/internal/traffic/feed"
)

// TestProxiesThroughTheEndpoint follows with the identities of users, each of which may only what its policies say, and whose names are their own.
func TestProxiesThroughTheEndpoint(t *testing.T) {
	t.Parallel()
	o := identityOptions(t)
	o.Config.LoadBalancer = config.LoadBalancer{
		Mode:         config.BalancerProxies,
		Listeners:    []config.Listener{{Name: "web", Address: "127.0.0.1:0", Forward: []config.Forward{{TargetGroup: "web"}}}},
		TargetGroups: []config.TargetGroup{{Name: "web", Port: 80}},
	}
	s := start(t, o)
	p := newPython(t, s)
	client := func(user string) *operator.Client {
		t.Helper()
		p.must("iam", "CreateUser", nil, params{"UserName": user})
		key := keyOf(t, p.must("iam", "CreateAccessKey", nil, params{"UserName": user}), "AccessKey")
		return &operator.Client{Endpoint: s.Endpoint(), Region: identityRegion, HTTP: http.DefaultClient, Now: time.Now,
			Credential: sigv4.Credential{AccessKeyID: fmt.Sprint(key[0]), SecretAccessKey: fmt.Sprint(key[1])}}
	}
	allow := func(user string) {
		p.must("iam", "PutUserPolicy", nil, params{"UserName": user, "PolicyName": "proxy", "PolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
			"Action":["crossfade:FollowTargetGroups","crossfade:ReportTargetGroups","crossfade:LeaveTargetGroups"],"Resource":"*"}]}`})
	}
	refused := func(err error, code string) {
		t.Helper()
		var r *operator.Refusal
		if !errors.As(err, &r) || r.Code != code {
			t.Fatalf("refused with %v, want %s", err, code)
		}
	}
	edge, thief := client("edge"), client("thief")
	id := feed.Identity{Name: "edge-1", ID: "dir", Session: "s"}
	_, err := edge.Follow(t.Context(), feed.Question{Identity: id})
	refused(err, "AccessDeniedException")
	allow("edge")
	allow("thief")
	answer, err := edge.Follow(t.Context(), feed.Question{Identity: id})
	if err != nil {
		t.Fatal(err)
	}
	if !answer.Full || !strings.Contains(string(answer.Configuration), `"listeners":[{"name":"web"`) || answer.LeaseSeconds != 15 {
		t.Errorf("the answer is %+v", answer)
	}
	_, err = thief.Follow(t.Context(), feed.Question{Identity: id})
	refused(err, string(operator.ProxyNameTaken))
	_, err = edge.Follow(t.Context(), feed.Question{Identity: feed.Identity{Name: "no name!", ID: "dir", Session: "s"}})
	refused(err, "ValidationException")

	report := feed.Report{Identity: id, Sequence: 1, Epoch: answer.Epoch, Applied: answer.Last, Digest: answer.Digest,
		Targets: []feed.Target{{TargetGroup: "web", Instance: "i-1", State: "healthy"}}}
	if err := edge.Report(t.Context(), report); !errors.Is(err, feed.ErrResync) {
		t.Errorf("a report that is not full: %v", err)
	}
	report.Full = true
	if err := edge.Report(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	report.Name = "edge-2"
	if err := edge.Report(t.Context(), report); !errors.Is(err, feed.ErrUnknownProxy) {
		t.Errorf("a report of a proxy that never followed: %v", err)
	}
	_, err = edge.ListProxies(t.Context())
	refused(err, "AccessDeniedException")
	refused(edge.RemoveProxy(t.Context(), "edge-1"), "AccessDeniedException")
	root := &operator.Client{Endpoint: s.Endpoint(), Region: identityRegion, Credential: testRoot, HTTP: http.DefaultClient, Now: time.Now}
	known, err := root.ListProxies(t.Context())
	if err != nil || len(known.Proxies) != 1 || known.Proxies[0].State != "live" || known.Proxies[0].Behind != "" || !strings.HasSuffix(known.Proxies[0].Principal, "user/edge") {
		t.Errorf("known are %+v %v", known, err)
	}
	if err := thief.Leave(t.Context(), id); err != nil {
		t.Error(err)
	}
	if known, err := root.ListProxies(t.Context()); err != nil || len(known.Proxies) != 1 {
		t.Errorf("somebody else took it away: %+v %v", known, err)
	}
	if err := edge.Leave(t.Context(), id); err != nil {
		t.Error(err)
	}
	refused(root.RemoveProxy(t.Context(), "edge-1"), string(operator.ProxyDoesNotExist))

	// What proxies ask and report all the time is not in the audit log; that it was denied is, and that one was removed.
	entries, err := os.ReadFile(filepath.Join(o.Config.Data, auditFile))
	if err != nil {
		t.Fatal(err)
	}
	for operation, want := range map[string]int{"FollowTargetGroups": 1, "ReportTargetGroups": 0, "RemoveProxy": 2} {
		if got := strings.Count(string(entries), fmt.Sprintf(`"operation":%q`, operation)); got != want {
			t.Errorf("%s is %d times in the audit log, want %d", operation, got, want)
		}
	}
}

// TestProxiesOfAnEmbeddedBalancer holds that a proxy is told what is wrong.
func TestProxiesOfAnEmbeddedBalancer(t *testing.T) {
	t.Parallel()
	s := start(t, options(t))
	c := &operator.Client{Endpoint: s.Endpoint(), Region: "us-east-1", Credential: testRoot, HTTP: http.DefaultClient, Now: time.Now}
	_, err := c.Follow(t.Context(), feed.Question{Identity: feed.Identity{Name: "edge-1", ID: "dir", Session: "s"}})
	if err == nil || !strings.Contains(err.Error(), "set loadBalancer.mode to proxies") {
		t.Errorf("got %v", err)
	}
}
