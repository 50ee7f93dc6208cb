package main

import (
	"strings"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/operator"
)

// TestPlanText holds what a person reads of a plan.
func TestPlanText(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range "abcdefghijkl" {
		names = append(names, "web-"+string(c))
	}
	p := operator.PlanOutput{
		Application: "shop", Group: "prod", Config: "ByZone", Kind: "InPlaceTraffic", Busy: "d-OTHER0001", Queues: true, LimitSeconds: 8 * 3600,
		Rollback: "none: there is no previously successful revision", Alarms: []string{"shop-errors"}, Messages: []string{"Something else."},
		Targets: []operator.PlannedTarget{
			{ID: "web-a", Zone: "a", Health: "unhealthy"}, {ID: "web-b", Zone: "a", Health: "old"}, {ID: "web-c", Zone: "a", Health: "old"},
		},
		Stages: []operator.PlannedStage{
			{What: "deploying", Zone: "zone a", Events: []deploy.EventName{"BeforeInstall", "Install"}, Waves: [][]string{names, {"web-z"}}, Total: 13, MinimumHealthy: 1, AtOnce: 12, MustSucceed: 1, MayFail: 11, WaitSeconds: 60},
			{What: "the ready wait", WaitSeconds: 60, Continue: true, Stops: true},
			{What: "shifting traffic", Percent: 10, WaitSeconds: 300},
			{What: "taking the original environment out of traffic", Waves: [][]string{{"web-b"}}, Total: 1, NoneMayFail: true},
			{What: "the termination wait", Continue: true},
		},
		Bundle: operator.PlannedBundle{Type: "zip", Entries: 3, Bytes: 100, Unpacked: 200, Warnings: []string{"a hook that nobody runs"},
			Problems: []operator.PlannedProblem{{File: "appspec.yml", Line: 5, What: "no scripts/x.sh", Hint: "add it"}}},
	}
	var b strings.Builder
	if err := writePlan(&b, p); err != nil {
		t.Fatal(err)
	}
	want := `A deployment of shop to prod with ByZone would be in place, each instance out of traffic meanwhile.
It would wait its turn: d-OTHER0001 is not over.
Something else.

bundle     zip, 3 entries, 100 bytes packed, 200 unpacked; HOSTS WOULD REFUSE IT:
  appspec.yml:5:1: no scripts/x.sh; add it
  note: a hook that nobody runs
instances  3
  zone a, unhealthy: web-a
  zone a, old: web-b, web-c

1. deploying, zone a
   events   BeforeInstall, Install
   health   of 13, 1 must stay healthy: at most 12 at once; 1 must succeed, 11 may fail on the way
   wave 1   web-a, web-b, web-c, web-d, web-e, web-f, web-g, web-h and 4 more
   wave 2   web-z
   then waits 1m0s

2. the ready wait
   waits 1m0s for ContinueDeployment, else it is stopped

3. shifting traffic: 10 % of the requests
   then waits 5m0s

4. taking the original environment out of traffic
   events   
   health   all 1 at once, and none may fail
   wave 1   web-b

5. the termination wait
   goes on at once

rollback   none: there is no previously successful revision
alarms     shop-errors stop it
limit      it may take 8h0m0s
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	p.Problem = &deploy.ErrorInfo{Code: "NO_INSTANCES", Message: "There are none."}
	if err := writePlan(&b, p); err != nil || !strings.HasSuffix(b.String(), "IT WOULD FAIL AT ONCE: NO_INSTANCES: There are none.\n") || p.Ready() {
		t.Errorf("%v, ready %v: %s", err, p.Ready(), b.String())
	}
}

// TestPlanFlags holds that the flags say what aws deploy create-deployment would send.
func TestPlanFlags(t *testing.T) {
	t.Parallel()
	f := planFlags{
		whole: `{"applicationName":"a","deploymentGroupName":"g","description":"d"}`, group: "other", s3: "bucket=b,key=k,bundleType=zip,eTag=e",
		targets: `{"tagFilters":[{"Key":"env","Value":"green","Type":"KEY_AND_VALUE"}]}`, outdated: true,
	}
	in, err := f.input()
	if err != nil || *in.ApplicationName != "a" || *in.DeploymentGroupName != "other" || *in.Description != "d" || *in.Revision.S3Location.ETag != "e" ||
		*in.TargetInstances.TagFilters[0].Value != "green" || !*in.UpdateOutdatedInstancesOnly || in.IgnoreApplicationStopFailures != nil {
		t.Errorf("%+v, %v", in, err)
	}
	for _, bad := range []planFlags{{s3: "bucket"}, {github: "repository=r,nope=1"}, {whole: "{"}, {revision: "file:///does/not/exist"}} {
		if _, err := bad.input(); err == nil || !strings.HasPrefix(err.Error(), "--") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
