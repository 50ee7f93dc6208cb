package auth_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/policy"
)

// world has a user with policies, one that is registered as a host, and a host that a deployment brings bundles/v2.zip.
type world struct{ policies map[string]string }

func (w world) Policies(_ context.Context, p auth.Principal) ([]policy.Named, error) {
	text, ok := w.policies[p.ARN]
	if !ok {
		return nil, nil
	}
	d, err := policy.Parse([]byte(text))
	return []policy.Named{{Name: "main", Document: d}}, err
}

func (world) IsHost(_ context.Context, arn string) (bool, error) {
	return strings.Contains(arn, "web-"), nil
}

func (world) MayRead(_ context.Context, _, bucket, key, version string) (bool, error) {
	return bucket == "bundles" && key == "v2.zip" && version == "", nil
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	const everything = `{"Statement":{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}}`
	const reroute = `{"Version":"2012-10-17","Statement":[
		{"Sid":"Reroute","Effect":"Allow","Action":"codedeploy:ContinueDeployment","Resource":"arn:aws:codedeploy:*:*:deploymentgroup:shop/*"},
		{"Sid":"Office","Effect":"Deny","Action":"codedeploy:*","Resource":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`
	const shop = "arn:aws:codedeploy:us-east-1:1:deploymentgroup:shop/prod"
	w := world{map[string]string{
		auth.UserARN("1", "admin"): everything, auth.UserARN("1", "releaser"): reroute, auth.UserARN("1", "web-admin"): everything,
		auth.UserARN("1", "web-banned"):              `{"Statement":{"Sid":"Ban","Effect":"Deny","Action":"codedeploy-commands:*","Resource":"*"}}`,
		"arn:aws:sts::1:assumed-role/deployer/build": everything,
	}}
	a := &auth.Authorizer{Policies: w, Hosts: w, Region: "us-east-1", Now: time.Now}
	who := func(kind auth.Kind, arn string) auth.Principal {
		return auth.Principal{ARN: arn, Account: "1", Kind: kind}
	}
	root, host := who(auth.Root, auth.RootARN("1")), who(auth.Host, "arn:aws:sts::1:assumed-role/crossfade-host/web-1")
	user := func(name string) auth.Principal { return who(auth.User, auth.UserARN("1", name)) }
	join := who(auth.Join, "arn:aws:sts::1:assumed-role/crossfade-join/J")
	for _, tc := range []struct {
		who       auth.Principal
		access    string
		resource  string
		statement string // of the decision; empty: denied
		why       string
	}{
		{root, "codedeploy:ContinueDeployment", shop, "the account's root", ""},
		{root, "s3:PutObject", "arn:aws:s3:::b/k", "the account's root", ""},
		{host, "codedeploy-commands:PollHostCommand", "*", "hosts", ""},
		{host, "codedeploy-commands-secure:PollHostCommand", "*", "hosts", ""},
		{host, "s3:GetObject", "arn:aws:s3:::bundles/v2.zip", "hosts", ""},
		{host, "s3:GetObject", "arn:aws:s3:::bundles/v1.zip", "", "no deployment under way brings it"},
		{host, "s3:PutObject", "arn:aws:s3:::bundles/v2.zip", "", "only read revisions"},
		{host, "s3:ListBucket", "arn:aws:s3:::bundles", "", "only read revisions"},
		{host, "s3:GetObject", "*", "", "only read revisions"},
		{host, "codedeploy:ContinueDeployment", shop, "", "only speak the agents' protocol"},
		{host, "crossfade:AddHost", "*", "", "only speak the agents' protocol"},
		{host, "crossfade:RenewHostCredentials", "*", "hosts", ""},
		{host, "sts:GetCallerIdentity", "*", "everybody", ""},
		{join, "crossfade:EnrollHost", "*", "join tokens", ""},
		{join, "codedeploy-commands:PollHostCommand", "*", "", "a host and nothing else"},
		{join, "crossfade:RenewHostCredentials", "*", "", "a host and nothing else"},
		{user("admin"), "iam:CreateUser", "arn:aws:iam::1:user/x", "main/All", ""},
		{user("releaser"), "codedeploy:ContinueDeployment", shop, "main/Reroute", ""},
		{user("releaser"), "codedeploy:CreateDeployment", shop, "", "no policy allows the codedeploy:CreateDeployment action"},
		{user("releaser"), "codedeploy:ContinueDeployment", strings.Replace(shop, "shop", "cart", 1), "", "no policy allows"},
		{user("nobody"), "codedeploy:GetDeployment", shop, "", "no policy allows"},
		{user("nobody"), "sts:GetCallerIdentity", "*", "everybody", ""},
		{user("nobody"), "codedeploy-commands:PollHostCommand", "*", "hosts", ""},
		{user("nobody"), "crossfade:RenewHostCredentials", "*", "", "no policy allows"},
		// Who is registered as an instance is a host, whatever its policies allow; they can only take away.
		{user("web-admin"), "codedeploy:ContinueDeployment", shop, "", "only speak the agents' protocol"},
		{user("web-admin"), "s3:GetObject", "arn:aws:s3:::bundles/v1.zip", "", "no deployment under way"},
		{user("web-admin"), "s3:GetObject", "arn:aws:s3:::bundles/v2.zip", "hosts", ""},
		{user("web-admin"), "codedeploy-commands:PollHostCommand", "*", "hosts", ""},
		{user("web-admin"), "codedeploy-commands-secure:PollHostCommand", "*", "main/All", ""},
		{user("web-admin"), "crossfade:RenewHostCredentials", "*", "", "only speak the agents' protocol"},
		{user("web-2"), "codedeploy-commands-secure:PollHostCommand", "*", "", "no policy allows the codedeploy-commands-secure:PollHostCommand action"},
		{user("web-banned"), "codedeploy-commands:PollHostCommand", "*", "", "explicit deny in the policy statement main/Ban"},
		{who(auth.Role, "arn:aws:sts::1:assumed-role/deployer/build"), "codedeploy:CreateDeployment", shop, "main/All", ""},
		{auth.Principal{}, "codedeploy-commands:PollHostCommand", "*", "", "no user"},
	} {
		ctx := auth.WithDecisions(auth.WithCaller(t.Context(), auth.Caller{Principal: tc.who, Address: "10.1.2.3"}))
		service, operation, _ := strings.Cut(tc.access, ":")
		err := a.Authorize(ctx, auth.Access{Service: service, Operation: operation, Resource: tc.resource})
		name := tc.who.ARN + " " + tc.access + " " + tc.resource
		want := auth.Decision{Action: tc.access, Resource: tc.resource, Allowed: tc.statement != "", Statement: tc.statement}
		if got := auth.Decisions(ctx); len(got) != 1 || tc.statement != "" && got[0] != want || got[0].Allowed != want.Allowed {
			t.Errorf("%s: decided %+v, want %+v", name, got, want)
		}
		var denied *auth.DeniedError
		switch {
		case tc.statement != "" && err != nil, tc.statement == "" && !errors.As(err, &denied):
			t.Errorf("%s: %v", name, err)
		case tc.statement == "" && (!strings.Contains(err.Error(), tc.why) || !strings.HasPrefix(err.Error(), "User: "+tc.who.ARN+" is not authorized to perform: "+tc.access)):
			t.Errorf("%s: refused with %v", name, err)
		}
	}
	// The same call from elsewhere meets the deny.
	ctx := auth.WithCaller(t.Context(), auth.Caller{Principal: user("releaser"), Address: "203.0.113.7"})
	if err := a.Authorize(ctx, auth.Access{Service: "codedeploy", Operation: "ContinueDeployment", Resource: shop}); err == nil || !strings.Contains(err.Error(), "main/Office") {
		t.Errorf("from outside: %v", err)
	}
	if err := a.Authorize(t.Context()); err == nil {
		t.Error("a call without a caller was authorized")
	}
}

func TestConditionKeys(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	caller := auth.Caller{Principal: auth.Principal{ARN: "arn:aws:iam::1:user/teams/ci", Account: "1", Kind: auth.User}, Address: "10.1.2.3", Secure: true, UserAgent: "aws-cli/2"}
	for condition, allowed := range map[string]bool{
		`"StringEquals":{"aws:username":"ci","aws:PrincipalAccount":"1","aws:PrincipalType":"User","aws:RequestedRegion":"eu-central-1"}`:  true,
		`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::1:user/teams/ci"}`:                                                                  true,
		`"Bool":{"aws:SecureTransport":"true"},"StringLike":{"aws:UserAgent":"aws-cli/*"},"DateLessThan":{"aws:CurrentTime":"2027-01-01"}`: true,
		`"NumericEquals":{"aws:EpochTime":1795426200}`:                                                                                     true,
		`"StringEquals":{"aws:RequestTag/team":"shop"}`:                                                                                    true,
		`"StringEquals":{"aws:RequestTag/team":"cart"}`:                                                                                    false,
		`"IpAddress":{"aws:SourceIp":["192.0.2.0/24","::/0"]}`:                                                                             false,
	} {
		w := world{map[string]string{caller.ARN: `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + condition + `}}}`}}
		a := &auth.Authorizer{Policies: w, Hosts: w, Region: "eu-central-1", Now: func() time.Time { return at }}
		err := a.Authorize(auth.WithCaller(t.Context(), caller), auth.Access{Service: "codedeploy", Operation: "CreateApplication", Resource: "*", Keys: map[string][]string{"aws:requesttag/team": {"shop"}}})
		if (err == nil) != allowed {
			t.Errorf("%s: %v", condition, err)
		}
	}
}

func TestObjectsNeedWhatTheyTouch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		objects auth.Objects
		want    []string
	}{
		{auth.Objects{Operation: "ListBuckets"}, []string{"s3:ListAllMyBuckets *"}},
		{auth.Objects{Operation: "ListObjectsV2", Bucket: "b"}, []string{"s3:ListBucket arn:aws:s3:::b"}},
		{auth.Objects{Operation: "HeadObject", Bucket: "b", Key: "a/k"}, []string{"s3:GetObject arn:aws:s3:::b/a/k"}},
		{auth.Objects{Operation: "GetObject", Bucket: "b", Key: "k", Version: "7"}, []string{"s3:GetObjectVersion arn:aws:s3:::b/k"}},
		{auth.Objects{Operation: "CopyObject", Bucket: "b", Key: "k", SourceBucket: "c", SourceKey: "j"}, []string{"s3:PutObject arn:aws:s3:::b/k", "s3:GetObject arn:aws:s3:::c/j"}},
		{auth.Objects{Operation: "DeleteObjects", Bucket: "b"}, []string{"s3:DeleteObject arn:aws:s3:::b/*"}},
		{auth.Objects{Operation: "GET acl", Bucket: "b", Key: "k"}, []string{"s3:Unknown arn:aws:s3:::b/k"}},
	} {
		var got []string
		for _, a := range tc.objects.Accesses() {
			got = append(got, a.Action()+" "+a.Resource)
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v: %v, want %v", tc.objects, got, tc.want)
		}
	}
}
