package api_test

import (
	"strings"
	"testing"
)

// same compares JSON that leaves out the blanks of want.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	want = strings.NewReplacer("\n", "", "\t", "").Replace(want)
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

func TestApplicationsRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	same(t, "application", w.must("GetApplication", `{"applicationName":"shop"}`),
		`{"application":{"applicationId":"00000000-0000-4000-8000-000000000001","applicationName":"shop","createTime":1767323045.006,"linkedToGitHub":false,"computePlatform":"Server"}}`)
	same(t, "batch in the order of the request, once each",
		w.must("BatchGetApplications", `{"applicationNames":["tasks","fn","tasks"]}`, "applicationsInfo"),
		`[{"applicationId":"00000000-0000-4000-8000-000000000003","applicationName":"tasks","createTime":1767323045.006,"linkedToGitHub":false,"computePlatform":"ECS"},
		{"applicationId":"00000000-0000-4000-8000-000000000002","applicationName":"fn","createTime":1767323045.006,"linkedToGitHub":false,"computePlatform":"Lambda"}]`)
	same(t, "list", w.must("ListApplications", `{}`), `{"applications":["fn","shop","tasks"]}`)
	id := w.deployTo("flat")
	same(t, "no change", w.must("UpdateApplication", `{"applicationName":"shop"}`), ``)
	same(t, "rename", w.must("UpdateApplication", `{"applicationName":"shop","newApplicationName":"store"}`), ``)
	same(t, "deployments follow", w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo", "applicationName"), `"store"`)
	same(t, "groups follow", w.must("ListDeploymentGroups", `{"applicationName":"store"}`), `{"applicationName":"store","deploymentGroups":["flat","prod"]}`)
	same(t, "tags follow", w.must("ListTagsForResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:store"}`), `{"Tags":[{"Key":"team","Value":"a"}]}`)
	same(t, "delete", w.must("DeleteApplication", `{"applicationName":"store"}`), ``)
	same(t, "its unfinished deployment fails", w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo", "errorInformation"),
		`{"code":"APPLICATION_MISSING","message":"The application store was deleted."}`)
	same(t, "list", w.must("ListApplications", `{}`), `{"applications":["fn","tasks"]}`)
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	for _, arn := range []string{"application:shop", "deploymentgroup:shop/prod"} {
		arn = `"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:` + arn + `"`
		same(t, "tag", w.must("TagResource", `{`+arn+`,"Tags":[{"Key":"team","Value":"b"},{"Key":"env","Value":"x"}]}`), `{}`)
		same(t, "list", w.must("ListTagsForResource", `{`+arn+`}`), `{"Tags":[{"Key":"env","Value":"x"},{"Key":"team","Value":"b"}]}`)
		same(t, "untag", w.must("UntagResource", `{`+arn+`,"TagKeys":["env","none"]}`), `{}`)
		same(t, "list", w.must("ListTagsForResource", `{`+arn+`}`), `{"Tags":[{"Key":"team","Value":"b"}]}`)
	}
}

func TestConfigsRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	get := func(name string) string {
		return w.must("GetDeploymentConfig", `{"deploymentConfigName":"`+name+`"}`, "deploymentConfigInfo")
	}
	same(t, "one at a time", get("CodeDeployDefault.OneAtATime"), `{"deploymentConfigId":"00000000-0000-0000-0000-000000000001","deploymentConfigName":"CodeDeployDefault.OneAtATime",
		"minimumHealthyHosts":{"type":"MOST_CONCURRENCY","value":1},"createTime":1412553600,"computePlatform":"Server"}`)
	same(t, "linear", dig(t, get("CodeDeployDefault.ECSLinear10PercentEvery3Minutes"), "trafficRoutingConfig"),
		`{"type":"TimeBasedLinear","timeBasedLinear":{"linearPercentage":10,"linearInterval":3}}`)
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"canary","computePlatform":"Lambda","trafficRoutingConfig":{"type":"TimeBasedCanary","timeBasedCanary":{"canaryPercentage":99,"canaryInterval":2880}}}`)
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"Zonal","minimumHealthyHosts":{"type":"FLEET_PERCENT","value":0},
		"zonalConfig":{"firstZoneMonitorDurationInSeconds":0,"minimumHealthyHostsPerZone":{"type":"HOST_COUNT","value":2}}}`)
	same(t, "canary", dig(t, get("canary"), "trafficRoutingConfig"), `{"type":"TimeBasedCanary","timeBasedCanary":{"canaryPercentage":99,"canaryInterval":2880}}`)
	same(t, "zonal", dig(t, get("Zonal"), "zonalConfig"), `{"firstZoneMonitorDurationInSeconds":0,"minimumHealthyHostsPerZone":{"type":"HOST_COUNT","value":2}}`)
	list := w.must("ListDeploymentConfigs", `{}`, "deploymentConfigsList")
	if n := strings.Count(list, ","); n != 18 || !strings.HasSuffix(list, `"Zonal","canary"]`) {
		t.Errorf("%d configs listed: %s", n+1, list)
	}
	w.must("DeleteDeploymentConfig", `{"deploymentConfigName":"canary"}`)
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"canary","minimumHealthyHosts":{"type":"HOST_COUNT","value":1}}`)
	// The longest shifts that are accepted.
	for percentage, interval := range map[string]string{"99": "2880", "50": "1440", "33": "960", "10": "288", "1": "28"} {
		w.must("CreateDeploymentConfig", `{"deploymentConfigName":"linear-`+percentage+`","computePlatform":"ECS","trafficRoutingConfig":{"type":"TimeBasedLinear",
			"timeBasedLinear":{"linearPercentage":`+percentage+`,"linearInterval":`+interval+`}}}`)
	}
}

func TestGroupsRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "KEEP_ALIVE", 0))
	get := func(name string, path ...string) string {
		return w.must("GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"`+name+`"}`, append([]string{"deploymentGroupInfo"}, path...)...)
	}
	update := func(members string) {
		t.Helper()
		same(t, "update", w.must("UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"prod",`+members+`}`), `{"hooksNotCleanedUp":[]}`)
	}
	w.must("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"bare","serviceRoleArn":"`+role+`","deploymentStyle":{}}`)
	same(t, "defaults", get("bare"), `{"applicationName":"shop","deploymentGroupId":"00000000-0000-4000-8000-000000000012","deploymentGroupName":"bare",
		"deploymentConfigName":"CodeDeployDefault.OneAtATime","ec2TagFilters":[],"onPremisesInstanceTagFilters":[],"autoScalingGroups":[],
		"serviceRoleArn":"arn:aws:iam::123456789012:role/CodeDeploy","triggerConfigurations":[],
		"deploymentStyle":{"deploymentType":"IN_PLACE","deploymentOption":"WITHOUT_TRAFFIC_CONTROL"},"outdatedInstancesStrategy":"UPDATE",
		"computePlatform":"Server","terminationHookEnabled":false}`)

	block := get("prod", "blueGreenDeploymentConfiguration")
	same(t, "block", block, `{"terminateBlueInstancesOnDeploymentSuccess":{"action":"KEEP_ALIVE","terminationWaitTimeInMinutes":0},
		"deploymentReadyOption":{"actionOnTimeout":"STOP_DEPLOYMENT","waitTimeInMinutes":60},"greenFleetProvisioningOption":{"action":"DISCOVER_EXISTING"}}`)
	id := get("prod", "deploymentGroupId")

	update(`"triggerConfigurations":[{"triggerName":"t","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:topic","triggerEvents":["DeploymentStart"]}],
		"alarmConfiguration":{"enabled":true,"alarms":[{"name":"a"}]},"autoRollbackConfiguration":{"enabled":true,"events":["DEPLOYMENT_FAILURE"]},
		"autoScalingGroups":["asg"],"ec2TagFilters":[{"Key":"k","Type":"KEY_ONLY"},{"Value":"v","Type":"VALUE_ONLY"}],"terminationHookEnabled":true`)
	same(t, "triggers", get("prod", "triggerConfigurations"), `[{"triggerName":"t","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:topic","triggerEvents":["DeploymentStart"]}]`)
	same(t, "Auto Scaling groups", get("prod", "autoScalingGroups"), `[{"name":"asg",
		"hook":"CodeDeploy-managed-automatic-launch-deployment-hook-prod-00000000-0000-4000-8000-000000000013",
		"terminationHook":"CodeDeploy-managed-automatic-termination-deployment-hook-prod-00000000-0000-4000-8000-000000000014"}]`)
	same(t, "filters", get("prod", "ec2TagFilters"), `[{"Key":"k","Type":"KEY_ONLY"},{"Value":"v","Type":"VALUE_ONLY"}]`)

	update(`"alarmConfiguration":{"enabled":false,"alarms":[{"name":"a"}]},"triggerConfigurations":null`)
	same(t, "alarms kept", get("prod", "alarmConfiguration"), `{"enabled":false,"ignorePollAlarmFailure":false,"alarms":[{"name":"a"}]}`)
	same(t, "an absent list is left", get("prod", "triggerConfigurations"), `[{"triggerName":"t","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:topic","triggerEvents":["DeploymentStart"]}]`)
	same(t, "rollback left", get("prod", "autoRollbackConfiguration"), `{"enabled":true,"events":["DEPLOYMENT_FAILURE"]}`)

	same(t, "hooks that can't be removed are named", w.must("UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"prod","autoScalingGroups":["a"]}`, "hooksNotCleanedUp"),
		`[{"name":"asg","hook":"CodeDeploy-managed-automatic-launch-deployment-hook-prod-00000000-0000-4000-8000-000000000013",
			"terminationHook":"CodeDeploy-managed-automatic-termination-deployment-hook-prod-00000000-0000-4000-8000-000000000014"}]`)
	update(`"triggerConfigurations":[],"autoScalingGroups":[],"ec2TagSet":{"ec2TagSetList":[[{"Key":"a","Value":""}],[{"Key":"b"}]]}`)
	same(t, "an empty list clears", get("prod", "triggerConfigurations"), `[]`)
	same(t, "a tag set takes the place of filters", get("prod", "ec2TagFilters"), `[]`)
	same(t, "tag set", get("prod", "ec2TagSet"), `{"ec2TagSetList":[[{"Key":"a","Value":"","Type":"KEY_AND_VALUE"}],[{"Key":"b","Type":"KEY_ONLY"}]]}`)

	update(`"deploymentStyle":{"deploymentType":"IN_PLACE","deploymentOption":"WITHOUT_TRAFFIC_CONTROL"},"loadBalancerInfo":{}`)
	same(t, "going in-place keeps the block", get("prod", "blueGreenDeploymentConfiguration"), block)
	same(t, "an empty loadBalancerInfo clears it", get("prod", "loadBalancerInfo"), ``)

	update(`"newDeploymentGroupName":"live"`)
	same(t, "a rename keeps the id", get("live", "deploymentGroupId"), id)
	same(t, "batch", w.must("BatchGetDeploymentGroups", `{"applicationName":"shop","deploymentGroupNames":["none"]}`),
		`{"deploymentGroupsInfo":[],"errorMessage":"No Deployment Group found for name: none"}`)
	same(t, "list", w.must("ListDeploymentGroups", `{"applicationName":"shop"}`, "deploymentGroups"), `["bare","flat","live"]`)
	same(t, "delete", w.must("DeleteDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"live"}`), `{"hooksNotCleanedUp":[]}`)
}

func TestRevisionsRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	register := func(app, revision, description string) {
		t.Helper()
		same(t, "register", w.must("RegisterApplicationRevision", `{"applicationName":"`+app+`","revision":`+revision+`,"description":"`+description+`"}`), ``)
	}
	register("shop", bundle, "first")
	get := `{"applicationName":"shop","revision":` + bundle + `}`
	same(t, "revision", w.must("GetApplicationRevision", get), `{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"bundles","key":"shop.zip","bundleType":"zip"}},
		"revisionInfo":{"description":"first","deploymentGroups":[],"registerTime":1767323045.006}}`)
	w.clock.Pass(1500 * 1e6)
	register("shop", bundle, "second")
	register("shop", `{"revisionType":"GitHub","gitHubLocation":{"repository":"a/shop","commitId":"0123456789012345678901234567890123456789"}}`, "commit")
	same(t, "registering again keeps the time", w.must("GetApplicationRevision", get, "revisionInfo"), `{"description":"second","deploymentGroups":[],"registerTime":1767323045.006}`)

	w.agents.answering = true
	w.deployTo("flat")
	w.run()
	same(t, "a success makes it the group's revision", w.must("GetApplicationRevision", get, "revisionInfo", "deploymentGroups"), `["flat"]`)
	same(t, "and is remembered", w.must("GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`, "deploymentGroupInfo", "lastSuccessfulDeployment", "status"), `"Succeeded"`)

	list := func(members string) string {
		return w.must("ListApplicationRevisions", `{"applicationName":"shop"`+members+`}`, "revisions")
	}
	if all := list(``); strings.Count(all, "revisionType") != 2 {
		t.Errorf("all: %s", all)
	}
	same(t, "of a bucket", list(`,"s3Bucket":"bundles","s3KeyPrefix":"sh"`), `[`+bundle+`]`)
	same(t, "deployed", list(`,"deployed":"include"`), `[`+bundle+`]`)
	same(t, "newest first", list(`,"sortBy":"registerTime","sortOrder":"descending","deployed":"exclude"`),
		`[{"revisionType":"GitHub","gitHubLocation":{"repository":"a/shop","commitId":"0123456789012345678901234567890123456789"}}]`)
	batch := w.must("BatchGetApplicationRevisions", `{"applicationName":"shop","revisions":[`+bundle+`,{"revisionType":"S3","s3Location":{"bucket":"b","key":"k","bundleType":"tar"}}]}`)
	same(t, "unknown ones are named", dig(t, batch, "errorMessage"), `"The application shop does not know revisions[1]."`)

	register("fn", `{"revisionType":"AppSpecContent","appSpecContent":{"content":"version: 0.0"}}`, "inline")
	sum := "4d8c3a0f"
	inline := w.must("ListApplicationRevisions", `{"applicationName":"fn"}`, "revisions")
	if i := strings.Index(inline, `"sha256":"`); i >= 0 {
		sum = inline[i+10 : i+74]
	}
	if strings.Contains(inline, "content\":") {
		t.Errorf("a list shows content: %s", inline)
	}
	same(t, "its sum alone identifies it", w.must("GetApplicationRevision", `{"applicationName":"fn","revision":{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"`+sum+`"}}}`, "revision", "appSpecContent", "content"), `"version: 0.0"`)
}

func TestOnPremisesInstancesRoundTrip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	same(t, "instance", w.must("GetOnPremisesInstance", `{"instanceName":"blue-1"}`, "instanceInfo"),
		`{"instanceName":"blue-1","iamUserArn":"arn:aws:iam::123456789012:user/blue-1","instanceArn":"arn:aws:codedeploy:eu-central-1:123456789012:instance/blue-1_0000000008",
		"registerTime":1767323045.006,"tags":[{"Key":"colour","Value":"blue"},{"Key":"crossfade:address","Value":"127.0.0.2"}]}`)
	list := func(members string) string {
		return w.must("ListOnPremisesInstances", `{`+members+`}`, "instanceNames")
	}
	same(t, "list", list(``), `["blue-1","blue-2","green-1","green-2"]`)
	same(t, "any filter", list(`"tagFilters":[{"Key":"colour","Value":"green"},{"Key":"none"}]`), `["green-1","green-2"]`)
	w.must("RemoveTagsFromOnPremisesInstances", `{"instanceNames":["green-1","green-2"],"tags":[{"Key":"colour","Value":"blue"},{"Key":"crossfade:address"}]}`)
	same(t, "only what matches is removed", w.must("GetOnPremisesInstance", `{"instanceName":"green-1"}`, "instanceInfo", "tags"), `[{"Key":"colour","Value":"green"}]`)
	w.must("DeregisterOnPremisesInstance", `{"instanceName":"blue-2"}`)
	w.must("DeregisterOnPremisesInstance", `{"instanceName":"blue-2"}`)
	same(t, "registered", list(`"registrationStatus":"Registered"`), `["blue-1","green-1","green-2"]`)
	same(t, "deregistered", list(`"registrationStatus":"Deregistered"`), `["blue-2"]`)
	same(t, "deregistered ones are shown", w.must("GetOnPremisesInstance", `{"instanceName":"blue-2"}`, "instanceInfo", "deregisterTime"), `1767323045.006`)
	if exception, _ := w.call("AddTagsToOnPremisesInstances", `{"instanceNames":["blue-2"],"tags":[{"Key":"k","Value":"v"}]}`); exception != "InstanceNotRegisteredException" {
		t.Errorf("tagging a deregistered instance answered %q", exception)
	}
	w.must("RegisterOnPremisesInstance", `{"instanceName":"blue-2","iamUserArn":"arn:aws:iam::123456789012:user/blue-2"}`)
	same(t, "batch", w.must("BatchGetOnPremisesInstances", `{"instanceNames":["none"]}`), `{"instanceInfos":[]}`)
}

func TestDeploymentsAndTheirTargetsAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	w.agents.answering = true
	id := w.deployTo("prod")
	w.run()
	info := w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo")
	same(t, "deployment", info, `{"applicationName":"shop","deploymentGroupName":"prod","deploymentConfigName":"CodeDeployDefault.AllAtOnce","deploymentId":"`+id+`",
		"revision":{"revisionType":"S3","s3Location":{"bucket":"bundles","key":"shop.zip","bundleType":"zip"}},"status":"Ready","createTime":1767323045.006,"startTime":1767323045.006,
		"deploymentOverview":{"Pending":2,"InProgress":0,"Succeeded":0,"Failed":0,"Skipped":0,"Ready":2},"creator":"user","ignoreApplicationStopFailures":false,
		"updateOutdatedInstancesOnly":false,"deploymentStyle":{"deploymentType":"BLUE_GREEN","deploymentOption":"WITH_TRAFFIC_CONTROL"},
		"targetInstances":{"tagFilters":[{"Key":"colour","Value":"green","Type":"KEY_AND_VALUE"}],"autoScalingGroups":[]},"instanceTerminationWaitTimeStarted":false,
		"blueGreenDeploymentConfiguration":{"terminateBlueInstancesOnDeploymentSuccess":{"action":"TERMINATE","terminationWaitTimeInMinutes":60},
		"deploymentReadyOption":{"actionOnTimeout":"STOP_DEPLOYMENT","waitTimeInMinutes":60},"greenFleetProvisioningOption":{"action":"DISCOVER_EXISTING"}},
		"loadBalancerInfo":{"targetGroupInfoList":[{"name":"web"}]},"computePlatform":"Server"}`)
	body := `{"deploymentId":"` + id + `"`
	same(t, "targets", w.must("ListDeploymentTargets", body+`}`), `{"targetIds":["blue-1","blue-2","green-1","green-2"]}`)
	same(t, "green", w.must("ListDeploymentTargets", body+`,"targetFilters":{"ServerInstanceLabel":["Green"],"TargetStatus":["Ready"]}}`), `{"targetIds":["green-1","green-2"]}`)
	same(t, "instances", w.must("ListDeploymentInstances", body+`,"instanceTypeFilter":["Blue"],"instanceStatusFilter":["Pending"]}`), `{"instancesList":["blue-1","blue-2"]}`)
	target := w.must("GetDeploymentTarget", body+`,"targetId":"green-1"}`, "deploymentTarget")
	same(t, "type", dig(t, target, "deploymentTargetType"), `"InstanceTarget"`)
	same(t, "label", dig(t, target, "instanceTarget", "instanceLabel"), `"Green"`)
	if events := dig(t, target, "instanceTarget", "lifecycleEvents"); strings.Count(events, `"lifecycleEventName"`) != 10 || !strings.HasPrefix(events,
		`[{"lifecycleEventName":"ApplicationStop","diagnostics":{"errorCode":"Success","scriptName":"","message":"","logTail":""},"startTime":1767323045.006,"endTime":1767323045.006,"status":"Succeeded"}`) {
		t.Errorf("events: %s", events)
	}
	arn := text(t, dig(t, target, "instanceTarget", "targetArn"))
	same(t, "by its ARN", w.must("GetDeploymentTarget", body+`,"targetId":"`+arn+`"}`, "deploymentTarget", "instanceTarget", "targetId"), `"green-1"`)
	same(t, "older form", w.must("GetDeploymentInstance", body+`,"instanceId":"green-1"}`, "instanceSummary", "instanceId"), `"`+arn+`"`)
	same(t, "unknown ones are named", w.must("BatchGetDeploymentInstances", body+`,"instanceIds":["x"]}`), `{"instancesSummary":[],"errorMessage":"The deployment `+id+` has no instance x."}`)
	if batch := w.must("BatchGetDeploymentTargets", body+`,"targetIds":["blue-1","green-1"]}`); strings.Count(batch, "instanceTarget\"") != 2 {
		t.Errorf("batch: %s", batch)
	}
	same(t, "batch", w.must("BatchGetDeployments", `{"deploymentIds":["`+id+`","d-ZZZZZZZZZ"]}`), `{"deploymentsInfo":[`+info+`]}`)

	w.clock.Pass(1e9)
	second := w.deployTo("flat")
	same(t, "newest first", w.must("ListDeployments", `{}`), `{"deployments":["`+second+`","`+id+`"]}`)
	same(t, "of a group", w.must("ListDeployments", `{"applicationName":"shop","deploymentGroupName":"prod"}`), `{"deployments":["`+id+`"]}`)
	same(t, "by status", w.must("ListDeployments", `{"includeOnlyStatuses":["Created"]}`), `{"deployments":["`+second+`"]}`)
	same(t, "by time", w.must("ListDeployments", `{"createTimeRange":{"start":null,"end":1767323045.5}}`), `{"deployments":["`+id+`"]}`)
	exception, answer := w.call("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"flat","revision":`+bundle+`}`)
	if exception != "DeploymentLimitExceededException" || !strings.Contains(answer, "The Deployment Group 'flat' already has an active Deployment '"+second+"'") {
		t.Errorf("a second deployment answered %s", answer)
	}
}

func TestAnAccountCannotBlockAnothersHostIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := `{"instanceName":"web","iamUserArn":"arn:aws:iam::123456789012:user/host/web"}`
	w.account = "210987654321"
	if exception, answer := w.call("RegisterOnPremisesInstance", body); exception != "InvalidIamUserArnException" {
		t.Fatalf("another account's identity was answered %s", answer)
	}
	w.account = account
	w.must("RegisterOnPremisesInstance", body)
}
