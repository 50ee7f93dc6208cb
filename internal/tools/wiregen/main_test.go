package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files in the tree are what the generator makes of the models today.
func TestGeneratedFilesAreUpToDate(t *testing.T) {
	t.Parallel()
	const module = "github.com/aws/aws-sdk-go@v1.55.8"
	const iamOperations = "CreateAccessKey,CreateUser,DeleteAccessKey,DeleteUser,DeleteUserPolicy,GetUser,GetUserPolicy,ListAccessKeys," +
		"ListAttachedUserPolicies,ListGroupsForUser,ListUserPolicies,ListUserTags,ListUsers,PutUserPolicy,UpdateAccessKey"
	for _, c := range []struct{ module, model, pkg, operations string }{
		{module: module, model: "models/apis/codedeploy/2014-10-06/api-2.json", pkg: "control"},
		{model: "host.json", pkg: "host"},
		{module, "models/apis/iam/2010-05-08/api-2.json", "iam", iamOperations},
		{module, "models/apis/sts/2011-06-15/api-2.json", "sts", "AssumeRole,GetCallerIdentity"},
	} {
		t.Run(c.pkg, func(t *testing.T) {
			t.Parallel()
			files, err := generateFrom(c.module, c.model, c.pkg, split(c.operations))
			if errors.Is(err, errNoModule) {
				t.Skipf("needs the module with the public API models, from the module cache or the network: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range files {
				path := filepath.Join("..", "..", "wire", c.pkg, name)
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Errorf("%s differs from what wiregen makes now; run go generate ./internal/wire/...", path)
				}
			}
		})
	}
}

func TestModelsThatCannotBeHonouredAreRefused(t *testing.T) {
	t.Parallel()
	const head = `{"metadata":{"jsonVersion":"1.1","targetPrefix":"T"},"operations":{},"shapes":`
	for text, want := range map[string]string{
		`{`:                             "JSON",
		`{"metadata":{}}`:               "awsJson1_1",
		head + `{"A":{"type":"blob"}}}`: "unknown type",
		head + `{"A":{"type":"list","member":{"shape":"B"}}}}`:                                     "does not exist",
		head + `{"A":{"type":"integer","max":3}}}`:                                                 "not supported",
		head + `{"A":{"type":"string","pattern":"("}}}`:                                            "pattern",
		head + `{"A":{"type":"structure","required":["x"],"members":{}}}}`:                         "required member x",
		strings.Replace(head, `{},"shapes"`, `{"Do":{}},"shapes"`, 1) + `{}}`:                      "no input",
		strings.Replace(head, `{},"shapes"`, `{"Do":{"input":{"shape":"A"}}},"shapes"`, 1) + `{}}`: "no structure",
	} {
		_, err := parseModel([]byte(text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

// TestQueryModels: what is refused of them, and what is made of their names, patterns and ranges.
func TestQueryModels(t *testing.T) {
	t.Parallel()
	const head = `{"metadata":{"protocol":"query","apiVersion":"1","xmlNamespace":"urn:x","serviceId":"X","endpointPrefix":"x"},"operations":{
		"Do":{"input":{"shape":"In"},"output":{"shape":"Out","resultWrapper":"DoResult"},"errors":[{"shape":"GoneException"}]},"Other":{"input":{"shape":"Unknown"}}},"shapes":{`
	const shapes = `"In":{"type":"structure","required":["Name"],"members":{"Name":{"shape":"Name"},"Items":{"shape":"Items"}}},"Out":{"type":"structure","members":{}},
		"GoneException":{"type":"structure","members":{"x":{"shape":"Unneeded"}},"exception":true,"error":{"code":"Gone","httpStatusCode":410}},
		"Name":{"type":"string","min":1,"pattern":"[\\u0021-\\u007E]+|\\u10000-\\u10FFFF"},"Items":{"type":"integer","min":1,"max":9},`
	only := []string{"Do"}
	m, err := parseModel([]byte(head+shapes+`"Unneeded":{"type":"blob"}}}`), only)
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(m, "p")
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, name := range sortedNames(files) {
		all += string(files[name])
	}
	for _, part := range []string{
		`GoneException wire.Code = "Gone"`, "return 410", "`query:\"Name\"`", `Namespace:    "urn:x"`, `Version:      "1"`, `c.Presence("Name", "Name", s.Name != nil)`,
		`"^(?:[\\x{0021}-\\x{007E}]+|\\x{10000}-\\x{10FFFF})$"`, `wire.Between(c, "Items", s.Items, wire.Range{Shape: "Items", Min: 1, Max: 9})`,
	} {
		if !strings.Contains(all, part) {
			t.Errorf("what is generated lacks %s:\n%s", part, all)
		}
	}
	for _, c := range []struct{ text, want string }{
		{strings.Replace(head, `"apiVersion":"1",`, "", 1) + shapes, "not a model"},
		{strings.Replace(head, "DoResult", "Result", 1) + shapes, "wraps its result"},
		{head + strings.Replace(shapes, `"integer"`, `"map","key":{"shape":"Name"},"value":{"shape":"Name"}`, 1), "maps are not supported"},
		{head + strings.Replace(shapes, `"integer"`, `"list","flattened":true,"member":{"shape":"Name"}`, 1), "flattened"},
	} {
		if _, err := parseModel([]byte(c.text+`"Unneeded":{"type":"blob"}}}`), only); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
	if _, err := parseModel([]byte(head+shapes+`"Unneeded":{"type":"blob"}}}`), []string{"None"}); err == nil || !strings.Contains(err.Error(), "None does not exist") {
		t.Errorf("an operation that there is not: %v", err)
	}
}

func TestTwoThingsNeverShareAName(t *testing.T) {
	t.Parallel()
	m, err := parseModel([]byte(`{"metadata":{"jsonVersion":"1.1","targetPrefix":"T"},"operations":{},"shapes":{
		"Wait":{"type":"string","enum":["A_B","AB","Ab"]}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := generate(m, "p"); err == nil || !strings.Contains(err.Error(), "stands for both") {
		t.Errorf("got %v", err)
	}
}
