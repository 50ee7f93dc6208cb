package policy

import (
	"fmt"
	"strings"
	"testing"
)

func mustParse(t *testing.T, content string) Document {
	t.Helper()
	d, err := Parse([]byte(content))
	if err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	return d
}

// one makes a policy of one statement's members.
func one(members string) string {
	return `{"Version":"2012-10-17","Statement":{` + members + `}}`
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const group = "arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:shop/prod"
	const deployers = `{"Version":"2012-10-17","Statement":[
		{"Sid":"Start","Effect":"Allow","Action":["codedeploy:CreateDeployment","codedeploy:Get*"],"Resource":"arn:aws:codedeploy:*:*:deploymentgroup:shop/*"},
		{"Effect":"Allow","Action":"codedeploy:List*","Resource":"*"},
		{"Sid":"NotProd","Effect":"Deny","Action":"codedeploy:CreateDeployment","Resource":"arn:aws:codedeploy:*:*:deploymentgroup:*/live"}]}`
	for _, tc := range []struct {
		name, policy, action, resource string
		want                           Decision
	}{
		{"allowed by name", deployers, "codedeploy:CreateDeployment", group, Decision{Allow, "p/Start"}},
		{"allowed by a wildcard", deployers, "codedeploy:GetDeployment", group, Decision{Allow, "p/Start"}},
		{"the action's case does not matter", deployers, "CODEDEPLOY:getdeployment", group, Decision{Allow, "p/Start"}},
		{"the resource's case does", deployers, "codedeploy:GetDeployment", strings.Replace(group, "shop", "Shop", 1), Decision{Effect: Default}},
		{"allowed without a Sid", deployers, "codedeploy:ListDeployments", group, Decision{Allow, "p/#2"}},
		{"nothing speaks of it", deployers, "codedeploy:ContinueDeployment", group, Decision{Effect: Default}},
		{"another group", deployers, "codedeploy:CreateDeployment", strings.Replace(group, "shop", "cart", 1), Decision{Effect: Default}},
		{"a deny wins over an allow before it", deployers, "codedeploy:CreateDeployment", strings.Replace(group, "prod", "live", 1), Decision{Deny, "p/NotProd"}},
		{"a deny wins over an allow after it", `{"Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`, "s3:GetObject", "arn:aws:s3:::b/k", Decision{Deny, "p/#1"}},
		{"everything but", one(`"Effect":"Allow","NotAction":"iam:*","Resource":"*"`), "iam:CreateUser", "*", Decision{Effect: Default}},
		{"what everything but leaves", one(`"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"`), "s3:GetObject", "*", Decision{Allow, "p/#1"}},
		{"all resources but", one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::secret/*"`), "s3:GetObject", "arn:aws:s3:::secret/x", Decision{Effect: Default}},
		{"a resource besides", one(`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::secret/*"`), "s3:GetObject", "arn:aws:s3:::open/x", Decision{Allow, "p/#1"}},
		{"a question mark is one character", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/v?"`), "s3:GetObject", "arn:aws:s3:::b/v12", Decision{Effect: Default}},
		{"a star reaches over slashes", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/*.zip"`), "s3:GetObject", "arn:aws:s3:::b/a/b/c.zip", Decision{Allow, "p/#1"}},
		{"a star does not reach over an ARN's colons", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:codedeploy:*:application:x"`), "codedeploy:GetApplication", "arn:aws:codedeploy:us-east-1:1:application:x", Decision{Effect: Default}},
		{"what has no ARN needs a star", one(`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::*"`), "crossfade:AddHost", "*", Decision{Effect: Default}},
		{"no policy", `{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}`, "c:d", "*", Decision{Effect: Default}},
	} {
		got := Decide([]Named{{"p", mustParse(t, tc.policy)}}, Request{Action: tc.action, Resource: tc.resource})
		if got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
	if got := Decide(nil, Request{Action: "a:b", Resource: "*"}); got != (Decision{Effect: Default}) {
		t.Errorf("without policies: %+v", got)
	}
}

func TestAllPoliciesCount(t *testing.T) {
	t.Parallel()
	allow, deny := mustParse(t, one(`"Effect":"Allow","Action":"*","Resource":"*"`)), mustParse(t, one(`"Sid":"No","Effect":"Deny","Action":"a:b","Resource":"*"`))
	got := Decide([]Named{{"first", allow}, {"second", deny}}, Request{Action: "a:b", Resource: "*"})
	if got != (Decision{Deny, "second/No"}) {
		t.Errorf("got %+v", got)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	keys := map[string][]string{
		"aws:sourceip": {"203.0.113.7"}, "aws:currenttime": {"2026-11-23T09:30:00Z"}, "aws:epochtime": {"1795426200"},
		"aws:securetransport": {"true"}, "aws:principalarn": {"arn:aws:iam::123456789012:user/AWS/ci"}, "aws:username": {"ci"},
		"aws:tagkeys": {"team", "cost"}, "n": {"42"}, "aws:principalaccount": {"123456789012"},
	}
	for _, tc := range []struct {
		condition string
		want      bool
	}{
		{`"StringEquals":{"aws:UserName":"ci"}`, true},
		{`"StringEquals":{"aws:username":["x","ci"]}`, true},
		{`"StringEquals":{"aws:username":"CI"}`, false},
		{`"StringEqualsIgnoreCase":{"aws:username":"CI"}`, true},
		{`"StringNotEqualsIgnoreCase":{"aws:username":"CI"}`, false},
		{`"StringNotEquals":{"aws:username":["x","y"]}`, true},
		{`"StringNotEquals":{"aws:username":["x","ci"]}`, false},
		{`"StringLike":{"aws:username":"c*"}`, true},
		{`"StringNotLike":{"aws:username":"c?"}`, false},
		{`"StringEquals":{"aws:username":"c*"}`, false},
		{`"StringEquals":{"absent":"x"}`, false},
		{`"StringNotEquals":{"absent":"x"}`, true},
		{`"StringEqualsIfExists":{"absent":"x"}`, true},
		{`"StringEqualsIfExists":{"aws:username":"x"}`, false},
		{`"Null":{"absent":"true"}`, true},
		{`"Null":{"absent":false}`, false},
		{`"Null":{"aws:username":"false"}`, true},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, true},
		{`"IpAddress":{"aws:SourceIp":["10.0.0.0/8","203.0.113.7"]}`, true},
		{`"IpAddress":{"aws:SourceIp":"2001:db8::/32"}`, false},
		{`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, false},
		{`"NotIpAddress":{"aws:SourceIp":"198.51.100.0/24"}`, true},
		{`"DateGreaterThan":{"aws:CurrentTime":"2026-11-23T09:00:00Z"}`, true},
		{`"DateLessThan":{"aws:CurrentTime":"2026-11-23"}`, false},
		{`"DateLessThanEquals":{"aws:EpochTime":1795426200}`, true},
		{`"DateEquals":{"aws:CurrentTime":"2026-11-23T10:30:00+01:00"}`, true},
		{`"DateNotEquals":{"aws:CurrentTime":"2026-11-23T10:30:00+01:00"}`, false},
		{`"Bool":{"aws:SecureTransport":true}`, true},
		{`"Bool":{"aws:SecureTransport":"FALSE"}`, false},
		{`"NumericEquals":{"n":"42.0"}`, true},
		{`"NumericNotEquals":{"n":42}`, false},
		{`"NumericLessThan":{"n":42}`, false},
		{`"NumericLessThanEquals":{"n":42}`, true},
		{`"NumericGreaterThan":{"n":"41.5"}`, true},
		{`"NumericGreaterThanEquals":{"n":43}`, false},
		{`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/AWS/*"}`, true},
		{`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/*"}`, true},
		{`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}`, false},
		{`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}`, true},
		{`"BinaryEquals":{"n":"NDI="}`, false},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","more"]}`, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}`, false},
		{`"ForAllValues:StringEquals":{"absent":["team"]}`, true},
		{`"ForAnyValue:StringEquals":{"aws:TagKeys":"cost"}`, true},
		{`"ForAnyValue:StringEquals":{"absent":"cost"}`, false},
		{`"ForAnyValue:StringNotEquals":{"aws:TagKeys":"cost"}`, true},
		{`"ForAllValues:StringNotLike":{"aws:TagKeys":"c*"}`, false},
		{`"StringNotEquals":{"aws:TagKeys":"cost"}`, false},
		{`"StringEquals":{"aws:username":"ci","n":"42"}`, true},
		{`"StringEquals":{"aws:username":"ci","n":"43"}`, false},
		{`"StringEquals":{"aws:username":"ci"},"Bool":{"aws:SecureTransport":"false"}`, false},
		{`"StringEquals":{"aws:username":"${aws:username}"}`, true},
		{`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:user/AWS/${aws:username}"}`, true},
		{`"StringEquals":{"aws:username":"${absent, 'ci'}"}`, true},
		{`"StringEquals":{"aws:username":"${absent}"}`, false},
		{`"StringLike":{"aws:username":"${*}"}`, false},
	} {
		d := mustParse(t, one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{`+tc.condition+`}`))
		got := Decide([]Named{{"p", d}}, Request{Action: "a:b", Resource: "*", Keys: keys}).Effect == Allow
		if got != tc.want {
			t.Errorf("%s: %v, want %v", tc.condition, got, tc.want)
		}
	}
}

func TestVariablesInResources(t *testing.T) {
	t.Parallel()
	const members = `"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"`
	request := func(name, resource string) Request {
		keys := map[string][]string{}
		if name != "" {
			keys["aws:username"] = []string{name}
		}
		return Request{Action: "s3:GetObject", Resource: resource, Keys: keys}
	}
	for _, tc := range []struct {
		name, user, resource string
		want                 Effect
	}{
		{"one's own", "eve", "arn:aws:s3:::home/eve/x", Allow},
		{"another's", "eve", "arn:aws:s3:::home/bob/x", Default},
		{"a name that is a wildcard", "*", "arn:aws:s3:::home/bob/x", Default},
		{"nobody", "", "arn:aws:s3:::home//x", Default},
	} {
		if got := Decide([]Named{{"p", mustParse(t, one(members))}}, request(tc.user, tc.resource)).Effect; got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	old := mustParse(t, `{"Version":"2008-10-17","Statement":{`+members+`}}`)
	if got := Decide([]Named{{"p", old}}, request("eve", "arn:aws:s3:::home/eve/x")).Effect; got != Default {
		t.Errorf("the older language has no variables, but decided %s", got)
	}
}

func TestWhatIsRefusedSaysWhere(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		``:                      "not JSON: line 1",
		`{"Version":`:           "not JSON: line 1",
		"{\n \"Statement\": x}": "line 2",
		`[]`:                    "an object with Version and Statement",
		`{}`:                    "no statement",
		`{"Statement":[]}`:      "no statement",
		`{"Statement":[]} {}`:   "goes on after its end",
		`{"Version":"2020-01-01","Statement":[]}`:                                                                                               `write "2012-10-17"`,
		`{"Statment":[]}`:                                                                                                                       `"Statment" is not known`,
		`{"Statement":[],"Statement":[]}`:                                                                                                       "written twice",
		one(`"Action":"a:b","Resource":"*"`):                                                                                                    "Statement[0] has no Effect",
		one(`"Effect":"allow","Action":"a:b","Resource":"*"`):                                                                                   "write Allow or Deny",
		one(`"Effect":"Allow","Resource":"*"`):                                                                                                  "one of Action and NotAction",
		one(`"Effect":"Allow","Action":"a:b","NotAction":"a:c","Resource":"*"`):                                                                 "one of Action and NotAction",
		one(`"Effect":"Allow","Action":"a:b"`):                                                                                                  "one of Resource and NotResource",
		one(`"Effect":"Allow","Action":"deploy","Resource":"*"`):                                                                                "service:Operation",
		one(`"Effect":"Allow","Action":[],"Resource":"*"`):                                                                                      "an empty list",
		one(`"Effect":"Allow","Action":[1],"Resource":"*"`):                                                                                     "Action[0] is 1",
		one(`"Effect":"Allow","Action":"a:b","Resource":"bucket/*"`):                                                                            "write an ARN",
		one(`"Effect":"Allow","Action":"a:b","Resource":"arn:aws:s3:b"`):                                                                        "write an ARN",
		one(`"Effect":"Allow","Principal":"*","Action":"a:b","Resource":"*"`):                                                                   "leave it out",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Conditions":{}`):                                                                   "no element of a statement",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringEqual":{"a":"b"}}`):                                             "Statement[0].Condition.StringEqual is no condition operator",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"NullIfExists":{"a":"true"}}`):                                         "no condition operator",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"ForAllValues:ForAnyValue:StringEquals":{"a":"b"}}`):                   "no condition operator",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0/8"}}`):                             "no IP address",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"a":"yes"}}`):                                                  "neither true nor false",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"DateLessThan":{"a":"tomorrow"}}`):                                     "no date",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"NumericEquals":{"a":"NaN"}}`):                                         "no number",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringEquals":{}}`):                                                   "condition keys and values",
		one(`"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringEquals":{"a":null}}`):                                           "is null",
		one(`"Sid":"a b","Effect":"Allow","Action":"a:b","Resource":"*"`):                                                                       "letters and digits",
		`{"Statement":[{"Sid":"A","Effect":"Allow","Action":"a:b","Resource":"*"},{"Sid":"A","Effect":"Allow","Action":"a:b","Resource":"*"}]}`: "Statement[1].Sid",
		strings.Repeat(`{"Statement":`, 40) + "1" + strings.Repeat("}", 40):                                                                     "nests deeper",
		strings.Repeat(" ", MaxSize+1):                                                                                                          "more than the",
	} {
		_, err := Parse([]byte(content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120s: %v, want %q", content, err, want)
		}
	}
}

// TestKeysAreAllThatADecisionAsksFor holds that no key of a condition and no variable is left out, so that whoever knows what requests have can refuse
// the others.
func TestKeysAreAllThatADecisionAsksFor(t *testing.T) {
	t.Parallel()
	const members = `"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::${aws:UserName}/${*}${a, 'b'}","*"],
		"Condition":{"StringLike":{"aws:SourceIp":["x","${B}${open"]},"Null":{"C":"true"}}`
	if got, want := fmt.Sprint(mustParse(t, one(members)).Keys()), "[a aws:sourceip aws:username b c]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	old := mustParse(t, `{"Version":"2008-10-17","Statement":{`+members+`}}`)
	if got, want := fmt.Sprint(old.Keys()), "[aws:sourceip c]"; got != want {
		t.Errorf("the older language has no variables: got %s, want %s", got, want)
	}
}

// TestManyStarsCostLittle would not end with a matcher that tries every way.
func TestManyStarsCostLittle(t *testing.T) {
	t.Parallel()
	if match(strings.Repeat("a*", 1000)+"b", strings.Repeat("a", 10_000), nil) {
		t.Error("a value without b matched")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		one(`"Effect":"Allow","Action":"a:b","Resource":"*"`), `{"Statement":[{"Effect":"Deny","NotAction":["*"],"NotResource":["arn:aws:s3:::${aws:username}*?"]}]}`,
		one(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForAnyValue:StringLikeIfExists":{"aws:TagKeys":["${a, 'b'}",1,true]}}`), `{`, `[[[[`,
	} {
		f.Add([]byte(seed), "s3:GetObject", "arn:aws:s3:::b/k", "ci")
	}
	f.Fuzz(func(t *testing.T, content []byte, action, resource, name string) {
		d, err := Parse(content)
		if err != nil {
			if err.Error() == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("the refusal is not one sentence: %q", err)
			}
			return
		}
		r := Request{Action: action, Resource: resource, Keys: map[string][]string{"aws:username": {name}, "aws:tagkeys": {name, action}}}
		got := Decide([]Named{{"p", d}}, r)
		again := Decide([]Named{{"p", d}, {"q", d}}, r)
		if got.Effect != again.Effect || (got.Effect == Default) != (got.Statement == "") {
			t.Errorf("%+v, and twice %+v", got, again)
		}
		// Whatever is written besides, a deny of everything denies.
		deny, err := Parse([]byte(`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if all := Decide([]Named{{"p", d}, {"d", deny}}, r); all.Effect != Deny {
			t.Errorf("with a deny of everything: %+v", all)
		}
	})
}

func ExampleDecide() {
	d, err := Parse([]byte(`{"Version":"2012-10-17","Statement":[
		{"Sid":"Reroute","Effect":"Allow","Action":"codedeploy:ContinueDeployment","Resource":"arn:aws:codedeploy:*:*:deploymentgroup:shop/*"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(Decide([]Named{{"release-managers", d}}, Request{
		Action: "codedeploy:ContinueDeployment", Resource: "arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:shop/prod",
	}))
	// Output: {Allow release-managers/Reroute}
}
