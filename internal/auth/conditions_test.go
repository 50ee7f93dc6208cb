package auth

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/policy"
)

// TestPoliciesAskOnlyForWhatCallsHave holds that a condition or a variable of which no call here has a value is refused before it is stored, whatever it
// would have come to.
func TestPoliciesAskOnlyForWhatCallsHave(t *testing.T) {
	t.Parallel()
	for members, unknown := range map[string]string{
		`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/env":"prod"}}`:             "aws:resourcetag/env",
		`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceTag/env":"prod"}}`:         "aws:resourcetag/env",
		`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}`:     "aws:multifactorauthpresent",
		`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Null":{"aws:SourceVpce":"true"}}`:                         "aws:sourcevpce",
		`"Effect":"Deny","Action":"*","Resource":"arn:aws:s3:::b/${aws:userid}/*"`:                                            "aws:userid",
		`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::b/${aws:PrincipalTag/team, 'x'}/*"`:                        "aws:principaltag/team",
		`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:username":"${aws:PrincipalTag/team}"}}`:  "aws:principaltag/team",
		`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/Team":"${aws:UserName}"}}`: "",
		`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${*}"`:                                                      "",
	} {
		_, err := ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":{` + members + `}}`))
		if (err == nil) != (unknown == "") || err != nil && !strings.Contains(err.Error(), unknown) {
			t.Errorf("%s: %v, want %q", members, err, unknown)
		}
	}
}

// TestConditionKeysAreThoseThatCallsHave holds the list of keys to what the authorizer gives policies.
func TestConditionKeysAreThoseThatCallsHave(t *testing.T) {
	t.Parallel()
	a := &Authorizer{Now: time.Now}
	c := Caller{Principal: Principal{ARN: UserARN("1", "ci"), Account: "1", Kind: User}, UserAgent: "test"}
	has := a.keys(c, Access{Keys: map[string][]string{"aws:tagkeys": {"team"}}})
	if got := slices.Sorted(maps.Keys(has)); !slices.Equal(got, conditionKeys) {
		t.Errorf("calls have %v, and policies may ask for %v", got, conditionKeys)
	}
}

// TestPrincipalARNOfASessionIsItsRoles is what policies that were written for AWS rely on.
func TestPrincipalARNOfASessionIsItsRoles(t *testing.T) {
	t.Parallel()
	d, err := policy.Parse([]byte(`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::1:role/deployer"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	a := &Authorizer{Now: time.Now}
	for arn, want := range map[string]policy.Effect{"arn:aws:sts::1:assumed-role/deployer/build": policy.Deny, "arn:aws:sts::1:assumed-role/other/deployer": policy.Default} {
		c := Caller{Principal: Principal{ARN: arn, Account: "1", Kind: Role}}
		if got := policy.Decide([]policy.Named{{Name: "p", Document: d}}, policy.Request{Action: "a:b", Resource: "*", Keys: a.keys(c, Access{})}); got.Effect != want {
			t.Errorf("%s: %s, want %s", arn, got.Effect, want)
		}
	}
}
