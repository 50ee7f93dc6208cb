package operator

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// registry is the control API's registration and the keys, in memory.
type registry struct {
	instances  map[string][]control.Tag
	keys       map[string]auth.Record
	made       int
	failTags   error
	failKeys   error
	tokens     map[string]string
	identities map[string]string // of those that are EC2 instances
}

func (r *registry) AddGitHubAccountToken(_ context.Context, name, token string) error {
	if name == "" {
		return wire.Errorf(control.GitHubAccountTokenNameRequiredException, "tokenName is required.")
	}
	r.tokens[name] = token
	return nil
}

func (r *registry) RegisterOnPremisesInstance(_ context.Context, in *control.RegisterOnPremisesInstanceInput) error {
	if _, ok := r.instances[*in.InstanceName]; ok {
		return wire.Errorf(control.InstanceNameAlreadyRegisteredException, "An instance is already registered under the name %s.", *in.InstanceName)
	}
	r.instances[*in.InstanceName] = []control.Tag{}
	return nil
}

func (r *registry) RegisterEC2Host(ctx context.Context, name, identity string) error {
	r.identities[name] = identity
	return r.RegisterOnPremisesInstance(ctx, &control.RegisterOnPremisesInstanceInput{InstanceName: &name})
}

func (r *registry) AddTagsToOnPremisesInstances(_ context.Context, in *control.AddTagsToOnPremisesInstancesInput) error {
	if r.failTags != nil {
		return r.failTags
	}
	r.instances[in.InstanceNames[0]] = in.Tags
	return nil
}

func (r *registry) GetOnPremisesInstance(_ context.Context, in *control.GetOnPremisesInstanceInput) (*control.GetOnPremisesInstanceOutput, error) {
	if _, ok := r.instances[*in.InstanceName]; !ok {
		return nil, wire.Errorf(control.InstanceNotRegisteredException, "No instance is registered under the name %s.", *in.InstanceName)
	}
	info := &control.InstanceInfo{InstanceArn: new("arn:instance/" + *in.InstanceName)}
	if identity := r.identities[*in.InstanceName]; identity != "" {
		info.IamUserArn = &identity
	}
	return &control.GetOnPremisesInstanceOutput{InstanceInfo: info}, nil
}

func (r *registry) DeregisterOnPremisesInstance(_ context.Context, in *control.DeregisterOnPremisesInstanceInput) error {
	delete(r.instances, *in.InstanceName)
	return nil
}

func (r *registry) Create(_ context.Context, p auth.Principal) (sigv4.Credential, error) {
	if r.failKeys != nil {
		return sigv4.Credential{}, r.failKeys
	}
	r.made++
	id := "AKIA" + strings.Repeat("X", r.made)
	r.keys[id] = auth.Record{AccessKeyID: id, Principal: p}
	return sigv4.Credential{AccessKeyID: id, SecretAccessKey: "secret"}, nil
}

func (r *registry) List(_ context.Context, account, arn string) ([]auth.Record, error) {
	var found []auth.Record
	for _, k := range r.keys {
		if k.Principal.Account == account && k.Principal.ARN == arn {
			found = append(found, k)
		}
	}
	return found, nil
}

func (r *registry) Delete(_ context.Context, id string) error {
	delete(r.keys, id)
	return nil
}

// serve is an endpoint with the service and without an edge: everyone is root.
func serve(t *testing.T, r *registry) *Client {
	t.Helper()
	h, err := awsjson.New(awsjson.Config{
		Services: []wire.Service{Describe(&Service{Instances: r, Keys: r, Tokens: r, Region: "eu-test-1"})}, Strict: true,
		Log: slog.New(slog.DiscardHandler), NewRequestID: func() string { return "id" },
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !strings.Contains(q.Header.Get("Authorization"), "/eu-test-1/crossfade/aws4_request") {
			t.Errorf("the call isn't signed: %v", q.Header)
		}
		root := auth.Caller{Principal: auth.Principal{ARN: auth.RootARN("000000000000"), Account: "000000000000", Kind: auth.Root}}
		h.ServeHTTP(w, q.WithContext(auth.WithCaller(q.Context(), root)))
	}))
	t.Cleanup(s.Close)
	return &Client{Endpoint: s.URL, Region: "eu-test-1", Credential: sigv4.Credential{AccessKeyID: "A", SecretAccessKey: "B"}, HTTP: s.Client(), Now: time.Now}
}

func empty() *registry {
	return &registry{instances: map[string][]control.Tag{}, keys: map[string]auth.Record{}, tokens: map[string]string{}, identities: map[string]string{}}
}

func TestAHostIsMadeAndTakenAway(t *testing.T) {
	t.Parallel()
	r := empty()
	c := serve(t, r)
	tag := control.Tag{Key: new("Environment"), Value: new("blue")}
	out, err := c.AddHost(t.Context(), AddHostInput{Name: new("web 1"), Tags: []control.Tag{tag}})
	if err != nil {
		t.Fatal(err)
	}
	if *out.IAMUserARN != "arn:aws:iam::000000000000:user/host/web%201" || *out.ARN != "arn:instance/web 1" || *out.Region != "eu-test-1" || *out.SecretAccessKey != "secret" {
		t.Errorf("got %+v", out)
	}
	if p := r.keys[*out.AccessKeyID].Principal; p.Kind != auth.Host || p.ARN != *out.IAMUserARN {
		t.Errorf("the key is of %+v", p)
	}
	if tags := r.instances["web 1"]; len(tags) != 1 || *tags[0].Value != "blue" {
		t.Errorf("tags %v", tags)
	}
	var refused *Refusal
	if _, err := c.AddHost(t.Context(), AddHostInput{Name: new("web 1")}); !errors.As(err, &refused) || refused.Code != "InstanceNameAlreadyRegisteredException" {
		t.Errorf("the name twice: %v", err)
	}
	if len(r.keys) != 1 {
		t.Errorf("a refusal changed the keys: %v", r.keys)
	}
	if err := c.RemoveHost(t.Context(), RemoveHostInput{Name: new("web 1")}); err != nil {
		t.Fatal(err)
	}
	if len(r.keys) != 0 || len(r.instances) != 0 {
		t.Errorf("left behind: %v %v", r.keys, r.instances)
	}
}

func TestAnEarlierHostsKeyEnds(t *testing.T) {
	t.Parallel()
	r := empty()
	c := serve(t, r)
	first, err := c.AddHost(t.Context(), AddHostInput{Name: new("web")})
	if err != nil {
		t.Fatal(err)
	}
	delete(r.instances, "web") // deregistered over the control API
	if _, err := c.AddHost(t.Context(), AddHostInput{Name: new("web")}); err != nil {
		t.Fatal(err)
	}
	if _, there := r.keys[*first.AccessKeyID]; there || len(r.keys) != 1 {
		t.Errorf("keys: %v", r.keys)
	}
}

func TestARefusalLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*registry{
		"tags": {failTags: wire.Errorf(control.InvalidTagException, "tags[0] has no Key.")},
		"keys": {failKeys: errors.New("disk full")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.instances, r.keys = map[string][]control.Tag{}, map[string]auth.Record{}
			_, err := serve(t, r).AddHost(t.Context(), AddHostInput{Name: new("web"), Tags: []control.Tag{{}}})
			if err == nil || len(r.instances) != 0 || len(r.keys) != 0 {
				t.Errorf("error %v, left behind %v %v", err, r.instances, r.keys)
			}
		})
	}
}

func TestANameIsRequired(t *testing.T) {
	t.Parallel()
	c := serve(t, empty())
	for _, name := range []*string{nil, new("")} {
		var refused *Refusal
		if _, err := c.AddHost(t.Context(), AddHostInput{Name: name}); !errors.As(err, &refused) || refused.Code != "ValidationException" {
			t.Errorf("got %v", err)
		}
	}
}

func TestAGitHubTokenIsKept(t *testing.T) {
	t.Parallel()
	r := empty()
	c := serve(t, r)
	if err := c.AddGitHubToken(t.Context(), AddGitHubTokenInput{Name: new("shop"), Token: new("ghp_1")}); err != nil {
		t.Fatal(err)
	}
	if len(r.tokens) != 1 || r.tokens["shop"] != "ghp_1" {
		t.Errorf("kept %v", r.tokens)
	}
	var refused *Refusal
	if err := c.AddGitHubToken(t.Context(), AddGitHubTokenInput{}); !errors.As(err, &refused) || refused.Code != "GitHubAccountTokenNameRequiredException" {
		t.Errorf("without a name: %v", err)
	}
}

// TestAHostMayBeAnEC2Instance holds that the key of such a host is its instance's, and ends with it.
func TestAHostMayBeAnEC2Instance(t *testing.T) {
	t.Parallel()
	r := empty()
	c := serve(t, r)
	const identity = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"
	out, err := c.AddHost(t.Context(), AddHostInput{Name: new("web"), Identity: new(identity)})
	if err != nil || *out.IAMUserARN != identity || r.keys[*out.AccessKeyID].Principal != (auth.Principal{ARN: identity, Account: "000000000000", Kind: auth.Host}) {
		t.Fatalf("added %+v with keys %+v, %v", out, r.keys, err)
	}
	if err := c.RemoveHost(t.Context(), RemoveHostInput{Name: new("web")}); err != nil || len(r.keys) > 0 || len(r.instances) > 0 {
		t.Errorf("after the removal: keys %+v, instances %v, %v", r.keys, r.instances, err)
	}
}
