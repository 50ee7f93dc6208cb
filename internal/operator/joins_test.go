package operator_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/deploy"
	"crossfade/internal/engine"
	"crossfade/internal/fleet"
	"crossfade/internal/join"
	"crossfade/internal/operator"
	"crossfade/internal/store"
	"crossfade/internal/store/sqlite"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const account = "000000000000"

// world is the service over a real control API, real keys and a real store; the clock is played.
type world struct {
	*testing.T
	operator *operator.Service
	keys     *auth.Keys
	store    *sqlite.Store
	mu       sync.Mutex
	at       time.Time
	names    atomic.Int64
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) UUID() string         { return fmt.Sprintf("uuid-%d", w.names.Add(1)) }
func (w *world) Letters(n int) string { return fmt.Sprintf("%0*d", n, w.names.Add(1)) }

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, store: s, at: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	secret := []byte(strings.Repeat("k", auth.KeySize))
	if w.keys, err = auth.NewKeys(s.Keys(), secret, w.now); err != nil {
		t.Fatal(err)
	}
	sealer, err := auth.NewSealer(secret, "tokens")
	if err != nil {
		t.Fatal(err)
	}
	controls, err := api.New(api.Config{
		Store: s, Engine: (*engine.Service)(nil), Fleet: fleet.Registered{Instances: s}, Sealer: sealer, Now: w.now, IDs: w, Region: "eu-test-1", TokenKey: secret,
		Caller: func(ctx context.Context) api.Caller {
			c, _ := auth.FromContext(ctx)
			return api.Caller{Account: c.Account, ARN: c.ARN}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.operator = &operator.Service{
		Instances: controls, Keys: w.keys, Tokens: controls, Region: "eu-test-1",
		Joining: operator.Joining{
			Tokens: s, Hosts: s, Sessions: w.keys, Now: w.now, Endpoint: "https://deploy.example.com",
			Authority: strings.Repeat("ab", 32), Signers: "the signers",
		},
	}
	return w
}

func root(ctx context.Context) context.Context {
	return auth.WithCaller(ctx, auth.Caller{Principal: auth.Principal{ARN: auth.RootARN(account), Account: account, Kind: auth.Root}})
}

// as is a call that is signed with a key, as the edge identifies it.
func (w *world) as(id, sessionToken string) context.Context {
	w.Helper()
	p, err := w.keys.Principal(w.Context(), id, sessionToken)
	if err != nil {
		w.Fatal(err)
	}
	return auth.WithCaller(w.Context(), auth.Caller{Principal: p, AccessKeyID: id})
}

func (w *world) token(in operator.CreateJoinTokenInput) join.Token {
	w.Helper()
	out, err := w.operator.CreateJoinToken(root(w.Context()), &in)
	if err != nil {
		w.Fatal(err)
	}
	t, err := join.ParseToken(*out.Token)
	if err != nil {
		w.Fatal(err)
	}
	if t.AccessKeyID != *out.ID || t.Region != "eu-test-1" || t.Endpoint != "https://deploy.example.com" || t.Authority != strings.Repeat("ab", 32) {
		w.Errorf("the token is %+v", t)
	}
	return t
}

func (w *world) enrol(t join.Token, name string, tags ...control.Tag) (*join.EnrollHostOutput, error) {
	in := &join.EnrollHostInput{Tags: tags}
	if name != "" {
		in.Name = &name
	}
	return w.operator.EnrollHost(w.as(t.AccessKeyID, ""), in)
}

func (w *world) renew(s *join.Session) error {
	_, err := w.operator.RenewHostCredentials(w.as(*s.AccessKeyID, *s.SessionToken), &join.RenewHostCredentialsInput{})
	return err
}

func (w *world) instance(name string) deploy.Instance {
	w.Helper()
	i, err := w.store.Instance(w.Context(), account, name)
	if err != nil {
		w.Fatal(err)
	}
	return i
}

func refused(t *testing.T, err error, code wire.Code, text string) {
	t.Helper()
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("refused with %v, want %s: … %s …", err, code, text)
	}
}

func tag(key, value string) control.Tag { return control.Tag{Key: &key, Value: &value} }

func TestAHostEnrols(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.token(operator.CreateJoinTokenInput{Name: new("web@1"), Tags: []control.Tag{tag("Environment", "blue")}, OwnTags: new(true)})
	if token.Name != "web@1" {
		t.Errorf("the token is for %q", token.Name)
	}
	out, err := w.enrol(token, "", tag("crossfade:address", "10.0.0.7:80"))
	if err != nil {
		t.Fatal(err)
	}
	i := w.instance("web@1")
	if *out.Name != i.Name || *out.ARN != i.ARN || *out.IAMSessionARN != i.IAMSessionARN || i.IAMUserARN != "" || *out.Region != "eu-test-1" || *out.SignerCertificates != "the signers" {
		t.Errorf("got %+v, registered %+v", out, i)
	}
	if !strings.HasPrefix(i.IAMSessionARN, "arn:aws:sts::000000000000:assumed-role/crossfade-host/web-1@") {
		t.Errorf("the identity is %s", i.IAMSessionARN)
	}
	if !maps.Equal(i.Tags, map[string]string{"Environment": "blue", "crossfade:address": "10.0.0.7:80"}) {
		t.Errorf("the tags are %v", i.Tags)
	}
	s := out.Session
	if p, err := w.keys.Principal(t.Context(), *s.AccessKeyID, *s.SessionToken); err != nil || p.Kind != auth.Host || p.ARN != i.IAMSessionARN || !strings.HasSuffix(p.ARN, "@"+p.Enrolment) {
		t.Errorf("the session is of %+v, %v", p, err)
	}
	if !s.ExpiresAt.Equal(w.now().Add(time.Hour)) || !s.RenewUntil.Equal(w.now().Add(30*24*time.Hour)) {
		t.Errorf("the session ends at %s and can be renewed until %s", s.ExpiresAt, s.RenewUntil)
	}
	w.pass(40 * time.Minute)
	next, err := w.operator.RenewHostCredentials(w.as(*s.AccessKeyID, *s.SessionToken), &join.RenewHostCredentialsInput{})
	if err != nil || !next.Session.Whole() || !next.Session.ExpiresAt.Equal(w.now().Add(time.Hour)) || *next.Session.AccessKeyID == *s.AccessKeyID {
		t.Errorf("renewed as %+v, %v", next, err)
	}
	if err := w.renew(next.Session); err != nil {
		t.Errorf("the renewed session is not renewed: %v", err)
	}
}

func TestANameOfAnyLengthGetsAnIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"x", strings.Repeat("n", 100), "a", "@@@", "+=,.@-_"} {
		if _, err := w.enrol(w.token(operator.CreateJoinTokenInput{}), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestATokenIsUsedOnce holds that of hosts which enrol at the same moment exactly as many win as the token has uses, and that the others leave nothing.
func TestATokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	for _, uses := range []int64{1, 3} {
		w := newWorld(t)
		token := w.token(operator.CreateJoinTokenInput{Uses: &uses})
		var won atomic.Int64
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				_, err := w.enrol(token, fmt.Sprintf("web-%d", i))
				if err == nil {
					won.Add(1)
					return
				}
				refused(t, err, operator.JoinTokenEnded, "has been used")
			})
		}
		all.Wait()
		hosts, err := w.store.Instances(t.Context(), account, store.InstanceFilter{}, store.Page{})
		if err != nil || won.Load() != uses || len(hosts) != int(uses) {
			t.Errorf("%d of %d enrolled, and %d are registered (%v)", won.Load(), uses, len(hosts), err)
		}
	}
}

func TestATokenAllowsWhatItSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.token(operator.CreateJoinTokenInput{Name: new("web-1")})
	_, err := w.enrol(named, "web-2")
	refused(t, err, operator.JoinTokenRefuses, "for the host web-1 only")
	_, err = w.enrol(named, "web-1", tag("Environment", "production"))
	refused(t, err, operator.JoinTokenRefuses, "lets the host bring no tags")
	open := w.token(operator.CreateJoinTokenInput{OwnTags: new(true), Tags: []control.Tag{tag("Environment", "blue")}})
	_, err = w.enrol(open, "")
	refused(t, err, control.InstanceNameRequiredException, "give the host a name")
	_, err = w.enrol(open, "web-1", tag("Environment", "production"))
	refused(t, err, operator.JoinTokenRefuses, `sets the tag "Environment" already`)
	_, err = w.enrol(open, "web-1", control.Tag{Key: new("x")})
	refused(t, err, control.InvalidTagException, "tags[0]")
	_, err = w.enrol(open, "i-0123456789abcdef0")
	refused(t, err, control.InvalidInstanceNameException, "EC2")
	_, err = w.operator.EnrollHost(root(t.Context()), &join.EnrollHostInput{Name: new("web-1")})
	refused(t, err, operator.JoinTokenEnded, "")

	// None of that has used them.
	for _, token := range []join.Token{named, open} {
		if _, err := w.enrol(token, map[bool]string{true: "web-1", false: "web-2"}[token == named]); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatATokenCanNotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("x", 257)
	for name, c := range map[string]struct {
		in   operator.CreateJoinTokenInput
		code wire.Code
		text string
	}{
		"too short a life":  {operator.CreateJoinTokenInput{ExpiresIn: new(int64(59))}, operator.InvalidJoinToken, "59 seconds"},
		"too long a life":   {operator.CreateJoinTokenInput{ExpiresIn: new(int64(1 << 40))}, operator.InvalidJoinToken, "30 days"},
		"for nobody":        {operator.CreateJoinTokenInput{Uses: new(int64(0))}, operator.InvalidJoinToken, "1 to 1000"},
		"for too many":      {operator.CreateJoinTokenInput{Uses: new(int64(1001))}, operator.InvalidJoinToken, "1 to 1000"},
		"one name for two":  {operator.CreateJoinTokenInput{Uses: new(int64(2)), Name: new("web")}, operator.InvalidJoinToken, "leave the name to the hosts"},
		"an EC2 id":         {operator.CreateJoinTokenInput{Name: new("i-0123456789abcdef0")}, control.InvalidInstanceNameException, "EC2"},
		"a tag without key": {operator.CreateJoinTokenInput{Tags: []control.Tag{{Value: new("x")}}}, operator.InvalidJoinToken, "tags[0]"},
		"too long a tag":    {operator.CreateJoinTokenInput{Tags: []control.Tag{tag("x", long)}}, operator.InvalidJoinToken, "tags[0]"},
		"too many tags":     {operator.CreateJoinTokenInput{Tags: slices.Repeat([]control.Tag{tag("x", "y")}, 11)}, operator.InvalidJoinToken, "at most 10"},
	} {
		_, err := w.operator.CreateJoinToken(root(t.Context()), &c.in)
		t.Run(name, func(t *testing.T) { refused(t, err, c.code, c.text) })
	}
	if out, err := w.operator.ListJoinTokens(root(t.Context()), &operator.ListJoinTokensInput{}); err != nil || len(out.Tokens) != 0 {
		t.Errorf("left behind: %+v, %v", out, err)
	}
}

func TestTokensAreListedAndEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	used := w.token(operator.CreateJoinTokenInput{})
	if _, err := w.enrol(used, "web-1"); err != nil {
		t.Fatal(err)
	}
	short := w.token(operator.CreateJoinTokenInput{ExpiresIn: new(int64(60))})
	open := w.token(operator.CreateJoinTokenInput{Name: new("web-2"), Replace: new(true), Uses: new(int64(5)), Tags: []control.Tag{tag("b", "2"), tag("a", "1")}})
	asOpen, asShort := w.as(open.AccessKeyID, ""), w.as(short.AccessKeyID, "")
	w.pass(time.Minute)
	states := func() map[string]string {
		t.Helper()
		out, err := w.operator.ListJoinTokens(root(t.Context()), &operator.ListJoinTokensInput{})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, i := range out.Tokens {
			found[i.ID] = i.State
			if i.ID == open.AccessKeyID && (i.Name != "web-2" || !i.Replace || i.OwnTags || i.Uses != 5 || i.Used != 0 || len(i.Tags) != 2 || *i.Tags[0].Key != "a" || i.CreatedBy != auth.RootARN(account)) {
				t.Errorf("listed as %+v", i)
			}
		}
		return found
	}
	if got, want := states(), map[string]string{used.AccessKeyID: "used", short.AccessKeyID: "expired", open.AccessKeyID: "open"}; !maps.Equal(got, want) {
		t.Errorf("listed as %v, want %v", got, want)
	}
	_, err := w.operator.EnrollHost(asShort, &join.EnrollHostInput{Name: new("web-9")})
	refused(t, err, operator.JoinTokenEnded, "has expired")

	revoke := &operator.RevokeJoinTokenInput{ID: &open.AccessKeyID}
	if err := w.operator.RevokeJoinToken(root(t.Context()), revoke); err != nil {
		t.Fatal(err)
	}
	refused(t, w.operator.RevokeJoinToken(root(t.Context()), revoke), operator.JoinTokenDoesNotExist, open.AccessKeyID)
	if _, err := w.keys.Principal(t.Context(), open.AccessKeyID, ""); !errors.Is(err, auth.ErrNoKey) {
		t.Errorf("the key of a revoked token: %v", err)
	}
	_, err = w.operator.EnrollHost(asOpen, &join.EnrollHostInput{})
	refused(t, err, operator.JoinTokenEnded, "was revoked")

	w.pass(8 * 24 * time.Hour)
	last := w.token(operator.CreateJoinTokenInput{})
	if got, want := states(), map[string]string{last.AccessKeyID: "open"}; !maps.Equal(got, want) {
		t.Errorf("listed as %v, want %v", got, want)
	}
	if keys, err := w.keys.List(t.Context(), account, ""); err != nil || len(keys) != 1 {
		t.Errorf("%d keys are left (%v)", len(keys), err)
	}
}

func TestAHostTakesTheEarlierOnesPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, err := w.operator.AddHost(root(t.Context()), &operator.AddHostInput{Name: new("web-1"), Tags: []control.Tag{tag("a", "1")}})
	if err != nil {
		t.Fatal(err)
	}
	careful := w.token(operator.CreateJoinTokenInput{Name: new("web-1")})
	_, err = w.enrol(careful, "")
	refused(t, err, control.InstanceNameAlreadyRegisteredException, "--replace")

	first, err := w.enrol(w.token(operator.CreateJoinTokenInput{Name: new("web-1"), Replace: new(true)}), "")
	if err != nil {
		t.Fatal(err)
	}
	if i := w.instance("web-1"); i.IAMSessionARN != *first.IAMSessionARN || len(i.Tags) != 0 {
		t.Errorf("registered is %+v", i)
	}
	if _, err := w.keys.Principal(t.Context(), *old.AccessKeyID, ""); !errors.Is(err, auth.ErrNoKey) {
		t.Errorf("the earlier host's key: %v", err)
	}
	second, err := w.enrol(w.token(operator.CreateJoinTokenInput{Replace: new(true)}), "web-1")
	if err != nil {
		t.Fatal(err)
	}
	refused(t, w.renew(first.Session), operator.HostNotEnrolled, "removed or replaced")
	if _, err := w.store.InstanceByHost(t.Context(), *first.IAMSessionARN); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the replaced host is known: %v", err)
	}
	if err := w.renew(second.Session); err != nil {
		t.Errorf("the new host's renewal: %v", err)
	}
	if err := w.operator.RemoveHost(root(t.Context()), &operator.RemoveHostInput{Name: new("web-1")}); err != nil {
		t.Fatal(err)
	}
	refused(t, w.renew(second.Session), operator.HostNotEnrolled, "enrol it again")
	if _, err := w.enrol(careful, ""); err != nil {
		t.Errorf("the name of a removed host: %v", err)
	}
	_, err = w.operator.RenewHostCredentials(root(t.Context()), &join.RenewHostCredentialsInput{})
	refused(t, err, operator.HostNotEnrolled, "no enrolled host")
}

// broken is a control API whose tagging fails.
type broken struct {
	operator.Instances
	err error
}

func (b *broken) AddTagsToOnPremisesInstances(ctx context.Context, in *control.AddTagsToOnPremisesInstancesInput) error {
	if b.err != nil && *in.Tags[0].Key == "new" {
		return b.err
	}
	return b.Instances.AddTagsToOnPremisesInstances(ctx, in)
}

func TestAnEnrolmentThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, err := w.operator.AddHost(root(t.Context()), &operator.AddHostInput{Name: new("web-1"), Tags: []control.Tag{tag("a", "1")}})
	if err != nil {
		t.Fatal(err)
	}
	fault := &broken{Instances: w.operator.Instances, err: errors.New("on purpose")}
	w.operator.Instances = fault
	token := w.token(operator.CreateJoinTokenInput{Replace: new(true), Tags: []control.Tag{tag("new", "1")}})
	for _, name := range []string{"web-1", "web-2"} {
		if _, err := w.enrol(token, name); !errors.Is(err, fault.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if i := w.instance("web-1"); i.IAMUserARN != *old.IAMUserARN || !maps.Equal(i.Tags, map[string]string{"a": "1"}) || !i.DeregisteredAt.IsZero() {
		t.Errorf("the earlier host is now %+v", i)
	}
	if _, err := w.keys.Principal(t.Context(), *old.AccessKeyID, ""); err != nil {
		t.Errorf("the earlier host's key: %v", err)
	}
	if i := w.instance("web-2"); i.DeregisteredAt.IsZero() {
		t.Errorf("half a host is left: %+v", i)
	}
	fault.err = nil
	if _, err := w.enrol(token, "web-2"); err != nil {
		t.Errorf("the token after failures: %v", err)
	}
}
