package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"crossfade/internal/wire/control"
)

const answersPath = "testdata/boto3_answers.golden"

// step is a call, or a word for what happens otherwise: run, fails (Install does from now on), works (again), idle (agents answer
// no more), later (a second passes).
type step struct{ operation, body string }

// story has every operation at least once, in an order in which each succeeds. {1}, {2} … are the ids of the deployments that it creates.
var story = []step{
	{"CreateApplication", `{"applicationName":"shop","tags":[{"Key":"team","Value":"a"}]}`},
	{"CreateApplication", `{"applicationName":"fn","computePlatform":"Lambda"}`},
	{"CreateApplication", `{"applicationName":"tasks","computePlatform":"ECS"}`},
	{"GetApplication", `{"applicationName":"shop"}`},
	{"BatchGetApplications", `{"applicationNames":["tasks","shop"]}`},
	{"ListApplications", `{}`},
	{"UpdateApplication", `{"applicationName":"fn","newApplicationName":"function"}`},
	{"TagResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:shop","Tags":[{"Key":"env","Value":""}]}`},
	{"ListTagsForResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:shop"}`},
	{"UntagResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:shop","TagKeys":["env"]}`},
	{"ListGitHubAccountTokenNames", `{}`},
	{"DeleteGitHubAccountToken", `{"tokenName":"ci"}`},
	{"DeleteResourcesByExternalId", `{"externalId":"stack"}`},

	{"RegisterApplicationRevision", `{"applicationName":"shop","revision":` + bundle + `,"description":"first"}`},
	{"GetApplicationRevision", `{"applicationName":"shop","revision":` + bundle + `}`},
	{"RegisterApplicationRevision", `{"applicationName":"function","revision":{"revisionType":"AppSpecContent","appSpecContent":{"content":"version: 0.0"}}}`},
	{"ListApplicationRevisions", `{"applicationName":"function"}`},
	{"GetApplicationRevision", `{"applicationName":"function","revision":{"revisionType":"AppSpecContent","appSpecContent":{"content":"version: 0.0"}}}`},
	{"BatchGetApplicationRevisions", `{"applicationName":"shop","revisions":[` + bundle + `,{"revisionType":"S3","s3Location":{"bucket":"b","key":"k","bundleType":"tar","version":"1","eTag":"e"}}]}`},

	{"CreateDeploymentConfig", `{"deploymentConfigName":"mine","minimumHealthyHosts":{"type":"HOST_COUNT","value":0}}`},
	{"CreateDeploymentConfig", `{"deploymentConfigName":"canary","computePlatform":"Lambda","trafficRoutingConfig":{"type":"TimeBasedCanary","timeBasedCanary":{"canaryPercentage":10,"canaryInterval":5}}}`},
	{"CreateDeploymentConfig", `{"deploymentConfigName":"zonal","minimumHealthyHosts":{"type":"FLEET_PERCENT","value":50},
		"zonalConfig":{"firstZoneMonitorDurationInSeconds":60,"monitorDurationInSeconds":30,"minimumHealthyHostsPerZone":{"type":"FLEET_PERCENT","value":50}}}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"mine"}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"canary"}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"zonal"}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"CodeDeployDefault.OneAtATime"}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"CodeDeployDefault.HalfAtATime"}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"CodeDeployDefault.AllAtOnce"}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"CodeDeployDefault.ECSAllAtOnce"}`},
	{"GetDeploymentConfig", `{"deploymentConfigName":"CodeDeployDefault.LambdaLinear10PercentEvery1Minute"}`},
	{"DeleteDeploymentConfig", `{"deploymentConfigName":"zonal"}`},
	{"ListDeploymentConfigs", `{}`},

	{"CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat","serviceRoleArn":"` + role + `","deploymentConfigName":"mine",
		"onPremisesInstanceTagFilters":[{"Key":"colour","Value":"blue","Type":"KEY_AND_VALUE"}]}`},
	{"GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`},
	{"CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"prod","serviceRoleArn":"` + role + `","deploymentConfigName":"CodeDeployDefault.AllAtOnce",
		` + style + `,` + blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60) + `,"onPremisesTagSet":{"onPremisesTagSetList":[[{"Key":"colour","Value":"blue","Type":"KEY_AND_VALUE"}]]},
		"ec2TagSet":{"ec2TagSetList":[[{"Key":"colour","Type":"KEY_ONLY"}],[{"Value":"none","Type":"VALUE_ONLY"}]]},
		"triggerConfigurations":[{"triggerName":"t","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:topic","triggerEvents":["DeploymentStart"]}],
		"alarmConfiguration":{"enabled":false,"alarms":[{"name":"a"}]},"autoRollbackConfiguration":{"enabled":false,"events":["DEPLOYMENT_FAILURE"]},"outdatedInstancesStrategy":"IGNORE"}`},
	{"CreateDeploymentGroup", `{"applicationName":"function","deploymentGroupName":"alias","serviceRoleArn":"` + role + `"}`},
	{"GetDeploymentGroup", `{"applicationName":"function","deploymentGroupName":"alias"}`},
	{"CreateDeploymentGroup", `{"applicationName":"tasks","deploymentGroupName":"service","serviceRoleArn":"` + role + `","ecsServices":[{"serviceName":"s","clusterName":"c"}],
		"loadBalancerInfo":{"targetGroupPairInfoList":[{"targetGroups":[{"name":"a"},{"name":"b"}],"prodTrafficRoute":{"listenerArns":["l"]}}]},
		"blueGreenDeploymentConfiguration":{"deploymentReadyOption":{"actionOnTimeout":"CONTINUE_DEPLOYMENT"},"terminateBlueInstancesOnDeploymentSuccess":{"action":"TERMINATE"}}}`},
	{"GetDeploymentGroup", `{"applicationName":"tasks","deploymentGroupName":"service"}`},
	{"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","autoRollbackConfiguration":{"enabled":true,"events":["DEPLOYMENT_FAILURE"]}}`},
	{"BatchGetDeploymentGroups", `{"applicationName":"shop","deploymentGroupNames":["prod","none"]}`},
	{"ListDeploymentGroups", `{"applicationName":"shop"}`},

	{"RegisterOnPremisesInstance", `{"instanceName":"blue-1","iamUserArn":"arn:aws:iam::123456789012:user/blue-1"}`},
	{"RegisterOnPremisesInstance", `{"instanceName":"green-1","iamSessionArn":"arn:aws:sts::123456789012:assumed-role/Hosts/green-1"}`},
	{"RegisterOnPremisesInstance", `{"instanceName":"gone","iamUserArn":"arn:aws:iam::123456789012:user/gone"}`},
	{"AddTagsToOnPremisesInstances", `{"instanceNames":["blue-1"],"tags":[{"Key":"colour","Value":"blue"},{"Key":"crossfade:address","Value":"127.0.0.2"}]}`},
	{"AddTagsToOnPremisesInstances", `{"instanceNames":["green-1"],"tags":[{"Key":"colour","Value":"green"},{"Key":"crossfade:address","Value":"127.0.0.2"},{"Key":"x","Value":"y"}]}`},
	{"RemoveTagsFromOnPremisesInstances", `{"instanceNames":["green-1"],"tags":[{"Key":"x"}]}`},
	{"DeregisterOnPremisesInstance", `{"instanceName":"gone"}`},
	{"GetOnPremisesInstance", `{"instanceName":"gone"}`},
	{"BatchGetOnPremisesInstances", `{"instanceNames":["green-1","blue-1","none"]}`},
	{"ListOnPremisesInstances", `{"registrationStatus":"Registered","tagFilters":[{"Key":"colour","Type":"KEY_ONLY"}]}`},

	{"CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"flat","revision":` + bundle + `,"description":"in place","fileExistsBehavior":"OVERWRITE"}`},
	{"GetDeployment", `{"deploymentId":"{1}"}`},
	{"run", ""},
	{"GetDeployment", `{"deploymentId":"{1}"}`},
	{"ListDeploymentTargets", `{"deploymentId":"{1}"}`},
	{"GetDeploymentTarget", `{"deploymentId":"{1}","targetId":"blue-1"}`},
	{"GetDeploymentInstance", `{"deploymentId":"{1}","instanceId":"blue-1"}`},
	{"GetApplicationRevision", `{"applicationName":"shop","revision":` + bundle + `}`},
	{"later", ""},
	{"fails", ""},
	{"CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"flat","revision":{"revisionType":"S3","s3Location":{"bucket":"bundles","key":"bad.zip","bundleType":"zip"}},
		"autoRollbackConfiguration":{"enabled":false},"overrideAlarmConfiguration":{"enabled":false,"alarms":[{"name":"a"}]}}`},
	{"run", ""},
	{"works", ""},
	{"GetDeployment", `{"deploymentId":"{2}"}`},
	{"BatchGetDeploymentInstances", `{"deploymentId":"{2}","instanceIds":["blue-1","none"]}`},
	{"GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`},

	{"later", ""},
	{"CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"prod","revision":` + bundle + `,"targetInstances":{"tagFilters":[{"Key":"colour","Value":"green","Type":"KEY_AND_VALUE"}]}}`},
	{"run", ""},
	{"GetDeployment", `{"deploymentId":"{3}"}`},
	{"ListDeploymentInstances", `{"deploymentId":"{3}","instanceTypeFilter":["Green"],"instanceStatusFilter":["Ready"]}`},
	{"PutLifecycleEventHookExecutionStatus", `{"deploymentId":"{3}","lifecycleEventHookExecutionId":"h","status":"Succeeded"}`},
	{"ContinueDeployment", `{"deploymentId":"{3}","deploymentWaitType":"READY_WAIT"}`},
	{"run", ""},
	{"GetDeployment", `{"deploymentId":"{3}"}`},
	{"BatchGetDeploymentTargets", `{"deploymentId":"{3}","targetIds":["green-1","blue-1"]}`},
	{"SkipWaitTimeForInstanceTermination", `{"deploymentId":"{3}"}`},
	{"run", ""},
	{"BatchGetDeployments", `{"deploymentIds":["{3}","d-ZZZZZZZZZ"]}`},
	{"later", ""},
	{"idle", ""},
	{"CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"flat","revision":` + bundle + `}`},
	{"StopDeployment", `{"deploymentId":"{4}"}`},
	{"GetDeployment", `{"deploymentId":"{4}"}`},
	{"CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"flat","revision":` + bundle + `}`},
	{"run", ""},
	{"StopDeployment", `{"deploymentId":"{5}"}`},
	{"ListDeployments", `{"applicationName":"shop","deploymentGroupName":"flat","createTimeRange":{"start":1767323045,"end":1767323999}}`},

	{"DeleteDeploymentGroup", `{"applicationName":"function","deploymentGroupName":"alias"}`},
	{"DeleteApplication", `{"applicationName":"function"}`},
}

// TestEveryOperationThroughBoto3 tells a story with every operation, and holds what boto3 makes of the answers: which members are there, of
// which types, and that nothing is in them that boto3's model of the API does not know.
func TestEveryOperationThroughBoto3(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBoto(t, w.serve())
	w.agents.answering = true
	if err := w.api.AddGitHubAccountToken(t.Context(), "ci", "secret"); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	var ids []string
	succeeded := map[string]bool{}
	for _, s := range story {
		switch s.operation {
		case "run":
			w.run()
		case "later":
			w.clock.Pass(time.Second)
		case "fails":
			w.agents.fails = "Install"
		case "works":
			w.agents.fails = ""
		case "idle":
			w.agents.answering = false
		default:
			for i, id := range ids {
				s.body = strings.ReplaceAll(s.body, fmt.Sprintf("{%d}", i+1), id)
			}
			answer := b.call(s.operation, s.body)
			fmt.Fprintf(&told, "%s %s\n%s\n", s.operation, strings.NewReplacer("\n", "", "\t", "").Replace(s.body), shown(t, answer))
			for _, f := range answer.Faults {
				// The built-in config has a type that the model gives to no request.
				if !strings.HasSuffix(f, "minimumHealthyHosts.type is MOST_CONCURRENCY, which is not in the enum MinimumHealthyHostsType") {
					t.Errorf("%s: %s", s.operation, f)
				}
			}
			succeeded[s.operation] = succeeded[s.operation] || answer.Error == nil
			if s.operation == "CreateDeployment" && answer.Error == nil {
				ids = append(ids, fmt.Sprint(answer.Output["deploymentId"]))
			}
		}
	}
	for _, op := range control.Describe(w.api).Operations {
		// No hook of a Server deployment reports a status, so this one can't succeed yet.
		if !succeeded[op.Name] && op.Name != "PutLifecycleEventHookExecutionStatus" {
			t.Errorf("%s never succeeded", op.Name)
		}
	}
	if *update {
		if err := os.WriteFile(answersPath, told.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(answersPath)
	if err != nil {
		t.Fatal(err)
	}
	got, expected := strings.Split(told.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(expected)) {
		if got[i] != expected[i] {
			t.Fatalf("line %d of %s\n got %s\nwant %s\n(go test ./internal/api -run EveryOperationThroughBoto3 -update)", i+1, answersPath, got[i], expected[i])
		}
	}
	if len(got) != len(expected) {
		t.Errorf("%d lines, want %d", len(got), len(expected))
	}
}

// shown is an answer as the golden file has it. The words of messages are nobody's business here.
func shown(t *testing.T, a botoAnswer) string {
	t.Helper()
	if a.Error != nil {
		return "  raises " + a.Error.Class
	}
	text, err := json.Marshal(withoutWords(a.Output))
	if err != nil {
		t.Fatal(err)
	}
	return "  " + string(text)
}

func withoutWords(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			switch k {
			case "message", "rollbackMessage", "errorMessage":
				v[k] = "..."
			case "deploymentStatusMessages":
				v[k] = []string{"..."}
			default:
				v[k] = withoutWords(member)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutWords(v[i])
		}
	}
	return v
}

// TestPagesThroughBoto3 reads lists of several pages with boto3's paginators.
func TestPagesThroughBoto3(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := newBoto(t, w.serve())
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	for n := range 110 {
		w.must("RegisterOnPremisesInstance", fmt.Sprintf(`{"instanceName":"p-%03d","iamUserArn":"arn:aws:iam::123456789012:user/p-%03d"}`, n, n))
		w.must("AddTagsToOnPremisesInstances", fmt.Sprintf(`{"instanceNames":["p-%03d"],"tags":[{"Key":"colour","Value":"blue"}]}`, n))
		w.must("RegisterApplicationRevision", fmt.Sprintf(`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"builds","key":"%d","bundleType":"zip"}}}`, n))
	}
	id := w.deployTo("flat")
	w.run()
	for _, c := range []struct {
		operation, body string
		pages, entries  int
	}{
		{"ListOnPremisesInstances", `{"tagFilters":[{"Key":"colour","Value":"blue","Type":"KEY_AND_VALUE"}]}`, 2, 112},
		{"ListApplicationRevisions", `{"applicationName":"shop","s3Bucket":"builds","sortBy":"registerTime","sortOrder":"descending"}`, 2, 110},
		{"ListDeploymentTargets", `{"deploymentId":"` + id + `"}`, 2, 112},
		{"ListDeploymentInstances", `{"deploymentId":"` + id + `"}`, 2, 112},
		{"ListDeployments", `{}`, 1, 1},
		{"ListApplications", `{}`, 1, 3},
	} {
		got := b.ask(map[string]any{"operation": c.operation, "body": c.body, "pages": true})
		distinct := map[string]bool{}
		for _, e := range got.Entries {
			distinct[fmt.Sprint(e)] = true
		}
		if got.Pages != c.pages || len(got.Entries) != c.entries || len(distinct) != c.entries {
			t.Errorf("%s: %d pages, %d entries, %d of them different", c.operation, got.Pages, len(got.Entries), len(distinct))
		}
	}
}
