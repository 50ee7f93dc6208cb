package policy

import (
	"strings"
	"testing"
)

// TestWhatCannotBeToldGrantsNothing holds that an allow never comes of something missing: of a variable without a value, or of a value that is
// no number.
func TestWhatCannotBeToldGrantsNothing(t *testing.T) {
	t.Parallel()
	keys := map[string][]string{
		"aws:username": {"ci"}, "several": {"a", "b"}, "n": {"NaN"}, "inf": {"+Inf"}, "hex": {"0x1p-2"}, "linklocal": {"fe80::1%eth0"}, "mapped": {"::ffff:10.1.2.3"}, "ip": {"10.1.2.3"},
	}
	const allow, deny = `"Effect":"Allow","Action":"*",`, `"Effect":"Deny","Action":"*",`
	for _, tc := range []struct {
		name, members string
		want          Effect
	}{
		{"all but nobody knows what", allow + `"NotResource":"arn:aws:s3:::${missing}/*"`, Default},
		{"all but several", allow + `"NotResource":["arn:aws:s3:::x/*","arn:aws:s3:::${several}/*"]`, Default},
		{"all but what is known", allow + `"NotResource":"arn:aws:s3:::${aws:username}/*"`, Allow},
		{"all but a default", allow + `"NotResource":"arn:aws:s3:::${missing, 'x'}/*"`, Allow},
		{"a denial of all but nobody knows what", deny + `"NotResource":"arn:aws:s3:::${missing}/*"`, Deny},
		{"other than nobody knows what", allow + `"Resource":"*","Condition":{"StringNotEquals":{"aws:username":"${missing}"}}`, Default},
		{"not like nobody knows what", allow + `"Resource":"*","Condition":{"StringNotLike":{"aws:username":["x","${several}*"]}}`, Default},
		{"other than what is known", allow + `"Resource":"*","Condition":{"StringNotEquals":{"aws:username":"${several, 'x'}"}}`, Default},
		{"other than a default", allow + `"Resource":"*","Condition":{"StringNotEquals":{"aws:username":"${missing, 'x'}"}}`, Allow},
		{"a denial of other than nobody knows what", deny + `"Resource":"*","Condition":{"StringNotEquals":{"aws:username":"${missing}"}}`, Deny},
		{"no number equals none", allow + `"Resource":"*","Condition":{"NumericEquals":{"n":"5"}}`, Default},
		{"no number is at most any", allow + `"Resource":"*","Condition":{"NumericLessThanEquals":{"n":"5"}}`, Default},
		{"nor at least", allow + `"Resource":"*","Condition":{"NumericGreaterThanEquals":{"n":"5"}}`, Default},
		{"the infinite is no number", allow + `"Resource":"*","Condition":{"NumericGreaterThan":{"inf":"5"}}`, Default},
		{"a hexadecimal is no number", allow + `"Resource":"*","Condition":{"NumericLessThan":{"hex":"5"}}`, Default},
		{"an address of a link", deny + `"Resource":"*","Condition":{"IpAddress":{"linklocal":"fe80::/10"}}`, Deny},
		{"an address of a link is not outside", allow + `"Resource":"*","Condition":{"NotIpAddress":{"linklocal":"fe80::/10"}}`, Default},
		{"an IPv4 network in the form of IPv6", deny + `"Resource":"*","Condition":{"IpAddress":{"ip":"::ffff:10.0.0.0/104"}}`, Deny},
		{"an IPv4 address in the form of IPv6", deny + `"Resource":"*","Condition":{"IpAddress":{"mapped":"10.0.0.0/8"}}`, Deny},
	} {
		got := Decide([]Named{{"p", mustParse(t, one(tc.members))}}, Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Keys: keys})
		if got.Effect != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got.Effect, tc.want)
		}
	}
}

// TestValuesThatCouldNeverHoldAreRefused holds that a variable where none is replaced does not get past the check of a value: a denial with it would
// never come.
func TestValuesThatCouldNeverHoldAreRefused(t *testing.T) {
	t.Parallel()
	for _, condition := range []string{
		`"IpAddress":{"aws:SourceIp":"${aws:x}/24"}`, `"NumericLessThan":{"n":"${n}"}`, `"DateLessThan":{"aws:CurrentTime":"${t}"}`, `"Bool":{"aws:SecureTransport":"${b}"}`,
		`"Null":{"aws:username":"${b}"}`, `"ArnEquals":{"aws:PrincipalArn":"${aws:PrincipalArn}"}`, `"BinaryEquals":{"b":"${b}"}`, `"NumericEquals":{"n":"Inf"}`, `"NumericEquals":{"n":"0x10"}`,
	} {
		_, err := Parse([]byte(one(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{` + condition + `}`)))
		if err == nil || !strings.Contains(err.Error(), "the value") {
			t.Errorf("%s: %v", condition, err)
		}
	}
	for _, condition := range []string{`"StringLike":{"k":"${aws:username}*"}`, `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/${aws:username}"}`, `"NumericEquals":{"n":[-1.5e3,"7"]}`} {
		if _, err := Parse([]byte(one(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{` + condition + `}`))); err != nil {
			t.Errorf("%s: %v", condition, err)
		}
	}
}
