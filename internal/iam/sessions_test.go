package iam_test

import (
	"strings"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/awsquery"
	wirests "crossfade/internal/wire/sts"
)

func TestWhoMayAssumeWhich(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	callers := map[string]auth.Principal{
		"root":    {ARN: auth.RootARN(account), Account: account, Kind: auth.Root},
		"alice":   {ARN: auth.UserARN(account, "team/alice"), Account: account, Kind: auth.User},
		"alike":   {ARN: auth.UserARN(account, "alice"), Account: account, Kind: auth.User},
		"session": {ARN: session("everybody", "me"), Account: account, Kind: auth.Role},
		"another": {ARN: session("everybody", "you"), Account: account, Kind: auth.Role},
		"foreign": {ARN: auth.UserARN("444455556666", "team/alice"), Account: "444455556666", Kind: auth.User},
	}
	trusted := map[string]string{
		"everybody": "root alice alike session another",
		"root":      "root alice alike session another", // the root's ARN stands for the account
		"one":       "alice",
		"chained":   "session another",
		"single":    "session",
		"nothing":   "",
	}
	for role, names := range trusted {
		for name, p := range callers {
			ctx := auth.WithCaller(t.Context(), auth.Caller{Principal: p})
			in := &wirests.AssumeRoleRequest{RoleArn: new("arn:aws:iam::" + account + ":role/" + role), RoleSessionName: new("s")}
			out, err := w.AssumeRole(ctx, in)
			if want := strings.Contains(" "+names+" ", " "+name+" "); want != (err == nil) || err != nil && code(err) != awsquery.AccessDenied {
				t.Errorf("%s by %s: %+v, %v", role, name, out, err)
			}
		}
	}
}

func TestAssumedSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arn := "arn:aws:iam::" + account + ":role/"
	out := must[*wirests.AssumeRoleResponse](t)(w.AssumeRole(root(t), &wirests.AssumeRoleRequest{RoleArn: new(arn + "everybody"), RoleSessionName: new("me"), ExternalId: new("ignored")}))
	c := out.Credentials
	secret, err := w.Secret(t.Context(), *c.AccessKeyId, *c.SessionToken)
	if err != nil || secret != *c.SecretAccessKey || !c.Expiration.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("the secret %q, %v, until %s", secret, err, c.Expiration)
	}
	p := must[auth.Principal](t)(w.keys.Principal(t.Context(), *c.AccessKeyId, *c.SessionToken))
	if want := (auth.Principal{ARN: session("everybody", "me"), Account: account, Kind: auth.Role}); p != want || *out.AssumedRoleUser.Arn != want.ARN {
		t.Errorf("the principal is %+v", p)
	}
	who := must[*wirests.GetCallerIdentityResponse](t)(w.GetCallerIdentity(as(t, auth.Role, p.ARN), nil))
	if *who.UserId != *out.AssumedRoleUser.AssumedRoleId || !strings.HasPrefix(*who.UserId, "AROA") || !strings.HasSuffix(*who.UserId, ":me") {
		t.Errorf("the ids are %s and %s", *who.UserId, *out.AssumedRoleUser.AssumedRoleId)
	}
	// A role whose sessions are shorter than the usual.
	out = must[*wirests.AssumeRoleResponse](t)(w.AssumeRole(root(t), &wirests.AssumeRoleRequest{RoleArn: new(arn + "short"), RoleSessionName: new("me")}))
	if !out.Credentials.Expiration.Equal(w.clock.Now().Add(30 * time.Minute)) {
		t.Errorf("until %s", out.Credentials.Expiration)
	}
	long := &wirests.AssumeRoleRequest{RoleArn: new(arn + "everybody"), RoleSessionName: new("me"), DurationSeconds: new(int32(43200))}
	must[*wirests.AssumeRoleResponse](t)(w.AssumeRole(root(t), long))
	for _, change := range []func(*wirests.AssumeRoleRequest){
		func(r *wirests.AssumeRoleRequest) { r.RoleArn = new(arn + "short") },
		func(r *wirests.AssumeRoleRequest) { r.Policy = new("{}") },
		func(r *wirests.AssumeRoleRequest) { r.PolicyArns = []wirests.PolicyDescriptorType{{}} },
		func(r *wirests.AssumeRoleRequest) { r.Tags = []wirests.Tag{{}} },
		func(r *wirests.AssumeRoleRequest) { r.TransitiveTagKeys = []string{"a"} },
		func(r *wirests.AssumeRoleRequest) { r.SerialNumber = new("1") },
		func(r *wirests.AssumeRoleRequest) { r.TokenCode = new("1") },
		func(r *wirests.AssumeRoleRequest) { r.SourceIdentity = new("me") },
		func(r *wirests.AssumeRoleRequest) { r.ProvidedContexts = []wirests.ProvidedContext{{}} },
	} {
		in := *long
		change(&in)
		if _, err := w.AssumeRole(root(t), &in); code(err) != awsquery.ValidationError {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestEveryKindOfCallerIsSomebody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, _ := w.alice()
	user, err := w.store.User(t.Context(), account, "alice")
	ok(t, err)
	for _, c := range []struct {
		kind   auth.Kind
		arn    string
		prefix string
	}{
		{auth.Root, auth.RootARN(account), account},
		{auth.User, alice.ARN, user.ID},
		{auth.User, auth.UserARN(account, "gone"), "AIDA"},
		{auth.Operator, auth.UserARN(account, "operator"), "AIDA"},
		{auth.Host, auth.UserARN(account, "host/web-1"), "AIDA"},
		{auth.Host, session("crossfade-host", "web-1@x"), "AROA"},
		{auth.Join, auth.UserARN(account, "join/x"), "AIDA"},
		{auth.Role, session("everybody", "me"), "AROA"},
	} {
		var ids []string
		for range 2 {
			out := must[*wirests.GetCallerIdentityResponse](t)(w.GetCallerIdentity(as(t, c.kind, c.arn), nil))
			if *out.Arn != c.arn || *out.Account != account || !strings.HasPrefix(*out.UserId, c.prefix) {
				t.Errorf("%s %s is %s in %s, %s", c.kind, c.arn, *out.UserId, *out.Account, *out.Arn)
			}
			ids = append(ids, *out.UserId)
		}
		if ids[0] != ids[1] {
			t.Errorf("%s has two ids: %v", c.arn, ids)
		}
	}
	if _, err := w.GetCallerIdentity(t.Context(), nil); err == nil {
		t.Error("nobody is somebody")
	}
}
