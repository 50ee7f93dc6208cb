package auth

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"crossfade/internal/policy"
)

// requestTag is what the keys of tags in a request begin with.
const requestTag = "aws:requesttag/"

// conditionKeys are the keys that calls have, some not all of them, beside those of their tags.
var conditionKeys = []string{
	"aws:currenttime", "aws:epochtime", "aws:principalaccount", "aws:principalarn", "aws:principaltype", "aws:requestedregion", "aws:securetransport",
	"aws:sourceip", "aws:tagkeys", "aws:useragent", "aws:username",
}

// ParsePolicy reads a policy that is about to be stored. Beside what package policy refuses, it refuses keys that no call here has: a denial by the tags of
// a resource would never come, and permission for all but some resources would be one for all.
func ParsePolicy(content []byte) (policy.Document, error) {
	d, err := policy.Parse(content)
	if err != nil {
		return d, err
	}
	for _, key := range d.Keys() {
		if !strings.HasPrefix(key, requestTag) && !slices.Contains(conditionKeys, key) {
			return policy.Document{}, fmt.Errorf("no call here has the condition key %.80q: there are %s and %sKEY", key, strings.Join(conditionKeys, ", "), requestTag)
		}
	}
	return d, nil
}

// keys are the condition keys that every call has (IAM user guide, global condition keys), and the access' own.
func (a *Authorizer) keys(c Caller, access Access) map[string][]string {
	now := a.Now().UTC()
	keys := map[string][]string{
		"aws:currenttime":      {now.Format(time.RFC3339)},
		"aws:epochtime":        {strconv.FormatInt(now.Unix(), 10)},
		"aws:sourceip":         {c.Address},
		"aws:securetransport":  {strconv.FormatBool(c.Secure)},
		"aws:principalarn":     {principalARN(c.Principal)},
		"aws:principalaccount": {c.Account},
		"aws:principaltype":    {principalTypes[c.Kind]},
		"aws:requestedregion":  {a.Region},
	}
	if c.UserAgent != "" {
		keys["aws:useragent"] = []string{c.UserAgent}
	}
	if c.Kind == User {
		keys["aws:username"] = []string{c.ARN[strings.LastIndexByte(c.ARN, '/')+1:]}
	}
	maps.Copy(keys, access.Keys)
	return keys
}

// principalARN is the value of aws:PrincipalArn: for a session it is the ARN of its role, since nobody knows beforehand how sessions will be called.
func principalARN(p Principal) string {
	names, ok := strings.CutPrefix(p.ARN, "arn:aws:sts::"+p.Account+":assumed-role/")
	if p.Kind != Role || !ok {
		return p.ARN
	}
	role, _, _ := strings.Cut(names, "/")
	return "arn:aws:iam::" + p.Account + ":role/" + role
}

// principalTypes are the values of aws:PrincipalType.
var principalTypes = map[Kind]string{User: "User", Role: "AssumedRole", Host: "AssumedRole", Root: "Account"}
