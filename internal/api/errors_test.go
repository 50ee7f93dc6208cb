package api_test

import (
	"fmt"
	"strings"
	"testing"

	"crossfade/internal/wire/control"
)

var long = strings.Repeat("x", 300)

// many returns a JSON list of n different strings.
func many(n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`"n-%d"`, i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

func manyTags(n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"Key":"k%d","Value":"v"}`, i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

// refusal is a body and the exception, without its suffix, that it is answered with. {created}, {ready}, {flat} and {gone} stand for the ids
// of deployments in those states.
type refusal struct{ body, want string }

const (
	group  = `"applicationName":"shop","deploymentGroupName":"new","serviceRoleArn":"` + role + `"`
	target = `"applicationName":"shop","deploymentGroupName":"prod","revision":` + bundle
	flat   = `"applicationName":"shop","deploymentGroupName":"flat","revision":` + bundle
)

// refusals has, for each operation, what it refuses. Where a body has two faults, the one reported first is the documented one.
var refusals = map[string][]refusal{
	"CreateApplication": {
		{`{}`, "ApplicationNameRequired"},
		{`{"applicationName":""}`, "ApplicationNameRequired"},
		{`{"applicationName":"","computePlatform":"Lambada"}`, "ApplicationNameRequired"},
		{`{"applicationName":"a/b"}`, "InvalidApplicationName"},
		{`{"applicationName":"` + long + `"}`, "InvalidApplicationName"},
		{`{"applicationName":"a","computePlatform":"Kubernetes"}`, "InvalidComputePlatform"},
		{`{"applicationName":"a","tags":[{"Value":"v"}]}`, "InvalidTagsToAdd"},
		{`{"applicationName":"a","tags":[{"Key":"aws:x"}]}`, "InvalidTagsToAdd"},
		{`{"applicationName":"a","tags":[{"Key":"k"},{"Key":"k"}]}`, "InvalidTagsToAdd"},
		{`{"applicationName":"a","tags":[{"Key":"k","Value":"` + long + `"}]}`, "InvalidTagsToAdd"},
		{`{"applicationName":"a","tags":` + manyTags(51) + `}`, "InvalidTagsToAdd"},
		{`{"applicationName":"shop"}`, "ApplicationAlreadyExists"},
	},
	"GetApplication": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"a b"}`, "InvalidApplicationName"}, {`{"applicationName":"Shop"}`, "ApplicationDoesNotExist"},
	},
	"BatchGetApplications": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationNames":[]}`, "ApplicationNameRequired"},
		{`{"applicationNames":[""]}`, "InvalidApplicationName"}, {`{"applicationNames":["shop","?"]}`, "InvalidApplicationName"},
		{`{"applicationNames":` + many(101) + `}`, "BatchLimitExceeded"}, {`{"applicationNames":["shop","none"]}`, "ApplicationDoesNotExist"},
	},
	"ListApplications": {{`{"nextToken":"x"}`, "InvalidNextToken"}, {`{"nextToken":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, "InvalidNextToken"}},
	"UpdateApplication": {
		{`{}`, "ApplicationNameRequired"}, {`{"newApplicationName":"?"}`, "ApplicationNameRequired"},
		{`{"applicationName":"?"}`, "InvalidApplicationName"}, {`{"applicationName":"shop","newApplicationName":"?"}`, "InvalidApplicationName"},
		{`{"applicationName":"none"}`, "ApplicationDoesNotExist"}, {`{"applicationName":"none","newApplicationName":"shop"}`, "ApplicationDoesNotExist"},
		{`{"applicationName":"shop","newApplicationName":"fn"}`, "ApplicationAlreadyExists"},
	},
	"DeleteApplication": {{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "InvalidApplicationName"}, {`{"applicationName":"none"}`, ""}},
	"RegisterApplicationRevision": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "RevisionRequired"},
		{`{"applicationName":"?","revision":{}}`, "InvalidApplicationName"},
		{`{"applicationName":"shop","revision":{},"description":"` + long + `"}`, "DescriptionTooLong"},
		{`{"applicationName":"shop","revision":{}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3"}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"Local","s3Location":{}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"b","key":"k"}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"b","key":"k","bundleType":"rar"}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"key":"k","bundleType":"zip"}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"b","key":"k","bundleType":"zip"},"gitHubLocation":{}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"GitHub","gitHubLocation":{"repository":"shop","commitId":"0123456789012345678901234567890123456789"}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"GitHub","gitHubLocation":{"repository":"a/shop","commitId":"main"}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"b","key":"k","bundleType":"YAML"}}}`, "InvalidRevision"},
		{`{"applicationName":"shop","revision":{"revisionType":"AppSpecContent","appSpecContent":{"content":"version: 0.0"}}}`, "InvalidRevision"},
		{`{"applicationName":"fn","revision":{"revisionType":"AppSpecContent","appSpecContent":{}}}`, "InvalidRevision"},
		{`{"applicationName":"fn","revision":{"revisionType":"AppSpecContent","appSpecContent":{"content":"x","sha256":"` + strings.Repeat("0", 64) + `"}}}`, "InvalidRevision"},
		{`{"applicationName":"fn","revision":{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"` + strings.Repeat("0", 64) + `"}}}`, "InvalidRevision"},
		{`{"applicationName":"none","revision":` + bundle + `}`, "ApplicationDoesNotExist"},
	},
	"GetApplicationRevision": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"shop"}`, "RevisionRequired"}, {`{"applicationName":"?","revision":` + bundle + `}`, "InvalidApplicationName"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3"}}`, "InvalidRevision"}, {`{"applicationName":"none","revision":` + bundle + `}`, "ApplicationDoesNotExist"},
		{`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"bundles","key":"shop.zip","bundleType":"zip","eTag":"x"}}}`, "RevisionDoesNotExist"},
	},
	"BatchGetApplicationRevisions": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"shop","revisions":[]}`, "RevisionRequired"},
		{`{"applicationName":"?","revisions":[` + bundle + `]}`, "InvalidApplicationName"}, {`{"applicationName":"shop","revisions":[null]}`, "InvalidRevision"}, {`{"applicationName":"shop","revisions":[{}]}`, "InvalidRevision"},
		{`{"applicationName":"shop","revisions":[` + strings.Repeat(bundle+",", 25) + bundle + `]}`, "BatchLimitExceeded"},
		{`{"applicationName":"none","revisions":[` + bundle + `]}`, "ApplicationDoesNotExist"},
	},
	"ListApplicationRevisions": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "InvalidApplicationName"}, {`{"applicationName":"none"}`, "ApplicationDoesNotExist"},
		{`{"applicationName":"shop","sortBy":"size"}`, "InvalidSortBy"}, {`{"applicationName":"shop","sortOrder":"ascending"}`, "InvalidSortBy"},
		{`{"applicationName":"shop","sortBy":"registerTime","sortOrder":"up"}`, "InvalidSortOrder"},
		{`{"applicationName":"shop","s3KeyPrefix":"a"}`, "BucketNameFilterRequired"}, {`{"applicationName":"shop","s3Bucket":"a b"}`, "InvalidBucketNameFilter"},
		{`{"applicationName":"shop","s3Bucket":"bbb","s3KeyPrefix":"` + strings.Repeat("k", 1025) + `"}`, "InvalidKeyPrefixFilter"},
		{`{"applicationName":"shop","deployed":"maybe"}`, "InvalidDeployedStateFilter"}, {`{"applicationName":"shop","nextToken":"?"}`, "InvalidNextToken"},
	},
	"DeleteGitHubAccountToken": {
		{`{}`, "GitHubAccountTokenNameRequired"}, {`{"tokenName":""}`, "GitHubAccountTokenNameRequired"},
		{`{"tokenName":"a/b"}`, "InvalidGitHubAccountTokenName"}, {`{"tokenName":"` + long + `"}`, "InvalidGitHubAccountTokenName"},
		{`{"tokenName":"none"}`, "GitHubAccountTokenDoesNotExist"},
	},
	"ListGitHubAccountTokenNames": {{`{}`, ""}, {`{"nextToken":""}`, ""}, {`{"nextToken":"x"}`, "InvalidNextToken"}},
	"DeleteResourcesByExternalId": {{`{}`, ""}, {`{"externalId":""}`, ""}, {`{"externalId":"stack"}`, ""}, {`{"externalId":"` + long + `"}`, ""}},
	"TagResource": {
		{`{}`, "ResourceArnRequired"}, {`{"ResourceArn":"shop"}`, "TagRequired"}, {`{"ResourceArn":"shop","Tags":[{"Key":"k"}]}`, "InvalidArn"},
		{`{"ResourceArn":"` + strings.Repeat("a", 1012) + `","Tags":[{"Key":"k"}]}`, "InvalidArn"},
		{`{"ResourceArn":"arn:aws:codedeploy:us-east-1:123456789012:application:shop","Tags":[{"Key":"k"}]}`, "InvalidArn"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:999999999999:application:shop","Tags":[{"Key":"k"}]}`, "InvalidArn"},
		{`{"ResourceArn":"arn:aws:s3:eu-central-1:123456789012:bucket:shop","Tags":[{"Key":"k"}]}`, "ArnNotSupported"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:instance/web","Tags":[{"Key":"k"}]}`, "ArnNotSupported"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:shop","Tags":[{"Key":""}]}`, "InvalidTagsToAdd"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:shop","Tags":` + manyTags(50) + `}`, "InvalidTagsToAdd"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:none","Tags":[{"Key":"k"}]}`, "ApplicationDoesNotExist"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentconfig:none","Tags":[{"Key":"k"}]}`, "DeploymentConfigDoesNotExist"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentconfig:CodeDeployDefault.AllAtOnce","Tags":[{"Key":"k"}]}`, "ArnNotSupported"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentconfig:a/b","Tags":[{"Key":"k"}]}`, "InvalidArn"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup:shop/none","Tags":[{"Key":"k"}]}`, "DeploymentGroupDoesNotExist"},
	},
	"UntagResource": {
		{`{}`, "ResourceArnRequired"}, {`{"ResourceArn":"shop"}`, "TagRequired"}, {`{"ResourceArn":"shop","TagKeys":["k"]}`, "InvalidArn"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentconfig:mine","TagKeys":["k"]}`, "ArnNotSupported"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:shop","TagKeys":[""]}`, "InvalidTagsToAdd"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application/none","TagKeys":["k"]}`, "ApplicationDoesNotExist"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentconfig/none","TagKeys":["k"]}`, "DeploymentConfigDoesNotExist"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup/shop/none","TagKeys":["k"]}`, "DeploymentGroupDoesNotExist"},
	},
	"ListTagsForResource": {
		{`{}`, "ResourceArnRequired"}, {`{"ResourceArn":"shop"}`, "InvalidArn"},
		{`{"ResourceArn":"arn:aws:ec2:eu-central-1:123456789012:instance/i-1"}`, "ArnNotSupported"},
		{`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application:none"}`, ""}, {`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentconfig:mine"}`, ""},
	},
	"CreateDeploymentConfig": {
		{`{}`, "DeploymentConfigNameRequired"}, {`{"deploymentConfigName":"?"}`, "InvalidDeploymentConfigName"},
		{`{"deploymentConfigName":"CodeDeployDefault.Mine"}`, "InvalidDeploymentConfigName"},
		{`{"deploymentConfigName":"c","computePlatform":"Moon"}`, "InvalidComputePlatform"},
		{`{"deploymentConfigName":"c"}`, "InvalidMinimumHealthyHostValue"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{}}`, "InvalidMinimumHealthyHostValue"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{"type":"HOST_COUNT"}}`, "InvalidMinimumHealthyHostValue"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{"type":"MOST_CONCURRENCY","value":1}}`, "InvalidMinimumHealthyHostValue"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{"type":"HOST_COUNT","value":-1}}`, "InvalidMinimumHealthyHostValue"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{"type":"FLEET_PERCENT","value":100}}`, "InvalidMinimumHealthyHostValue"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","minimumHealthyHosts":{"type":"HOST_COUNT","value":1}}`, "InvalidMinimumHealthyHostValue"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{"type":"HOST_COUNT","value":1},"trafficRoutingConfig":{"type":"TimeBasedCanary"}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS"}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{"type":"Slowly"}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{"type":"TimeBasedCanary"}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{"type":"AllAtOnce","timeBasedCanary":{}}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{"type":"TimeBasedCanary","timeBasedCanary":{"canaryPercentage":100,"canaryInterval":1}}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{"type":"TimeBasedCanary","timeBasedCanary":{"canaryPercentage":5,"canaryInterval":2881}}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{"type":"TimeBasedLinear","timeBasedLinear":{"linearPercentage":33,"linearInterval":961}}}`, "InvalidTrafficRoutingConfiguration"},
		{`{"deploymentConfigName":"c","computePlatform":"ECS","trafficRoutingConfig":{"type":"AllAtOnce"},"zonalConfig":{}}`, "InvalidZonalDeploymentConfiguration"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{"type":"HOST_COUNT","value":1},"zonalConfig":{"monitorDurationInSeconds":-1}}`, "InvalidZonalDeploymentConfiguration"},
		{`{"deploymentConfigName":"c","minimumHealthyHosts":{"type":"HOST_COUNT","value":1},"zonalConfig":{"minimumHealthyHostsPerZone":{"type":"FLEET_PERCENT","value":100}}}`, "InvalidZonalDeploymentConfiguration"},
		{`{"deploymentConfigName":"mine","minimumHealthyHosts":{"type":"HOST_COUNT","value":1}}`, "DeploymentConfigAlreadyExists"},
	},
	"GetDeploymentConfig": {
		{`{}`, "DeploymentConfigNameRequired"}, {`{"deploymentConfigName":"?"}`, "InvalidDeploymentConfigName"}, {`{"deploymentConfigName":"none"}`, "DeploymentConfigDoesNotExist"},
		{`{"deploymentConfigName":"CodeDeployDefault.None"}`, "DeploymentConfigDoesNotExist"},
	},
	"ListDeploymentConfigs": {{`{"nextToken":"x"}`, "InvalidNextToken"}},
	"DeleteDeploymentConfig": {
		{`{}`, "DeploymentConfigNameRequired"}, {`{"deploymentConfigName":"?"}`, "InvalidDeploymentConfigName"},
		{`{"deploymentConfigName":"CodeDeployDefault.AllAtOnce"}`, "InvalidOperation"}, {`{"deploymentConfigName":"mine"}`, "DeploymentConfigInUse"}, {`{"deploymentConfigName":"none"}`, ""},
	},
	"CreateDeploymentGroup": append(groupRefusals(`{`+group+`,`), []refusal{
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "DeploymentGroupNameRequired"}, {`{"applicationName":"?","deploymentGroupName":"?"}`, "RoleRequired"},
		{`{"applicationName":"?","deploymentGroupName":"?","serviceRoleArn":"x"}`, "InvalidApplicationName"},
		{`{"applicationName":"shop","deploymentGroupName":"?","serviceRoleArn":"x"}`, "InvalidDeploymentGroupName"},
		{`{"applicationName":"shop","deploymentGroupName":"g","serviceRoleArn":"arn:aws:iam::1:role/x"}`, "InvalidRole"},
		{`{` + group + `,"tags":[{"Key":"aws:"}]}`, "InvalidTagsToAdd"},
		{`{"applicationName":"none","deploymentGroupName":"new","serviceRoleArn":"` + role + `"}`, "ApplicationDoesNotExist"},
		{`{"applicationName":"shop","deploymentGroupName":"prod","serviceRoleArn":"` + role + `"}`, "DeploymentGroupAlreadyExists"},
		{`{"applicationName":"fn","deploymentGroupName":"g","serviceRoleArn":"` + role + `",` + blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "TERMINATE", 0) + `}`, "InvalidBlueGreenDeploymentConfiguration"},
		{`{"applicationName":"fn","deploymentGroupName":"g","serviceRoleArn":"` + role + `","deploymentStyle":{"deploymentType":"IN_PLACE","deploymentOption":"WITH_TRAFFIC_CONTROL"}}`, "InvalidDeploymentStyle"},
		{`{"applicationName":"fn","deploymentGroupName":"g","serviceRoleArn":"` + role + `","autoScalingGroups":["a"]}`, "InvalidAutoScalingGroup"},
		{`{"applicationName":"fn","deploymentGroupName":"g","serviceRoleArn":"` + role + `","ec2TagFilters":[{"Key":"k","Type":"KEY_ONLY"}]}`, "InvalidEC2Tag"},
		{`{"applicationName":"fn","deploymentGroupName":"g","serviceRoleArn":"` + role + `","deploymentConfigName":"mine"}`, "InvalidDeploymentConfigName"},
		{`{"applicationName":"tasks","deploymentGroupName":"g","serviceRoleArn":"` + role + `"}`, "InvalidBlueGreenDeploymentConfiguration"},
		{`{"applicationName":"tasks","deploymentGroupName":"g","serviceRoleArn":"` + role + `",` + blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "TERMINATE", 0) + `}`, "InvalidLoadBalancerInfo"},
		{`{"applicationName":"tasks","deploymentGroupName":"g","serviceRoleArn":"` + role + `",` + blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "TERMINATE", 0) + `,"loadBalancerInfo":{"elbInfoList":[{"name":"e"}]}}`, "InvalidLoadBalancerInfo"},
		{`{"applicationName":"tasks","deploymentGroupName":"g","serviceRoleArn":"` + role + `",` + blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "TERMINATE", 0) + `,
			"loadBalancerInfo":{"targetGroupPairInfoList":[{"targetGroups":[{"name":"a"},{"name":"b"}],"prodTrafficRoute":{"listenerArns":["l"]}}]}}`, "InvalidECSService"},
	}...),
	"UpdateDeploymentGroup": append(groupRefusals(`{"applicationName":"shop","currentDeploymentGroupName":"flat",`), []refusal{
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "DeploymentGroupNameRequired"},
		{`{"applicationName":"?","currentDeploymentGroupName":"?"}`, "InvalidApplicationName"}, {`{"applicationName":"shop","currentDeploymentGroupName":"?"}`, "InvalidDeploymentGroupName"},
		{`{"applicationName":"shop","currentDeploymentGroupName":"flat","newDeploymentGroupName":"?"}`, "InvalidDeploymentGroupName"},
		{`{"applicationName":"shop","currentDeploymentGroupName":"flat","serviceRoleArn":"me"}`, "InvalidRole"},
		{`{"applicationName":"shop","currentDeploymentGroupName":"flat","serviceRoleArn":""}`, "InvalidRole"},
		{`{"applicationName":"none","currentDeploymentGroupName":"flat"}`, "ApplicationDoesNotExist"}, {`{"applicationName":"shop","currentDeploymentGroupName":"none"}`, "DeploymentGroupDoesNotExist"},
		{`{"applicationName":"shop","currentDeploymentGroupName":"flat","newDeploymentGroupName":"prod"}`, "DeploymentGroupAlreadyExists"},
		{`{"applicationName":"shop","currentDeploymentGroupName":"prod","loadBalancerInfo":{}}`, "InvalidLoadBalancerInfo"},
		{`{"applicationName":"shop","currentDeploymentGroupName":"prod","loadBalancerInfo":{},"deploymentConfigName":"none"}`, "InvalidLoadBalancerInfo"},
	}...),
	"GetDeploymentGroup": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "DeploymentGroupNameRequired"}, {`{"applicationName":"?","deploymentGroupName":"g"}`, "InvalidApplicationName"},
		{`{"applicationName":"shop","deploymentGroupName":"?"}`, "InvalidDeploymentGroupName"}, {`{"applicationName":"none","deploymentGroupName":"prod"}`, "ApplicationDoesNotExist"},
		{`{"applicationName":"shop","deploymentGroupName":"none"}`, "DeploymentGroupDoesNotExist"},
	},
	"BatchGetDeploymentGroups": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"shop","deploymentGroupNames":[]}`, "DeploymentGroupNameRequired"},
		{`{"applicationName":"?","deploymentGroupNames":["g"]}`, "InvalidApplicationName"}, {`{"applicationName":"shop","deploymentGroupNames":["?"]}`, "InvalidDeploymentGroupName"},
		{`{"applicationName":"shop","deploymentGroupNames":` + many(101) + `}`, "BatchLimitExceeded"}, {`{"applicationName":"none","deploymentGroupNames":["g"]}`, "ApplicationDoesNotExist"},
	},
	"ListDeploymentGroups": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "InvalidApplicationName"}, {`{"applicationName":"none"}`, "ApplicationDoesNotExist"},
		{`{"applicationName":"shop","nextToken":"x"}`, "InvalidNextToken"},
	},
	"DeleteDeploymentGroup": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "DeploymentGroupNameRequired"}, {`{"applicationName":"?","deploymentGroupName":"g"}`, "InvalidApplicationName"},
		{`{"applicationName":"shop","deploymentGroupName":"?"}`, "InvalidDeploymentGroupName"}, {`{"applicationName":"none","deploymentGroupName":"g"}`, ""}, {`{"applicationName":"shop","deploymentGroupName":"none"}`, ""},
	},
	"CreateDeployment": {
		{`{}`, "ApplicationNameRequired"}, {`{"applicationName":"?"}`, "DeploymentGroupNameRequired"}, {`{"applicationName":"?","deploymentGroupName":"?"}`, "RevisionRequired"},
		{`{"applicationName":"?","deploymentGroupName":"?","revision":{}}`, "InvalidApplicationName"}, {`{"applicationName":"shop","deploymentGroupName":"?","revision":{}}`, "InvalidDeploymentGroupName"},
		{`{` + target + `,"deploymentConfigName":"?"}`, "InvalidDeploymentConfigName"}, {`{` + target + `,"description":"` + long + `"}`, "DescriptionTooLong"},
		{`{"applicationName":"shop","deploymentGroupName":"prod","revision":{}}`, "InvalidRevision"},
		{`{` + target + `,"overrideAlarmConfiguration":{"enabled":true}}`, "InvalidAlarmConfig"},
		{`{` + target + `,"overrideAlarmConfiguration":{"alarms":[{"name":"1"},{"name":"2"},{"name":"3"},{"name":"4"},{"name":"5"},{"name":"6"},{"name":"7"},{"name":"8"},{"name":"9"},{"name":"10"},{"name":"11"}]}}`, "AlarmsLimitExceeded"},
		{`{` + target + `,"autoRollbackConfiguration":{"enabled":true}}`, "InvalidAutoRollbackConfig"},
		{`{` + target + `,"autoRollbackConfiguration":{"enabled":true,"events":["RAIN"]}}`, "InvalidAutoRollbackConfig"},
		{`{` + target + `,"fileExistsBehavior":"KEEP"}`, "InvalidFileExistsBehavior"},
		{`{` + target + `,"updateOutdatedInstancesOnly":true}`, "InvalidUpdateOutdatedInstancesOnlyValue"},
		{`{` + target + `}`, "InvalidTargetInstances"}, {`{` + target + `,"targetInstances":{}}`, "InvalidTargetInstances"},
		{`{` + target + `,"targetInstances":{"tagFilters":[{"Key":"k","Type":"SOME"}]}}`, "InvalidTargetInstances"},
		{`{` + target + `,"targetInstances":{"tagFilters":[{"Key":"colour","Value":"red"}]}}`, "InvalidTargetInstances"},
		{`{"applicationName":"shop","deploymentGroupName":"scaled","revision":` + bundle + `}`, "InvalidAutoScalingGroup"},
		{`{` + target + `,"targetInstances":{"autoScalingGroups":["nope"]}}`, "InvalidTargetInstances"},
		{`{` + target + `,"targetInstances":{"tagFilters":[{"Key":"colour"}],"ec2TagSet":{"ec2TagSetList":[[{"Key":"colour"}]]}}}`, "InvalidTargetInstances"},
		{`{` + flat + `,"targetInstances":{"tagFilters":[{"Key":"colour"}]}}`, "InvalidTargetInstances"},
		{`{"applicationName":"none","deploymentGroupName":"prod","revision":` + bundle + `}`, "ApplicationDoesNotExist"},
		{`{"applicationName":"shop","deploymentGroupName":"none","revision":` + bundle + `}`, "DeploymentGroupDoesNotExist"},
		{`{` + flat + `,"deploymentConfigName":"none"}`, "DeploymentConfigDoesNotExist"},
		{`{` + flat + `,"deploymentConfigName":"canary"}`, "InvalidTrafficRoutingConfiguration"},
		{`{` + flat + `,"deploymentConfigName":"CodeDeployDefault.ECSAllAtOnce"}`, "InvalidDeploymentConfigName"},
		{`{"applicationName":"fn","deploymentGroupName":"alias","revision":` + bundle + `,"fileExistsBehavior":"RETAIN"}`, "InvalidFileExistsBehavior"},
		{`{"applicationName":"fn","deploymentGroupName":"alias","revision":` + bundle + `,"ignoreApplicationStopFailures":true}`, "InvalidIgnoreApplicationStopFailuresValue"},
		{`{"applicationName":"fn","deploymentGroupName":"alias","revision":` + bundle + `}`, "Validation"},
		{`{"applicationName":"fn","deploymentGroupName":"alias","revision":{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"` + strings.Repeat("0", 64) + `"}}}`, "RevisionDoesNotExist"},
		{`{"applicationName":"shop","deploymentGroupName":"bad","updateOutdatedInstancesOnly":true}`, "RevisionDoesNotExist"},
		{`{` + target + `,"targetInstances":{"tagFilters":[{"Key":"colour","Value":"green"}]}}`, "DeploymentLimitExceeded"},
	},
	"GetDeployment": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":""}`, "DeploymentIdRequired"}, {`{"deploymentId":"d-1"}`, "InvalidDeploymentId"},
		{`{"deploymentId":"d-abcdefghi"}`, "InvalidDeploymentId"}, {`{"deploymentId":"d-ZZZZZZZZZ"}`, "DeploymentDoesNotExist"},
	},
	"BatchGetDeployments": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentIds":["x"]}`, "InvalidDeploymentId"},
		{`{"deploymentIds":[` + strings.Repeat(`"d-ZZZZZZZZZ",`, 25) + `"d-ZZZZZZZZZ"]}`, "BatchLimitExceeded"}, {`{"deploymentIds":["d-ZZZZZZZZZ"]}`, ""},
	},
	"ListDeployments": {
		{`{"deploymentGroupName":"prod"}`, "ApplicationNameRequired"}, {`{"applicationName":"shop"}`, "DeploymentGroupNameRequired"},
		{`{"applicationName":"?","deploymentGroupName":"g"}`, "InvalidApplicationName"}, {`{"applicationName":"shop","deploymentGroupName":"?"}`, "InvalidDeploymentGroupName"},
		{`{"includeOnlyStatuses":["Done"]}`, "InvalidDeploymentStatus"}, {`{"createTimeRange":{"start":2,"end":1}}`, "InvalidTimeRange"}, {`{"externalId":""}`, "InvalidExternalId"},
		{`{"externalId":"x","applicationName":"shop","deploymentGroupName":"prod"}`, "InvalidInput"},
		{`{"applicationName":"none","deploymentGroupName":"prod"}`, "ApplicationDoesNotExist"}, {`{"applicationName":"shop","deploymentGroupName":"none"}`, "DeploymentGroupDoesNotExist"},
		{`{"nextToken":"x"}`, "InvalidNextToken"},
	},
	"ListDeploymentTargets": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "InvalidDeploymentId"}, {`{"deploymentId":"d-ZZZZZZZZZ"}`, "DeploymentDoesNotExist"},
		{`{"deploymentId":"{created}"}`, "DeploymentNotStarted"}, {`{"deploymentId":"{ready}","targetFilters":{"Colour":["x"]}}`, "InvalidTargetFilterName"},
		{`{"deploymentId":"{ready}","targetFilters":{"TargetStatus":["Done"]}}`, "InvalidInstanceStatus"},
		{`{"deploymentId":"{ready}","targetFilters":{"ServerInstanceLabel":["Red"]}}`, "InvalidInstanceType"},
		{`{"deploymentId":"{flat}","targetFilters":{"ServerInstanceLabel":["Blue"]}}`, "InvalidDeploymentInstanceType"}, {`{"deploymentId":"{ready}","nextToken":"x"}`, "InvalidNextToken"},
	},
	"ListDeploymentInstances": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "InvalidDeploymentId"}, {`{"deploymentId":"d-ZZZZZZZZZ"}`, "DeploymentDoesNotExist"},
		{`{"deploymentId":"{created}"}`, "DeploymentNotStarted"}, {`{"deploymentId":"{ready}","instanceStatusFilter":["Done"]}`, "InvalidInstanceStatus"},
		{`{"deploymentId":"{ready}","instanceTypeFilter":["Red"]}`, "InvalidInstanceType"}, {`{"deploymentId":"{flat}","instanceTypeFilter":["Blue"]}`, "InvalidDeploymentInstanceType"},
		{`{"deploymentId":"{ready}","nextToken":"x"}`, "InvalidNextToken"},
	},
	"GetDeploymentTarget": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "DeploymentTargetIdRequired"}, {`{"deploymentId":"x","targetId":"?"}`, "InvalidDeploymentId"},
		{`{"deploymentId":"{ready}","targetId":"?"}`, "InvalidDeploymentTargetId"},
		{`{"deploymentId":"{ready}","targetId":"arn:aws:ec2:eu-central-1:123456789012:instance/a b"}`, "InvalidDeploymentTargetId"},
		{`{"deploymentId":"{ready}","targetId":"arn:aws:codedeploy:eu-central-1:123456789012:instance/a b"}`, "InvalidInstanceName"},
		{`{"deploymentId":"d-ZZZZZZZZZ","targetId":"blue-1"}`, "DeploymentDoesNotExist"},
		{`{"deploymentId":"{created}","targetId":"blue-1"}`, "DeploymentNotStarted"}, {`{"deploymentId":"{ready}","targetId":"blue-9"}`, "DeploymentTargetDoesNotExist"},
		{`{"deploymentId":"{ready}","targetId":"arn:aws:codedeploy:eu-central-1:123456789012:instance/blue-1_XXXXXXXXXX"}`, "DeploymentTargetDoesNotExist"},
	},
	"BatchGetDeploymentTargets": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x","targetIds":[]}`, "DeploymentTargetIdRequired"}, {`{"deploymentId":"x","targetIds":["a"]}`, "InvalidDeploymentId"},
		{`{"deploymentId":"{ready}","targetIds":[""]}`, "InvalidDeploymentTargetId"},
		{`{"deploymentId":"{ready}","targetIds":["arn:aws:codedeploy:eu-central-1:123456789012:instance/"]}`, "InvalidDeploymentTargetId"},
		{`{"deploymentId":"{ready}","targetIds":` + many(26) + `}`, "DeploymentTargetListSizeExceeded"},
		{`{"deploymentId":"d-ZZZZZZZZZ","targetIds":["a"]}`, "DeploymentDoesNotExist"}, {`{"deploymentId":"{created}","targetIds":["a"]}`, "DeploymentNotStarted"},
		{`{"deploymentId":"{ready}","targetIds":["blue-1","a"]}`, "DeploymentTargetDoesNotExist"},
	},
	"GetDeploymentInstance": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "InstanceIdRequired"}, {`{"deploymentId":"x","instanceId":"a"}`, "InvalidDeploymentId"},
		{`{"deploymentId":"{ready}","instanceId":"?"}`, "InvalidInstanceName"}, {`{"deploymentId":"d-ZZZZZZZZZ","instanceId":"a"}`, "DeploymentDoesNotExist"},
		{`{"deploymentId":"{ready}","instanceId":"a"}`, "InstanceDoesNotExist"},
	},
	"BatchGetDeploymentInstances": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "InstanceIdRequired"}, {`{"deploymentId":"x","instanceIds":["a"]}`, "InvalidDeploymentId"},
		{`{"deploymentId":"{ready}","instanceIds":["?"]}`, "InvalidInstanceName"}, {`{"deploymentId":"{ready}","instanceIds":` + many(26) + `}`, "BatchLimitExceeded"},
		{`{"deploymentId":"d-ZZZZZZZZZ","instanceIds":["a"]}`, "DeploymentDoesNotExist"},
	},
	"ContinueDeployment": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"","deploymentWaitType":"NAP"}`, "DeploymentIdRequired"}, {`{"deploymentId":"x","deploymentWaitType":"NAP"}`, "InvalidDeploymentId"},
		{`{"deploymentId":"d-ZZZZZZZZZ","deploymentWaitType":"NAP"}`, "InvalidDeploymentWaitType"}, {`{"deploymentId":"{ready}","deploymentWaitType":""}`, "InvalidDeploymentWaitType"},
		{`{"deploymentId":"d-ZZZZZZZZZ"}`, "DeploymentDoesNotExist"}, {`{"deploymentId":"{flat}"}`, "UnsupportedActionForDeploymentType"},
		{`{"deploymentId":"{ready}","deploymentWaitType":"TERMINATION_WAIT"}`, "InvalidDeploymentStatus"}, {`{"deploymentId":"{created}"}`, "DeploymentIsNotInReadyState"},
		{`{"deploymentId":"{stopped}"}`, "DeploymentAlreadyCompleted"},
	},
	"SkipWaitTimeForInstanceTermination": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "InvalidDeploymentId"}, {`{"deploymentId":"d-ZZZZZZZZZ"}`, "DeploymentDoesNotExist"},
		{`{"deploymentId":"{flat}"}`, "UnsupportedActionForDeploymentType"}, {`{"deploymentId":"{ready}"}`, "DeploymentNotStarted"}, {`{"deploymentId":"{stopped}"}`, "DeploymentAlreadyCompleted"},
	},
	"StopDeployment": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "InvalidDeploymentId"}, {`{"deploymentId":"d-ZZZZZZZZZ"}`, "DeploymentDoesNotExist"},
		{`{"deploymentId":"{gone}"}`, "DeploymentGroupDoesNotExist"}, {`{"deploymentId":"{failed}"}`, "DeploymentAlreadyCompleted"},
	},
	"PutLifecycleEventHookExecutionStatus": {
		{`{}`, "DeploymentIdRequired"}, {`{"deploymentId":"x"}`, "InvalidDeploymentId"}, {`{"deploymentId":"{ready}"}`, "InvalidLifecycleEventHookExecutionId"},
		{`{"deploymentId":"x","lifecycleEventHookExecutionId":"","status":"Great"}`, "InvalidDeploymentId"},
		{`{"deploymentId":"d-ZZZZZZZZZ","lifecycleEventHookExecutionId":"","status":"Great"}`, "InvalidLifecycleEventHookExecutionId"},
		{`{"deploymentId":"{ready}","lifecycleEventHookExecutionId":"not ours","status":"Failed"}`, "InvalidLifecycleEventHookExecutionId"},
		{`{"deploymentId":"{ready}","lifecycleEventHookExecutionId":"` + strings.Repeat("h", 1001) + `","status":"Failed"}`, "InvalidLifecycleEventHookExecutionId"},
		{`{"deploymentId":"{ready}","lifecycleEventHookExecutionId":"h"}`, "InvalidLifecycleEventHookExecutionStatus"},
		{`{"deploymentId":"d-ZZZZZZZZZ","lifecycleEventHookExecutionId":"h","status":"InProgress"}`, "InvalidLifecycleEventHookExecutionStatus"},
		{`{"deploymentId":"{ready}","lifecycleEventHookExecutionId":"h","status":"Pending"}`, "InvalidLifecycleEventHookExecutionStatus"},
		{`{"deploymentId":"{ready}","lifecycleEventHookExecutionId":"h","status":"Great"}`, "InvalidLifecycleEventHookExecutionStatus"},
		{`{"deploymentId":"d-ZZZZZZZZZ","lifecycleEventHookExecutionId":"h","status":"Failed"}`, "DeploymentDoesNotExist"},
		{`{"deploymentId":"{ready}","lifecycleEventHookExecutionId":"h","status":"Succeeded"}`, "UnsupportedActionForDeploymentType"},
	},
	"RegisterOnPremisesInstance": {
		{`{}`, "InstanceNameRequired"}, {`{"instanceName":"?","iamUserArn":"u","iamSessionArn":"s"}`, "InvalidInstanceName"},
		{`{"instanceName":"n","iamUserArn":"u","iamSessionArn":"s"}`, "MultipleIamArnsProvided"}, {`{"instanceName":"?"}`, "IamArnRequired"},
		{`{"instanceName":"?","iamUserArn":"u"}`, "InvalidInstanceName"}, {`{"instanceName":"i-0123456789abcdef0","iamUserArn":"u"}`, "InvalidInstanceName"},
		{`{"instanceName":"n","iamUserArn":"arn:aws:iam::123456789012:role/r"}`, "InvalidIamUserArn"}, {`{"instanceName":"n","iamSessionArn":"arn:aws:iam::123456789012:user/r"}`, "InvalidIamSessionArn"},
		{`{"instanceName":"n","iamUserArn":"arn:aws:iam::210987654321:user/n"}`, "InvalidIamUserArn"},
		{`{"instanceName":"n","iamSessionArn":"arn:aws:sts::210987654321:assumed-role/Hosts/n"}`, "InvalidIamSessionArn"},
		{`{"instanceName":"blue-1","iamUserArn":"arn:aws:iam::123456789012:user/other"}`, "InstanceNameAlreadyRegistered"},
		{`{"instanceName":"n","iamUserArn":"arn:aws:iam::123456789012:user/blue-1"}`, "IamUserArnAlreadyRegistered"},
		{`{"instanceName":"n","iamSessionArn":"arn:aws:sts::123456789012:assumed-role/Hosts/session-1"}`, "IamSessionArnAlreadyRegistered"},
	},
	"DeregisterOnPremisesInstance": {{`{}`, "InstanceNameRequired"}, {`{"instanceName":"?"}`, "InvalidInstanceName"}, {`{"instanceName":"none"}`, ""}},
	"GetOnPremisesInstance":        {{`{}`, "InstanceNameRequired"}, {`{"instanceName":"?"}`, "InvalidInstanceName"}, {`{"instanceName":"none"}`, "InstanceNotRegistered"}},
	"BatchGetOnPremisesInstances": {
		{`{}`, "InstanceNameRequired"}, {`{"instanceNames":[""]}`, "InvalidInstanceName"}, {`{"instanceNames":` + many(26) + `}`, "BatchLimitExceeded"}, {`{"instanceNames":["none"]}`, ""},
	},
	"ListOnPremisesInstances": {
		{`{"registrationStatus":"Maybe"}`, "InvalidRegistrationStatus"}, {`{"tagFilters":[{"Key":"k","Type":"SOME"}]}`, "InvalidTagFilter"}, {`{"tagFilters":[{}]}`, "InvalidTagFilter"},
		{`{"nextToken":"x"}`, "InvalidNextToken"},
	},
	"AddTagsToOnPremisesInstances": {
		{`{}`, "InstanceNameRequired"}, {`{"instanceNames":["?"]}`, "TagRequired"}, {`{"instanceNames":["?"],"tags":[{}]}`, "InvalidInstanceName"},
		{`{"instanceNames":["blue-1"],"tags":[{"Key":"k"}]}`, "InvalidTag"}, {`{"instanceNames":["blue-1"],"tags":[{"Key":"k","Value":"` + long + `"}]}`, "InvalidTag"},
		{`{"instanceNames":` + many(101) + `,"tags":[{"Key":"k","Value":"v"}]}`, "InstanceLimitExceeded"}, {`{"instanceNames":["blue-1"],"tags":` + manyTags(11) + `}`, "TagLimitExceeded"},
		{`{"instanceNames":["blue-1","none"],"tags":[{"Key":"k","Value":"v"}]}`, "InstanceNotRegistered"}, {`{"instanceNames":["none"],"tags":` + manyTags(11) + `}`, "InstanceNotRegistered"},
		{`{"instanceNames":["blue-1"],"tags":` + manyTags(10) + `}`, "TagLimitExceeded"},
	},
	"RemoveTagsFromOnPremisesInstances": {
		{`{}`, "InstanceNameRequired"}, {`{"instanceNames":["?"]}`, "TagRequired"}, {`{"instanceNames":["?"],"tags":[{}]}`, "InvalidInstanceName"}, {`{"instanceNames":["blue-1"],"tags":[{"Value":"k"}]}`, "InvalidTag"},
		{`{"instanceNames":` + many(101) + `,"tags":[{"Key":"k"}]}`, "InstanceLimitExceeded"}, {`{"instanceNames":["blue-1"],"tags":` + manyTags(11) + `}`, "TagLimitExceeded"},
		{`{"instanceNames":["none"],"tags":[{"Key":"k"}]}`, "InstanceNotRegistered"},
		{`{"instanceNames":["none"],"tags":` + manyTags(11) + `}`, "InstanceNotRegistered"},
	},
}

// groupRefusals is what creation and update of a group refuse alike; head is the beginning of a body.
func groupRefusals(head string) []refusal {
	trigger := `{"triggerName":"t","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:topic","triggerEvents":["DeploymentStart"]}`
	blue := `"deploymentStyle":{"deploymentType":"BLUE_GREEN","deploymentOption":"WITH_TRAFFIC_CONTROL"},"loadBalancerInfo":{"targetGroupInfoList":[{"name":"web"}]},`
	alarms := `{"name":"1"},{"name":"2"},{"name":"3"},{"name":"4"},{"name":"5"},{"name":"6"},{"name":"7"},{"name":"8"},{"name":"9"},{"name":"10"}`
	list := []refusal{
		{`"deploymentConfigName":"?"`, "InvalidDeploymentConfigName"},
		{`"deploymentConfigName":"none"`, "DeploymentConfigDoesNotExist"},
		{`"deploymentConfigName":"canary"`, "InvalidTrafficRoutingConfiguration"},
		{`"deploymentConfigName":"CodeDeployDefault.LambdaAllAtOnce"`, "InvalidDeploymentConfigName"},
		{`"ec2TagFilters":[{"Key":"k"}],"ec2TagSet":{"ec2TagSetList":[[{"Key":"k"}]]}`, "InvalidEC2TagCombination"},
		{`"onPremisesInstanceTagFilters":[{"Key":"k"}],"onPremisesTagSet":{"onPremisesTagSetList":[[{"Key":"k"}]]}`, "InvalidOnPremisesTagCombination"},
		{`"ec2TagFilters":[{"Key":"k","Value":"v","Type":"KEY_ONLY"}]`, "InvalidEC2Tag"},
		{`"ec2TagFilters":[{"Key":"k","Value":"v","Type":"VALUE_ONLY"}]`, "InvalidEC2Tag"},
		{`"ec2TagFilters":[{"Key":"k","Type":"KEY_AND_VALUE"}]`, "InvalidEC2Tag"},
		{`"ec2TagFilters":[{"Key":"k","Type":"NEITHER"}]`, "InvalidEC2Tag"},
		{`"ec2TagFilters":[{}]`, "InvalidEC2Tag"},
		{`"ec2TagFilters":` + manyTags(11), "InvalidEC2Tag"},
		{`"ec2TagSet":{"ec2TagSetList":[[]]}`, "InvalidEC2Tag"},
		{`"onPremisesInstanceTagFilters":[{"Key":"` + long + `"}]`, "InvalidTag"},
		{`"onPremisesInstanceTagFilters":[{"Key":"k","Type":"SOME"}]`, "InvalidTag"},
		{`"onPremisesTagSet":{"onPremisesTagSetList":[[{"Key":"a"}],[{"Key":"a"}],[{"Key":"a"}],[{"Key":"a"}]]}`, "TagSetListLimitExceeded"},
		{`"autoScalingGroups":[""]`, "InvalidAutoScalingGroup"},
		{`"autoScalingGroups":["nope"]`, "InvalidAutoScalingGroup"},
		{`"autoScalingGroups":["a","a"]`, "InvalidAutoScalingGroup"},
		{`"autoScalingGroups":` + many(11), "InvalidAutoScalingGroup"},
		{`"triggerConfigurations":[{}]`, "InvalidTriggerConfig"},
		{`"triggerConfigurations":[{"triggerName":"t","triggerTargetArn":"arn:aws:sns:us-east-1:123456789012:topic","triggerEvents":["DeploymentStart"]}]`, "InvalidTriggerConfig"},
		{`"triggerConfigurations":[{"triggerName":"t","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:topic"}]`, "InvalidTriggerConfig"},
		{`"triggerConfigurations":[{"triggerName":"t","triggerTargetArn":"arn:aws:sns:eu-central-1:123456789012:topic","triggerEvents":["Rain"]}]`, "InvalidTriggerConfig"},
		{`"triggerConfigurations":[` + trigger + `,` + trigger + `]`, "InvalidTriggerConfig"},
		{`"alarmConfiguration":{"alarms":[null]}`, "InvalidAlarmConfig"},
		{`"alarmConfiguration":{"alarms":[{"name":"a"},{"name":"a"}]}`, "InvalidAlarmConfig"},
		{`"alarmConfiguration":{"enabled":true}`, "InvalidAlarmConfig"},
		{`"alarmConfiguration":{"alarms":[` + alarms + `,{"name":"11"}]}`, "AlarmsLimitExceeded"},
		{`"autoRollbackConfiguration":{"enabled":true}`, "InvalidAutoRollbackConfig"},
		{`"autoRollbackConfiguration":{"events":["RAIN"]}`, "InvalidAutoRollbackConfig"},
		{`"deploymentStyle":{"deploymentType":"GREEN_BLUE"}`, "InvalidDeploymentStyle"},
		{`"deploymentStyle":{"deploymentOption":"SOME"}`, "InvalidDeploymentStyle"},
		{`"deploymentStyle":{"deploymentType":"BLUE_GREEN"}`, "InvalidDeploymentStyle"},
		{`"deploymentStyle":{"deploymentOption":"WITH_TRAFFIC_CONTROL"}`, "InvalidLoadBalancerInfo"},
		{`"loadBalancerInfo":{"targetGroupInfoList":[{}]}`, "InvalidLoadBalancerInfo"},
		{`"loadBalancerInfo":{"targetGroupInfoList":[{"name":"` + strings.Repeat("g", 33) + `"}]}`, "InvalidLoadBalancerInfo"},
		{`"loadBalancerInfo":{"targetGroupPairInfoList":[{}]}`, "InvalidTargetGroupPair"},
		{`"loadBalancerInfo":{"targetGroupPairInfoList":[{"targetGroups":[{"name":"a"},{"name":"a"}],"prodTrafficRoute":{"listenerArns":["l"]}}]}`, "InvalidTargetGroupPair"},
		{`"ecsServices":[{"serviceName":"s","clusterName":"c"}]`, "InvalidECSService"},
		{`"ecsServices":[{}]`, "InvalidECSService"},
		{`"outdatedInstancesStrategy":"FORGET"`, "InvalidInput"},
		{blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "TERMINATE", 0), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + `"blueGreenDeploymentConfiguration":{}`, "InvalidBlueGreenDeploymentConfiguration"},
		{blue + `"blueGreenDeploymentConfiguration":{"deploymentReadyOption":{"actionOnTimeout":"CONTINUE_DEPLOYMENT"}}`, "InvalidBlueGreenDeploymentConfiguration"},
		{blue + blueGreenBlock("CONTINUE_DEPLOYMENT", 1, "TERMINATE", 0), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + blueGreenBlock("STOP_DEPLOYMENT", 0, "TERMINATE", 0), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + blueGreenBlock("STOP_DEPLOYMENT", -1, "TERMINATE", 0), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + blueGreenBlock("STOP_DEPLOYMENT", 2881, "TERMINATE", 0), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + blueGreenBlock("STOP_DEPLOYMENT", 2880, "TERMINATE", 2881), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + blueGreenBlock("WAIT", 0, "TERMINATE", 0), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "EXPLODE", 0), "InvalidBlueGreenDeploymentConfiguration"},
		{blue + strings.Replace(blueGreenBlock("CONTINUE_DEPLOYMENT", 0, "TERMINATE", 0), "DISCOVER_EXISTING", "COPY_AUTO_SCALING_GROUP", 1), "InvalidBlueGreenDeploymentConfiguration"},
		// The order of the table: what stands further up there is reported first.
		{`"outdatedInstancesStrategy":"FORGET","deploymentStyle":{"deploymentType":"X"},"autoRollbackConfiguration":{"enabled":true},"autoScalingGroups":[""],"ec2TagFilters":[{}]`, "InvalidEC2Tag"},
	}
	many := make([]string, 11)
	for i := range many {
		many[i] = strings.Replace(strings.Replace(trigger, `:topic"`, fmt.Sprintf(`:topic%d"`, i), 1), `"t"`, fmt.Sprintf(`"t%d"`, i), 1)
	}
	list = append(list, refusal{`"triggerConfigurations":[` + strings.Join(many, ",") + `]`, "TriggerTargetsLimitExceeded"})
	for i := range list {
		list[i].body = head + list[i].body + "}"
	}
	return list
}

// stockForRefusals fills the world with what the bodies of the table name, and returns what puts ids into them.
func (w *world) stockForRefusals() *strings.Replacer {
	w.t.Helper()
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	w.must("CreateDeploymentConfig", `{"deploymentConfigName":"canary","minimumHealthyHosts":{"type":"HOST_COUNT","value":0},
		"trafficRoutingConfig":{"type":"TimeBasedCanary","timeBasedCanary":{"canaryPercentage":10,"canaryInterval":5}}}`)
	w.must("RegisterOnPremisesInstance", `{"instanceName":"session","iamSessionArn":"arn:aws:sts::123456789012:assumed-role/Hosts/session-1"}`)
	w.must("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"scaled","serviceRoleArn":"`+role+`","autoScalingGroups":["brief"]}`)
	for _, name := range []string{"early", "bad", "doomed", "over"} {
		w.must("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"`+name+`","serviceRoleArn":"`+role+`","deploymentConfigName":"mine",
			"onPremisesInstanceTagFilters":[{"Key":"colour","Value":"blue"}]}`)
	}

	w.agents.answering, w.agents.fails = true, "Install"
	failed := w.deployTo("bad")
	w.run()
	w.agents.fails = ""
	ready := w.deployTo("prod")
	w.run()
	w.agents.answering = false
	inPlace := w.deployTo("flat")
	w.run()
	stopped := text(w.t, w.must("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"bad","revision":`+bundle+`}`, "deploymentId"))
	w.must("StopDeployment", `{"deploymentId":"`+stopped+`"}`)
	// A blue/green group of its own for a stopped deployment.
	w.must("UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"over",`+style+`,`+blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60)+`}`)
	stopped = text(w.t, w.must("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"over","revision":`+bundle+`,"targetInstances":{"tagFilters":[{"Key":"colour","Value":"green"}]}}`, "deploymentId"))
	w.must("StopDeployment", `{"deploymentId":"`+stopped+`"}`)
	gone := w.deployTo("doomed")
	w.must("DeleteDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"doomed"}`)
	w.must("UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"early",`+style+`,`+blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60)+`}`)
	created := text(w.t, w.must("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"early","revision":`+bundle+`,"targetInstances":{"tagFilters":[{"Key":"colour","Value":"green"}]}}`, "deploymentId"))
	return strings.NewReplacer("{ready}", ready, "{flat}", inPlace, "{created}", created, "{gone}", gone, "{failed}", failed, "{stopped}", stopped)
}

func TestEveryRefusalOfEveryOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := w.stockForRefusals()
	for _, op := range control.Describe(w.api).Operations {
		for _, r := range refusals[op.Name] {
			exception, answer := w.call(op.Name, ids.Replace(r.body))
			got := strings.TrimSuffix(exception, "Exception")
			if got != r.want {
				t.Errorf("%s %.300s\nanswered %s, want %q", op.Name, r.body, answer, r.want)
			}
		}
		if len(refusals[op.Name]) == 0 {
			t.Errorf("the refusals of %s are not tested", op.Name)
		}
	}
}
