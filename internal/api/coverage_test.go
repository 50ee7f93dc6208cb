package api_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"crossfade/internal/api"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

var update = flag.Bool("update", false, "write docs/coverage.md anew")

const coveragePath = "../../docs/coverage.md"

// never are the exceptions that an operation declares and Crossfade does not raise, with the reason.
var never = map[string]string{
	"Throttling":                        "no limit on rates yet, and one would be the endpoint's",
	"LifecycleHookLimitExceeded":        "a fleet's Auto Scaling groups take any number of hooks",
	"ECSServiceMappingLimitExceeded":    "no ECS deployments yet",
	"InvalidGitHubAccountToken":         "shown by the deployment's errorInformation, when the token is used",
	"OperationNotSupported":             "the operations on GitHub tokens are supported",
	"ResourceValidation":                "documented as never raised by us",
	"IamUserArnRequired":                "legacy, IamArnRequired stands for it",
	"LifecycleEventAlreadyCompleted":    "no Lambda or ECS hooks yet",
	"DeleteApplication/InvalidRole":     "documented as never raised by us",
	"DeleteDeploymentGroup/InvalidRole": "hooks that could not be removed are listed in the answer",

	"GetDeploymentConfig/InvalidComputePlatform":            "there is nothing to be invalid in a name",
	"GetDeploymentGroup/DeploymentConfigDoesNotExist":       "a config in use can't be deleted",
	"BatchGetDeploymentGroups/DeploymentConfigDoesNotExist": "a config in use can't be deleted",
	"ListDeploymentInstances/InvalidTargetFilterName":       "the operation has no filter names",
	"ListDeploymentInstances/InvalidComputePlatform":        "no ECS deployments yet",
	"GetDeploymentInstance/InvalidComputePlatform":          "no ECS deployments yet",
	"BatchGetDeploymentInstances/InvalidComputePlatform":    "no ECS deployments yet",
	"BatchGetDeploymentTargets/InstanceDoesNotExist":        "DeploymentTargetDoesNotExist comes first",
	"StopDeployment/UnsupportedActionForDeploymentType":     "no deployments by CloudFormation",
	"CreateDeployment/InvalidRole":                          "a stored role stays valid",
	"CreateDeployment/InvalidLoadBalancerInfo":              "shown by the deployment's errorInformation",
}

// covered is what the tables refusals, overQuota and never say of an operation.
type covered struct {
	operation string
	modelled  int
	tried     []string // exceptions that a request provokes
	boto3     int      // of those, how many boto3 writes the request for
	never     []string // those that Crossfade does not raise
	requests  int
}

// coverage takes the tables together. Each modelled exception must be in exactly one of them, and never must have no entry without a use.
func coverage(t *testing.T) []covered {
	t.Helper()
	var out []covered
	used := map[string]bool{}
	for _, op := range control.Describe(new(api.Service)).Operations {
		requests := refusals[op.Name]
		if r, ok := overQuota[op.Name]; ok {
			requests = append(requests[:len(requests):len(requests)], r)
		}
		c := covered{operation: op.Name, modelled: len(op.Errors), requests: len(requests)}
		seen, written := map[string]bool{}, map[string]bool{}
		for _, r := range requests {
			seen[r.want] = true
			if !unserializable(r.body) {
				written[r.want] = true
			}
		}
		for _, code := range op.Errors {
			name := short(code)
			key := op.Name + "/" + name
			if _, ok := never[key]; !ok {
				key = name
			}
			_, unraised := never[key]
			switch {
			case seen[name] == unraised:
				t.Errorf("%s declares %s: tried %t, said to be raised never %t", op.Name, name, seen[name], unraised)
			case unraised:
				c.never = append(c.never, fmt.Sprintf("%s: %s", name, never[key]))
				used[key] = true
			default:
				c.tried = append(c.tried, name)
				if written[name] {
					c.boto3++
				}
			}
		}
		out = append(out, c)
	}
	for key := range never {
		if !used[key] {
			t.Errorf("%s is said to be raised never, and no operation declares it", key)
		}
	}
	return out
}

func short(code wire.Code) string { return strings.TrimSuffix(string(code), "Exception") }

// TestCoverage keeps docs/coverage.md made from the tables. That each request is answered as its table says is for the tests of the tables.
func TestCoverage(t *testing.T) {
	t.Parallel()
	want := coverageDocument(coverage(t))
	if *update {
		if err := os.WriteFile(coveragePath, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(coveragePath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/coverage.md is not what the tables say; run go test ./internal/api -run TestCoverage -update")
	}
}

func coverageDocument(operations []covered) []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# The errors of each operation\n\nMade from the tables of the tests in `internal/api` (`go test ./internal/api -run TestCoverage -update`); don't edit.\n\n")
	p("An error is tried when a test sends a request through the codec that must be answered with it; the others that the model declares Crossfade\ndoes not raise, for the reason given. Requests that must succeed count as requests. Errors that every service has, such as those of signatures\nand permissions, are not counted.\n\nThe same requests go through boto3 to the signed endpoint, where boto3 must raise the exception's own class; the third column counts the errors for\nwhich boto3 itself wrote such a request.\n\n")
	p("| operation | errors tried / modelled | through boto3 | requests | not raised |\n|---|---|---|---|---|\n")
	var tried, boto3, modelled, requests int
	for _, c := range operations {
		p("| %s | %d / %d | %d / %d | %d | %s |\n", c.operation, len(c.tried), c.modelled, c.boto3, c.modelled, c.requests, strings.Join(c.never, "; "))
		tried, boto3, modelled, requests = tried+len(c.tried), boto3+c.boto3, modelled+c.modelled, requests+c.requests
	}
	p("| **%d operations** | **%d / %d** | **%d / %d** | **%d** | |\n", len(operations), tried, modelled, boto3, modelled, requests)
	return b.Bytes()
}
