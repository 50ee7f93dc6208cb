package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// requiredMembers has the exception for the absence of a member, without its suffix.
var requiredMembers = map[string]string{
	"applicationName": "ApplicationNameRequired", "applicationNames": "ApplicationNameRequired",
	"deploymentGroupName": "DeploymentGroupNameRequired", "currentDeploymentGroupName": "DeploymentGroupNameRequired", "deploymentGroupNames": "DeploymentGroupNameRequired",
	"deploymentConfigName": "DeploymentConfigNameRequired", "serviceRoleArn": "RoleRequired",
	"deploymentId": "DeploymentIdRequired", "deploymentIds": "DeploymentIdRequired", "targetId": "DeploymentTargetIdRequired", "targetIds": "DeploymentTargetIdRequired",
	"instanceId": "InstanceIdRequired", "instanceIds": "InstanceIdRequired", "instanceName": "InstanceNameRequired", "instanceNames": "InstanceNameRequired",
	"revision": "RevisionRequired", "revisions": "RevisionRequired", "tags": "TagRequired", "tokenName": "GitHubAccountTokenNameRequired",
	"ResourceArn": "ResourceArnRequired", "Tags": "TagRequired", "TagKeys": "TagRequired",
}

// alsoRequired are the members that the model leaves free and the operation requires.
var alsoRequired = map[string][]string{
	"UpdateApplication": {"applicationName"}, "DeleteGitHubAccountToken": {"tokenName"}, "CreateDeployment": {"deploymentGroupName", "revision"},
	"ContinueDeployment": {"deploymentId"}, "SkipWaitTimeForInstanceTermination": {"deploymentId"}, "PutLifecycleEventHookExecutionStatus": {"deploymentId"},
}

// TestWhatIsRequiredIsMissedHoweverItIsMissing takes each required member out of a request that would succeed: absent, null and empty are alike.
func TestWhatIsRequiredIsMissedHoweverItIsMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bodies := map[string]string{}
	for _, s := range story {
		if bodies[s.operation] == "" {
			bodies[s.operation] = strings.NewReplacer("{1}", "d-000000001", "{2}", "d-000000002", "{3}", "d-000000003", "{4}", "d-000000004").Replace(s.body)
		}
	}
	tried := 0
	for _, op := range control.Describe(w.api).Operations {
		members := alsoRequired[op.Name]
		for _, v := range op.New().Validate() {
			if v.Rule == wire.Required {
				members = append(members, v.Member)
			}
		}
		for _, m := range members {
			for _, missing := range []string{"", "null", "empty"} {
				var body map[string]any
				if err := json.Unmarshal([]byte(bodies[op.Name]), &body); err != nil {
					t.Fatalf("%s: %v", op.Name, err)
				}
				switch was := body[m].(type) {
				case nil:
					t.Fatalf("%s %s has no %s", op.Name, bodies[op.Name], m)
				case string:
					body[m] = ""
				case []any:
					body[m] = was[:0]
				default: // an empty revision is one, and invalid
					if missing == "empty" {
						continue
					}
				}
				switch missing {
				case "":
					delete(body, m)
				case "null":
					body[m] = nil
				}
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				w.refused(op.Name, string(text), requiredMembers[m])
				tried++
			}
		}
	}
	if tried < 150 {
		t.Errorf("only %d requests", tried)
	}
}

// TestLimitsAreExact sends, for each limit, the most that is allowed and one more.
func TestLimitsAreExact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	id := w.deployTo("flat")
	w.run()
	list := func(format string) func(int) string {
		return func(n int) string {
			items := make([]string, n)
			for i := range items {
				items[i] = strings.ReplaceAll(format, "#", fmt.Sprint(i))
			}
			return "[" + strings.Join(items, ",") + "]"
		}
	}
	letters := func(letter string) func(int) string {
		return func(n int) string { return `"` + strings.Repeat(letter, n) + `"` }
	}
	for _, c := range []struct {
		operation, body string // % stands for the value
		value           func(int) string
		most            int
		within, beyond  string // what is answered to the most, and to one more
	}{
		{"BatchGetApplications", `{"applicationNames":%}`, list(`"n-#"`), 100, "ApplicationDoesNotExist", "BatchLimitExceeded"},
		{"BatchGetApplicationRevisions", `{"applicationName":"shop","revisions":%}`, list(bundle), 25, "", "BatchLimitExceeded"},
		{"BatchGetDeploymentGroups", `{"applicationName":"shop","deploymentGroupNames":%}`, list(`"n-#"`), 100, "", "BatchLimitExceeded"},
		{"BatchGetDeployments", `{"deploymentIds":%}`, list(`"` + id + `"`), 25, "", "BatchLimitExceeded"},
		{"BatchGetDeploymentTargets", `{"deploymentId":"` + id + `","targetIds":%}`, list(`"blue-1"`), 25, "", "DeploymentTargetListSizeExceeded"},
		{"BatchGetDeploymentInstances", `{"deploymentId":"` + id + `","instanceIds":%}`, list(`"n-#"`), 25, "", "BatchLimitExceeded"},
		{"BatchGetOnPremisesInstances", `{"instanceNames":%}`, list(`"n-#"`), 25, "", "BatchLimitExceeded"},
		{"AddTagsToOnPremisesInstances", `{"instanceNames":%,"tags":[{"Key":"k","Value":"v"}]}`, list(`"blue-1"`), 100, "", "InstanceLimitExceeded"},
		{"RemoveTagsFromOnPremisesInstances", `{"instanceNames":%,"tags":[{"Key":"k"}]}`, list(`"blue-1"`), 100, "", "InstanceLimitExceeded"},
		{"AddTagsToOnPremisesInstances", `{"instanceNames":["green-1"],"tags":%}`, list(`{"Key":"k#","Value":"v"}`), 8, "", "TagLimitExceeded"}, // two are there
		{"CreateApplication", `{"applicationName":%}`, letters("a"), 100, "", "InvalidApplicationName"},
		{"CreateApplication", `{"applicationName":"tagged","tags":%}`, list(`{"Key":"k#"}`), 50, "", "InvalidTagsToAdd"},
		{"TagResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:fn","Tags":[{"Key":%}]}`, letters("ä"), 128, "", "InvalidTagsToAdd"},
		{"TagResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:fn","Tags":[{"Key":"k","Value":%}]}`, letters("ä"), 256, "", "InvalidTagsToAdd"},
		{"RegisterApplicationRevision", `{"applicationName":"shop","revision":` + bundle + `,"description":%}`, letters("ä"), 256, "", "DescriptionTooLong"},
		{"ListApplicationRevisions", `{"applicationName":"shop","s3Bucket":"bundles","s3KeyPrefix":%}`, letters("k"), 1024, "", "InvalidKeyPrefixFilter"},
		{"CreateDeploymentConfig", `{"deploymentConfigName":%,"minimumHealthyHosts":{"type":"HOST_COUNT","value":1}}`, letters("c"), 100, "", "InvalidDeploymentConfigName"},
		{"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","onPremisesInstanceTagFilters":%}`, list(`{"Key":"k"}`), 10, "", "InvalidTag"},
		{"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","onPremisesTagSet":{"onPremisesTagSetList":%}}`, list(`[{"Key":"k"}]`), 3, "", "TagSetListLimitExceeded"},
		{"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","alarmConfiguration":{"alarms":%}}`, list(`{"name":"a#"}`), 10, "", "AlarmsLimitExceeded"},
		{"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","alarmConfiguration":{"alarms":[{"name":%}]}}`, letters("a"), 255, "", "InvalidAlarmConfig"},
		{
			"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","triggerConfigurations":%}`,
			list(`{"triggerName":"t#","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:t#","triggerEvents":["DeploymentStart"]}`), 10, "", "TriggerTargetsLimitExceeded",
		},
		{"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","loadBalancerInfo":{"targetGroupInfoList":%}}`, list(`{"name":"g#"}`), 10, "", "InvalidLoadBalancerInfo"},
		{"UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","loadBalancerInfo":{"targetGroupInfoList":[{"name":%}]}}`, letters("g"), 32, "", "InvalidLoadBalancerInfo"},
	} {
		for n, want := range map[int]string{c.most: c.within, c.most + 1: c.beyond} {
			exception, answer := w.call(c.operation, strings.Replace(c.body, "%", c.value(n), 1))
			if strings.TrimSuffix(exception, "Exception") != want {
				t.Errorf("%s %s with %d answered %.200s, want %q", c.operation, c.body, n, answer, want)
			}
		}
	}
}

// TestADeploymentKeepsItsConfig holds that a config named by an unfinished deployment alone is in use, and that the deployment tells of it when
// it is gone.
func TestADeploymentKeepsItsConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"once","minimumHealthyHosts":{"type":"HOST_COUNT","value":0}}`)
	id := text(t, w.must("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"flat","deploymentConfigName":"once","revision":`+bundle+`}`, "deploymentId"))
	w.refused("DeleteDeploymentConfig", `{"deploymentConfigName":"once"}`, "DeploymentConfigInUse")
	w.agents.answering = true
	w.run()
	w.must("DeleteDeploymentConfig", `{"deploymentConfigName":"once"}`)
	w.must("DeleteDeploymentConfig", `{"deploymentConfigName":"once"}`)
	same(t, "its config", w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo", "deploymentConfigName"), `"once"`)
}

// TestListFilters holds each filter's every value, and where ranges end.
func TestListFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	id := w.deployTo("flat") // at 1767323045.006
	for _, status := range control.DeploymentStatus("").Values() {
		want := `[]`
		if status == control.DeploymentStatusCreated {
			want = `["` + id + `"]`
		}
		same(t, string(status), w.must("ListDeployments", `{"includeOnlyStatuses":["`+string(status)+`"]}`, "deployments"), want)
	}
	for filter, found := range map[string]bool{
		`"createTimeRange":{"start":1767323045.006,"end":1767323045.006}`: true,
		`"createTimeRange":{"start":1767323045.007}`:                      false,
		`"createTimeRange":{"end":1767323045.005}`:                        false,
		`"createTimeRange":{"start":0}`:                                   true,
		`"createTimeRange":{}`:                                            true,
		`"includeOnlyStatuses":[]`:                                        true,
		`"includeOnlyStatuses":["Failed","Created"]`:                      true,
		`"externalId":"stack"`:                                            false,
	} {
		want := map[bool]string{true: `["` + id + `"]`, false: `[]`}[found]
		same(t, filter, w.must("ListDeployments", `{`+filter+`}`, "deployments"), want)
	}
	w.must("DeregisterOnPremisesInstance", `{"instanceName":"blue-2"}`)
	for filter, want := range map[string]string{
		``:                                    `["blue-1","blue-2","green-1","green-2"]`,
		`"registrationStatus":"Registered"`:   `["blue-1","green-1","green-2"]`,
		`"registrationStatus":"Deregistered"`: `["blue-2"]`,
		`"tagFilters":[{"Key":"colour","Type":"KEY_ONLY"}]`:                                                       `["blue-1","green-1","green-2"]`,
		`"tagFilters":[{"Value":"green","Type":"VALUE_ONLY"}]`:                                                    `["green-1","green-2"]`,
		`"tagFilters":[{"Key":"colour","Value":"Green","Type":"KEY_AND_VALUE"}]`:                                  `[]`,
		`"tagFilters":[{"Key":"colour","Value":"blue","Type":"KEY_AND_VALUE"},{"Value":"green"}]`:                 `["blue-1","green-1","green-2"]`,
		`"registrationStatus":"Deregistered","tagFilters":[{"Key":"colour","Value":"blue"}]`:                      `[]`,
		`"registrationStatus":"Registered","tagFilters":[{"Key":"colour","Value":"blue","Type":"KEY_AND_VALUE"}]`: `["blue-1"]`,
	} {
		same(t, filter, w.must("ListOnPremisesInstances", `{`+filter+`}`, "instanceNames"), want)
	}
	w.run()
	for filter, want := range map[string]string{
		`"targetFilters":{}`:                                                 `["blue-1"]`,
		`"targetFilters":{"TargetStatus":[]}`:                                `["blue-1"]`,
		`"targetFilters":{"TargetStatus":["Succeeded"]}`:                     `[]`,
		`"targetFilters":{"TargetStatus":["Failed","InProgress","Pending"]}`: `["blue-1"]`,
	} {
		same(t, filter, w.must("ListDeploymentTargets", `{"deploymentId":"`+id+`",`+filter+`}`, "targetIds"), want)
	}
}

// TestAGroupThatShiftsInStepsStaysBlueGreen holds that a config and a style which don't fit are refused whichever of them comes last.
func TestAGroupThatShiftsInStepsStaysBlueGreen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"canary","minimumHealthyHosts":{"type":"HOST_COUNT","value":0},
		"trafficRoutingConfig":{"type":"TimeBasedCanary","timeBasedCanary":{"canaryPercentage":10,"canaryInterval":5}}}`)
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"at-once","minimumHealthyHosts":{"type":"HOST_COUNT","value":0},"trafficRoutingConfig":{"type":"AllAtOnce"}}`)
	head := `{"applicationName":"shop","currentDeploymentGroupName":"prod",`
	inPlace := `"deploymentStyle":{"deploymentType":"IN_PLACE","deploymentOption":"WITH_TRAFFIC_CONTROL"}`
	w.must("UpdateDeploymentGroup", head+`"deploymentConfigName":"canary"}`)
	w.refused("UpdateDeploymentGroup", head+inPlace+`}`, "InvalidTrafficRoutingConfiguration")
	w.must("UpdateDeploymentGroup", head+inPlace+`,"deploymentConfigName":"at-once"}`)
	w.refused("UpdateDeploymentGroup", head+`"deploymentConfigName":"canary"}`, "InvalidTrafficRoutingConfiguration")
	w.refused("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"prod","deploymentConfigName":"canary","revision":`+bundle+`}`, "InvalidTrafficRoutingConfiguration")
}
