package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/config"
	"crossfade/internal/operator"
	"crossfade/internal/sigv4"
)

const (
	identityRegion  = "eu-central-1" // not the one that IAM is signed for
	identityAccount = "111122223333"
	userPrefix      = "arn:aws:iam::" + identityAccount + ":user"
	readOnly        = `{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":["codedeploy:List*","iam:GetUser"],"Resource":"*"}]}`
)

func identityOptions(t *testing.T) Options {
	o := options(t)
	o.Config.Region, o.Config.Account = identityRegion, identityAccount
	assume := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`
	o.Config.Identity.Roles = []config.Role{
		{Name: "reader", Trust: []string{userPrefix + "/team/alice"}, Policies: []config.RolePolicy{{Name: "read", Document: readOnly}}, MaxDuration: 2 * time.Hour},
		{Name: "chain", Trust: []string{identityAccount}, Policies: []config.RolePolicy{{Name: "assume", Document: assume}}, MaxDuration: 2 * time.Hour},
	}
	return o
}

// python is a running boto3 that calls IAM and STS. It is one process for all calls of a test.
type python struct {
	t   testing.TB
	in  *json.Encoder
	out *bufio.Scanner
}

type pythonCall struct {
	Service   string         `json:"service"`
	Operation string         `json:"operation"`
	Params    map[string]any `json:"params,omitempty"`
	Key       []any          `json:"key,omitempty"`
	Presigned string         `json:"presigned,omitempty"` // by which method the signed URL is sent
}

type pythonError struct {
	Code, Message, Type, Class string
	Status                     int
}

func (e *pythonError) Error() string { return fmt.Sprintf("%+v", *e) }

type pythonAnswer struct {
	Error   *pythonError
	Output  map[string]any
	Faults  []string
	Request string
}

func cleanEnvironment(t testing.TB, s *Server) []string {
	home := t.TempDir()
	return []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "PYENV_ROOT=" + os.Getenv("PYENV_ROOT"), "AWS_CONFIG_FILE=" + home + "/none", "AWS_SHARED_CREDENTIALS_FILE=" + home + "/none",
		"AWS_ACCESS_KEY_ID=" + testRoot.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + testRoot.SecretAccessKey, "AWS_REGION=" + identityRegion, "AWS_DEFAULT_REGION=" + identityRegion,
		"AWS_ENDPOINT_URL=" + s.Endpoint(), "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "NO_PROXY=127.0.0.1,169.254.169.254",
	}
}

func newPython(t testing.TB, s *Server) *python {
	t.Helper()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not on this machine: install it for python3 to run this test")
	}
	cmd := exec.Command("python3", "testdata/boto3_identity.py")
	cmd.Env = cleanEnvironment(t, s)
	var said strings.Builder
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("boto3 ended with %v:\n%s", err, said.String())
		}
	})
	p := &python{t: t, in: json.NewEncoder(in), out: bufio.NewScanner(out)}
	p.out.Buffer(nil, 16<<20)
	return p
}

// try calls and returns what was answered, or a *pythonError.
func (p *python) try(c pythonCall) (map[string]any, error) {
	p.t.Helper()
	if err := p.in.Encode(c); err != nil {
		p.t.Fatal(err)
	}
	if !p.out.Scan() {
		p.t.Fatalf("boto3 did not answer: %v", p.out.Err())
	}
	var a pythonAnswer
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		p.t.Fatal(err)
	}
	if len(a.Faults) > 0 || a.Request == "" {
		p.t.Errorf("%s %v: request id %q, faults %q", c.Operation, c.Params, a.Request, a.Faults)
	}
	if a.Error != nil {
		return nil, a.Error
	}
	return a.Output, nil
}

func (p *python) must(service, operation string, key []any, in params) map[string]any {
	p.t.Helper()
	return p.mustCall(call(service, operation, in, key))
}

func (p *python) mustCall(c pythonCall) map[string]any {
	p.t.Helper()
	out, err := p.try(c)
	if err != nil {
		p.t.Fatalf("%+v: %v", c, err)
	}
	return out
}

func call(service, operation string, in params, key []any) pythonCall {
	return pythonCall{Service: service, Operation: operation, Params: in, Key: key}
}

type params = map[string]any

// at reads a value inside of an answer.
func at(t testing.TB, v any, path ...string) string {
	t.Helper()
	for _, step := range path {
		m, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("there is no %v in %v", path, v)
		}
		v = m[step]
	}
	return fmt.Sprint(v)
}

func keyOf(t testing.TB, out map[string]any, inside string) []any {
	t.Helper()
	var token any
	if s := at(t, out, inside, "SessionToken"); s != "<nil>" {
		token = s
	}
	return []any{at(t, out, inside, "AccessKeyId"), at(t, out, inside, "SecretAccessKey"), token}
}

// TestIdentitiesThroughBoto3 is the life of a user, and every answer is held against boto3's model.
func TestIdentitiesThroughBoto3(t *testing.T) {
	t.Parallel()
	s := start(t, identityOptions(t))
	p := newPython(t, s)
	iam := func(operation string, in params) map[string]any { t.Helper(); return p.must("iam", operation, nil, in) }
	same := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %s, want %s", what, got, want)
		}
	}

	made := iam("CreateUser", params{"UserName": "alice", "Path": "/team/", "Tags": []params{{"Key": "team", "Value": "web"}, {"Key": "empty", "Value": ""}}})
	same("the ARN", at(t, made, "User", "Arn"), userPrefix+"/team/alice")
	same("the tags", at(t, made, "User", "Tags"), "[map[Key:empty Value:] map[Key:team Value:web]]")
	same("the user", fmt.Sprint(iam("GetUser", params{"UserName": "alice"})), fmt.Sprint(made))
	same("the tags alone", at(t, iam("ListUserTags", params{"UserName": "alice"}), "Tags"), at(t, made, "User", "Tags"))
	same("the groups", at(t, iam("ListGroupsForUser", params{"UserName": "alice"}), "Groups"), "[]")
	same("the managed policies", at(t, iam("ListAttachedUserPolicies", params{"UserName": "alice"}), "AttachedPolicies"), "[]")
	for _, name := range []string{"bob", "carol"} {
		iam("CreateUser", params{"UserName": name})
	}
	var names []string
	in := params{"MaxItems": 2}
	for pages := 1; ; pages++ {
		out := iam("ListUsers", in)
		for _, u := range out["Users"].([]any) {
			names = append(names, at(t, u, "UserName"))
		}
		if at(t, out, "IsTruncated") == "false" {
			same("the number of pages", fmt.Sprint(pages), "2")
			break
		}
		in["Marker"] = at(t, out, "Marker")
	}
	same("the names", fmt.Sprint(names), "[alice bob carol]")
	same("the users of a path", fmt.Sprint(len(iam("ListUsers", params{"PathPrefix": "/team/"})["Users"].([]any))), "1")

	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["codedeploy:List*","sts:AssumeRole","iam:*AccessKey*"],"Resource":"*"}]}` + "\n"
	iam("PutUserPolicy", params{"UserName": "alice", "PolicyName": "a", "PolicyDocument": document})
	iam("PutUserPolicy", params{"UserName": "alice", "PolicyName": "b", "PolicyDocument": readOnly})
	same("the policies", at(t, iam("ListUserPolicies", params{"UserName": "alice"}), "PolicyNames"), "[a b]")
	same("no policies", at(t, iam("ListUserPolicies", params{"UserName": "bob"}), "PolicyNames"), "[]")
	var want any
	if err := json.Unmarshal([]byte(readOnly), &want); err != nil {
		t.Fatal(err)
	}
	same("the policy", at(t, iam("GetUserPolicy", params{"UserName": "alice", "PolicyName": "b"}), "PolicyDocument"), fmt.Sprint(want))

	first := iam("CreateAccessKey", params{"UserName": "alice"})
	key := keyOf(t, first, "AccessKey")
	same("the caller", at(t, p.must("sts", "GetCallerIdentity", key, nil), "Arn"), userPrefix+"/team/alice")
	same("the caller's id", at(t, p.must("sts", "GetCallerIdentity", key, nil), "UserId"), at(t, made, "User", "UserId"))
	same("the caller as a user", fmt.Sprint(p.must("iam", "GetUser", key, nil)), fmt.Sprint(made))
	same("the root", at(t, p.must("sts", "GetCallerIdentity", nil, nil), "UserId"), identityAccount)
	p.must("codedeploy", "ListApplications", key, nil)
	_, err := p.try(call("codedeploy", "CreateApplication", params{"applicationName": "x"}, key))
	same("what the policy does not allow", codeOf(err), "AccessDeniedException")

	second := p.must("iam", "CreateAccessKey", key, nil) // the caller's own
	p.must("iam", "UpdateAccessKey", key, params{"AccessKeyId": at(t, second, "AccessKey", "AccessKeyId"), "Status": "Inactive"})
	_, err = p.try(call("sts", "GetCallerIdentity", nil, keyOf(t, second, "AccessKey")))
	same("an inactive key", codeOf(err), "InvalidClientTokenId")
	same("the keys", fmt.Sprint(statuses(t, iam("ListAccessKeys", params{"UserName": "alice"}))), "map[Active:1 Inactive:1]")
	p.must("iam", "UpdateAccessKey", key, params{"AccessKeyId": at(t, second, "AccessKey", "AccessKeyId"), "Status": "Active"})
	p.must("sts", "GetCallerIdentity", keyOf(t, second, "AccessKey"), nil)

	session := p.must("sts", "AssumeRole", key, params{"RoleArn": "arn:aws:iam::" + identityAccount + ":role/reader", "RoleSessionName": "me@work", "DurationSeconds": 7200})
	assumed := "arn:aws:sts::" + identityAccount + ":assumed-role/reader/me@work"
	same("the session", at(t, session, "AssumedRoleUser", "Arn"), assumed)
	who := p.must("sts", "GetCallerIdentity", keyOf(t, session, "Credentials"), nil)
	same("the session as a caller", at(t, who, "Arn"), assumed)
	same("the session's id", at(t, who, "UserId"), at(t, session, "AssumedRoleUser", "AssumedRoleId"))
	p.must("codedeploy", "ListApplications", keyOf(t, session, "Credentials"), nil)
	_, err = p.try(call("iam", "GetUser", nil, keyOf(t, session, "Credentials")))
	same("a session that asks which user it is", codeOf(err), "ValidationError")

	// The caller's policy is taken away, and the key with it.
	iam("DeleteUserPolicy", params{"UserName": "alice", "PolicyName": "a"})
	_, err = p.try(call("iam", "ListAccessKeys", nil, key))
	same("what a policy allowed that is gone", codeOf(err), "AccessDenied")
	iam("DeleteAccessKey", params{"UserName": "alice", "AccessKeyId": key[0]})
	_, err = p.try(call("sts", "GetCallerIdentity", nil, key))
	same("a deleted key", codeOf(err), "InvalidClientTokenId")
	_, err = p.try(call("iam", "DeleteUser", params{"UserName": "alice"}, nil))
	same("a user that has things", codeOf(err), "DeleteConflict")
	iam("DeleteAccessKey", params{"UserName": "alice", "AccessKeyId": at(t, second, "AccessKey", "AccessKeyId")})
	iam("DeleteUserPolicy", params{"UserName": "alice", "PolicyName": "b"})
	iam("DeleteUser", params{"UserName": "alice"})
}

func statuses(t testing.TB, out map[string]any) map[string]int {
	counts := map[string]int{}
	for _, k := range out["AccessKeyMetadata"].([]any) {
		counts[at(t, k, "Status")]++
	}
	return counts
}

func codeOf(err error) string {
	var e *pythonError
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// TestRefusalsThroughBoto3 tries each error that can be had, with its HTTP status and the exception that boto3 makes of it.
func TestRefusalsThroughBoto3(t *testing.T) {
	t.Parallel()
	s := start(t, identityOptions(t))
	p := newPython(t, s)
	for _, name := range []string{"alice", "full"} {
		p.must("iam", "CreateUser", nil, params{"UserName": name})
	}
	var key []any
	for range 2 {
		key = keyOf(t, p.must("iam", "CreateAccessKey", nil, params{"UserName": "full"}), "AccessKey")
	}
	chain := keyOf(t, p.must("sts", "AssumeRole", nil, params{"RoleArn": "arn:aws:iam::" + identityAccount + ":role/chain", "RoleSessionName": "first"}), "Credentials")
	host := addHostIn(t, s)
	chainARN := "arn:aws:iam::" + identityAccount + ":role/chain"
	readerARN := "arn:aws:iam::" + identityAccount + ":role/reader"
	const noSuch, validation = "NoSuchEntityException 404 NoSuchEntity", " 400 ValidationError"
	for _, c := range []struct {
		call pythonCall
		want string // class, status, code
		text string
	}{
		{call("iam", "CreateUser", params{"UserName": "Alice"}, nil), "EntityAlreadyExistsException 409 EntityAlreadyExists", "User with name Alice already exists."},
		{call("iam", "CreateUser", params{"UserName": "x", "PermissionsBoundary": "arn:aws:iam::aws:policy/X"}, nil), "InvalidInputException 400 InvalidInput", "PermissionsBoundary"},
		{call("iam", "CreateUser", params{"UserName": "x", "Tags": []params{{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}}}, nil), "InvalidInputException 400 InvalidInput", "Duplicate"},
		{call("iam", "CreateUser", params{"UserName": "x", "Tags": []params{{"Key": "aws:a", "Value": "1"}}}, nil), "InvalidInputException 400 InvalidInput", "reserved"},
		{call("iam", "CreateUser", params{"UserName": "a b", "Path": "x"}, nil), validation, "2 validation errors detected: Value at 'path' failed to satisfy constraint: Member does not match"},
		{call("iam", "CreateUser", nil, nil), validation, "1 validation error detected: Value at 'userName' failed to satisfy constraint: Member must not be null"},
		{call("iam", "CreateUser", params{"UserName": strings.Repeat("a", 65)}, nil), validation, "65 characters"},
		{call("iam", "ListUsers", params{"MaxItems": 1001}, nil), validation, "Value at 'maxItems' failed to satisfy constraint: Member is 1001, and must be from 1 to 1000"},
		{call("iam", "ListUsers", params{"Marker": "!"}, nil), validation, "Invalid Marker"},
		{call("iam", "GetUser", params{"UserName": "none"}, nil), noSuch, "The user with name none cannot be found."},
		{call("iam", "DeleteUser", params{"UserName": "none"}, nil), noSuch, "none"},
		{call("iam", "DeleteUser", params{"UserName": "full"}, nil), "DeleteConflictException 409 DeleteConflict", "must delete"},
		{call("iam", "ListUserTags", params{"UserName": "none"}, nil), noSuch, "none"},
		{call("iam", "ListGroupsForUser", params{"UserName": "none"}, nil), noSuch, "none"},
		{call("iam", "ListAttachedUserPolicies", params{"UserName": "none"}, nil), noSuch, "none"},
		{call("iam", "CreateAccessKey", params{"UserName": "none"}, nil), noSuch, "none"},
		{call("iam", "CreateAccessKey", params{"UserName": "full"}, nil), "LimitExceededException 409 LimitExceeded", "AccessKeysPerUser: 2"},
		{call("iam", "CreateAccessKey", nil, nil), validation, "Must specify userName"},
		{call("iam", "ListAccessKeys", params{"UserName": "none"}, nil), noSuch, "none"},
		{call("iam", "DeleteAccessKey", params{"UserName": "alice", "AccessKeyId": key[0]}, nil), noSuch, "Access Key with id"},
		{call("iam", "UpdateAccessKey", params{"UserName": "alice", "AccessKeyId": key[0], "Status": "Inactive"}, nil), noSuch, "Access Key with id"},
		{call("iam", "UpdateAccessKey", params{"UserName": "full", "AccessKeyId": key[0], "Status": "Off"}, nil), validation, "is not one of Active, Inactive"},
		{call("iam", "PutUserPolicy", params{"UserName": "none", "PolicyName": "p", "PolicyDocument": readOnly}, nil), noSuch, "none"},
		{call("iam", "PutUserPolicy", params{"UserName": "alice", "PolicyName": "p", "PolicyDocument": "{}"}, nil), "MalformedPolicyDocumentException 400 MalformedPolicyDocument", "Statement"},
		{call("iam", "PutUserPolicy", params{"UserName": "alice", "PolicyName": "p", "PolicyDocument": strings.Replace(readOnly, `"Resource"`, `"Condition":{"Odd":{"a":"b"}},"Resource"`, 1)}, nil),
			"MalformedPolicyDocumentException 400 MalformedPolicyDocument", "Odd"},
		{call("iam", "PutUserPolicy", params{"UserName": "alice", "PolicyName": "p", "PolicyDocument": readOnly + strings.Repeat(" ", 20_480)}, nil), "LimitExceededException 409 LimitExceeded", "20480"},
		{call("iam", "GetUserPolicy", params{"UserName": "alice", "PolicyName": "none"}, nil), noSuch, "policy with name none"},
		{call("iam", "GetUserPolicy", params{"UserName": "none", "PolicyName": "none"}, nil), noSuch, "user with name none"},
		{call("iam", "DeleteUserPolicy", params{"UserName": "alice", "PolicyName": "none"}, nil), noSuch, "policy with name none"},
		{call("iam", "DeleteUserPolicy", params{"UserName": "none", "PolicyName": "none"}, nil), noSuch, "user with name none"},
		{call("iam", "ListUserPolicies", params{"UserName": "none"}, nil), noSuch, "none"},
		{call("iam", "ListRoles", nil, nil), " 400 InvalidAction", "Could not find operation ListRoles for version 2010-05-08."},
		{call("sts", "GetSessionToken", nil, nil), " 400 InvalidAction", "GetSessionToken"},
		{call("iam", "ListUsers", nil, []any{"AKIANONE", "x", nil}), " 403 InvalidClientTokenId", "AKIANONE"},
		{call("iam", "ListUsers", nil, []any{testRoot.AccessKeyID, "wrong", nil}), " 403 SignatureDoesNotMatch", "signature"},
		{call("iam", "GetUser", params{"UserName": "alice"}, key), " 403 AccessDenied", "User: " + userPrefix + "/full is not authorized to perform: iam:GetUser on resource: " + userPrefix + "/alice"},
		{call("iam", "ListUsers", nil, key), " 403 AccessDenied", "iam:ListUsers on resource: " + userPrefix + "/"},
		{call("iam", "GetUser", params{"UserName": "alice"}, host), " 403 AccessDenied", "on resource: *"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "me"}, key), " 403 AccessDenied", "sts:AssumeRole"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "me"}, host), " 403 AccessDenied", "sts:AssumeRole"},
		{call("sts", "AssumeRole", params{"RoleArn": readerARN, "RoleSessionName": "me"}, nil), " 403 AccessDenied", "sts:AssumeRole on resource: " + readerARN},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN + "x", "RoleSessionName": "me"}, nil), " 403 AccessDenied", "sts:AssumeRole"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "a/b"}, nil), validation, "roleSessionName"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "me", "DurationSeconds": 899}, nil), validation, "from 900 to 43200"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "me", "DurationSeconds": 7201}, nil), validation, "MaxSessionDuration"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "me", "DurationSeconds": 7200}, chain), validation, "role chaining"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "me", "Policy": readOnly}, nil), validation, "Policy is not supported here"},
		{call("sts", "AssumeRole", params{"RoleArn": chainARN, "RoleSessionName": "me", "Tags": []params{{"Key": "a", "Value": "b"}}}, nil), validation, "Tags is not supported here"},
	} {
		_, err := p.try(c.call)
		var e *pythonError
		if !errors.As(err, &e) {
			t.Errorf("%s %v succeeded", c.call.Operation, c.call.Params)
			continue
		}
		if got := fmt.Sprintf("%s %d %s", e.Class, e.Status, e.Code); got != c.want || !strings.Contains(e.Message, c.text) || e.Type != "Sender" {
			t.Errorf("%s %v: %s, type %s, %s", c.call.Operation, c.call.Params, got, e.Type, e.Message)
		}
	}
}

func addHostIn(t *testing.T, s *Server) []any {
	t.Helper()
	c := &operator.Client{Endpoint: s.Endpoint(), Region: identityRegion, Credential: testRoot, HTTP: http.DefaultClient, Now: time.Now}
	name := "web-1"
	host, err := c.AddHost(t.Context(), operator.AddHostInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	return []any{*host.AccessKeyID, *host.SecretAccessKey, nil}
}

// TestQueriesAtTheEdge: what no SDK sends.
func TestQueriesAtTheEdge(t *testing.T) {
	t.Parallel()
	s := start(t, identityOptions(t))
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	send := func(service, region, method, query, kind, body string, key sigv4.Credential) string {
		r, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint()+"/"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		if key.AccessKeyID != "" {
			sigv4.Sign(r, key, region, service, sigv4.Hash([]byte(body)), time.Now())
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if id := answer.Header.Get("X-Amzn-Requestid"); id == "" || !strings.Contains(string(text), "<RequestId>"+id+"</RequestId>") {
			t.Errorf("the request id %q is not in %s", id, text)
		}
		return fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("Content-Type"), " ", string(text))
	}
	const who = "Action=GetCallerIdentity&Version=2011-06-15"
	for _, c := range []struct {
		what, service, region, method, query, kind, body string
		key                                              sigv4.Credential
		want                                             []string
	}{
		{"posted", "sts", identityRegion, "POST", "", form, who, testRoot, []string{"200 text/xml ", "<Account>" + identityAccount, `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`}},
		{"posted for the global region", "sts", "us-east-1", "POST", "", form, who, testRoot, []string{"200 "}},
		{"posted for another region", "sts", "eu-west-1", "POST", "", form, who, testRoot, []string{"403 ", "<Code>SignatureDoesNotMatch<"}},
		{"in the URL", "sts", "us-east-1", "GET", "?" + who, "", "", testRoot, []string{"200 "}},
		{"deleted", "sts", "us-east-1", "DELETE", "?" + who, "", "", testRoot, []string{"400 ", "<Code>InvalidAction<"}},
		{"signed for another service", "iam", "us-east-1", "POST", "", form, who, testRoot, []string{"403 ", "SignatureDoesNotMatch", "scoped to service sts"}},
		{"signed for S3", "s3", identityRegion, "POST", "", form, who, testRoot, []string{"403 ", "SignatureDoesNotMatch"}},
		{"unsigned", "", "", "POST", "", form, who, sigv4.Credential{}, []string{"403 ", "<Type>Sender</Type><Code>MissingAuthenticationToken<"}},
		{"without an action", "sts", identityRegion, "POST", "", form, "Version=2011-06-15", testRoot, []string{"400 ", "<Code>MissingAction<"}},
		{"without a version", "sts", identityRegion, "POST", "", form, "Action=GetCallerIdentity", testRoot, []string{"400 ", "<Code>InvalidAction<", "NO_VERSION_SPECIFIED"}},
		{"twice", "sts", identityRegion, "POST", "", form, who + "&Action=AssumeRole", testRoot, []string{"400 ", "<Code>MalformedInput<"}},
		{"too large", "sts", identityRegion, "POST", "", form, who + "&x=" + strings.Repeat("x", 1<<20), testRoot, []string{"413 ", "<Code>RequestEntityTooLargeException<"}},
		{"of another version", "iam", identityRegion, "POST", "", form, "Action=ListUsers&Version=2011-06-15", testRoot, []string{"400 ", "<Code>InvalidAction<"}},
	} {
		got := send(c.service, c.region, c.method, c.query, c.kind, c.body, c.key)
		for _, part := range c.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %s lacks %s", c.what, got, part)
			}
		}
	}
}

// TestPresignedCalls: whoever is handed the URL can prove who its maker is, of long-lived keys and of sessions.
func TestPresignedCalls(t *testing.T) {
	t.Parallel()
	p := newPython(t, start(t, identityOptions(t)))
	session := keyOf(t, p.must("sts", "AssumeRole", nil, params{"RoleArn": "arn:aws:iam::" + identityAccount + ":role/chain", "RoleSessionName": "me"}), "Credentials")
	for _, c := range []struct {
		call pythonCall
		want string
	}{
		{call("sts", "GetCallerIdentity", nil, nil), "200 <Arn>" + auth.RootARN(identityAccount)},
		{call("sts", "GetCallerIdentity", nil, session), "200 <Arn>arn:aws:sts::" + identityAccount + ":assumed-role/chain/me<"},
		{call("sts", "GetCallerIdentity", nil, []any{testRoot.AccessKeyID, "wrong", nil}), "403 <Code>SignatureDoesNotMatch<"},
		{call("iam", "ListUsers", nil, nil), "403 <Code>MissingAuthenticationToken<"},
	} {
		for _, method := range []string{"GET", "POST"} {
			c.call.Presigned = method
			out := p.mustCall(c.call)
			status, part, _ := strings.Cut(c.want, " ")
			if at(t, out, "status") != status || !strings.Contains(at(t, out, "body"), part) {
				t.Errorf("%s %+v: %v, want %s", method, c.call, out, c.want)
			}
		}
	}
}

// TestUsersSurviveARestart: with their keys and what those may do.
func TestUsersSurviveARestart(t *testing.T) {
	t.Parallel()
	o := identityOptions(t)
	s := start(t, o)
	p := newPython(t, s)
	p.must("iam", "CreateUser", nil, params{"UserName": "alice", "Path": "/team/"})
	key := keyOf(t, p.must("iam", "CreateAccessKey", nil, params{"UserName": "alice"}), "AccessKey")
	off := keyOf(t, p.must("iam", "CreateAccessKey", nil, params{"UserName": "alice"}), "AccessKey")
	p.must("iam", "UpdateAccessKey", nil, params{"UserName": "alice", "AccessKeyId": off[0], "Status": "Inactive"})
	p.must("iam", "PutUserPolicy", nil, params{"UserName": "alice", "PolicyName": "read", "PolicyDocument": readOnly})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = newPython(t, start(t, o))
	p.must("codedeploy", "ListApplications", key, nil)
	if _, err := p.try(call("sts", "GetCallerIdentity", nil, off)); codeOf(err) != "InvalidClientTokenId" {
		t.Errorf("the inactive key: %v", err)
	}
}

// TestAuditOfIdentities: what changes who may do what leaves a line, and no secret.
func TestAuditOfIdentities(t *testing.T) {
	t.Parallel()
	o := identityOptions(t)
	s := start(t, o)
	p := newPython(t, s)
	p.must("iam", "CreateUser", nil, params{"UserName": "alice"})
	key := keyOf(t, p.must("iam", "CreateAccessKey", nil, params{"UserName": "alice"}), "AccessKey")
	if _, err := p.try(call("iam", "DeleteUser", params{"UserName": "alice"}, key)); codeOf(err) != "AccessDenied" {
		t.Errorf("DeleteUser: %v", err)
	}
	session := p.must("sts", "AssumeRole", nil, params{"RoleArn": "arn:aws:iam::" + identityAccount + ":role/chain", "RoleSessionName": "me"})
	p.must("iam", "ListUsers", nil, nil)
	content, err := os.ReadFile(filepath.Join(o.Config.Data, auditFile))
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	user := "arn:aws:iam::" + identityAccount + ":user/alice"
	for _, part := range []string{
		`"service":"iam","operation":"CreateUser","resources":["` + user + `"],"decision":"allowed"`,
		`"service":"iam","operation":"CreateAccessKey","resources":["` + user + `"],"decision":"allowed"`,
		`"service":"iam","operation":"DeleteUser","resources":["` + user + `"],"decision":"denied","code":"AccessDenied"`,
		`"service":"sts","operation":"AssumeRole"`, `"principal":"` + auth.RootARN(identityAccount) + `"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the log lacks %s:\n%s", part, text)
		}
	}
	for _, secret := range []string{fmt.Sprint(key[1]), at(t, session, "Credentials", "SecretAccessKey"), at(t, session, "Credentials", "SessionToken")} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has the secret %s", secret)
		}
	}
	if strings.Contains(text, "ListUsers") {
		t.Errorf("a reading call left a line:\n%s", text)
	}
}
