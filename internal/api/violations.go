package api

import (
	"crossfade/internal/awsjson"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// missing maps a required member to the exception for its absence.
var missing = map[string]wire.Code{
	"applicationName":            control.ApplicationNameRequiredException,
	"applicationNames":           control.ApplicationNameRequiredException,
	"deploymentGroupName":        control.DeploymentGroupNameRequiredException,
	"currentDeploymentGroupName": control.DeploymentGroupNameRequiredException,
	"deploymentGroupNames":       control.DeploymentGroupNameRequiredException,
	"deploymentConfigName":       control.DeploymentConfigNameRequiredException,
	"serviceRoleArn":             control.RoleRequiredException,
	"deploymentId":               control.DeploymentIdRequiredException,
	"deploymentIds":              control.DeploymentIdRequiredException,
	"targetId":                   control.DeploymentTargetIdRequiredException,
	"targetIds":                  control.DeploymentTargetIdRequiredException,
	"instanceId":                 control.InstanceIdRequiredException,
	"instanceIds":                control.InstanceIdRequiredException,
	"instanceName":               control.InstanceNameRequiredException,
	"instanceNames":              control.InstanceNameRequiredException,
	"revision":                   control.RevisionRequiredException,
	"revisions":                  control.RevisionRequiredException,
	"tags":                       control.TagRequiredException,
	"Tags":                       control.TagRequiredException,
	"TagKeys":                    control.TagRequiredException,
	"ResourceArn":                control.ResourceArnRequiredException,
}

// malformed maps the shape of a value that breaks another constraint to exceptions; the first one that the operation declares is meant.
var malformed = map[string][]wire.Code{
	"ApplicationName":                {control.InvalidApplicationNameException},
	"ApplicationRevisionSortBy":      {control.InvalidSortByException},
	"Arn":                            {control.InvalidArnException},
	"AutoRollbackEvent":              {control.InvalidAutoRollbackConfigException},
	"BundleType":                     {control.InvalidRevisionException},
	"ComputePlatform":                {control.InvalidComputePlatformException},
	"DeploymentConfigName":           {control.InvalidDeploymentConfigNameException},
	"DeploymentGroupName":            {control.InvalidDeploymentGroupNameException},
	"DeploymentOption":               {control.InvalidDeploymentStyleException},
	"DeploymentReadyAction":          {control.InvalidBlueGreenDeploymentConfigurationException},
	"DeploymentStatus":               {control.InvalidDeploymentStatusException},
	"DeploymentType":                 {control.InvalidDeploymentStyleException},
	"DeploymentWaitType":             {control.InvalidDeploymentWaitTypeException},
	"EC2TagFilterType":               {control.InvalidEC2TagException, control.InvalidTargetInstancesException},
	"FileExistsBehavior":             {control.InvalidFileExistsBehaviorException},
	"GreenFleetProvisioningAction":   {control.InvalidBlueGreenDeploymentConfigurationException},
	"InstanceAction":                 {control.InvalidBlueGreenDeploymentConfigurationException},
	"InstanceStatus":                 {control.InvalidInstanceStatusException},
	"InstanceType":                   {control.InvalidInstanceTypeException},
	"LifecycleEventStatus":           {control.InvalidLifecycleEventHookExecutionStatusException},
	"ListStateFilterAction":          {control.InvalidDeployedStateFilterException},
	"MinimumHealthyHostsPerZoneType": {control.InvalidZonalDeploymentConfigurationException},
	"MinimumHealthyHostsType":        {control.InvalidMinimumHealthyHostValueException},
	"OutdatedInstancesStrategy":      {control.InvalidInputException},
	"RegistrationStatus":             {control.InvalidRegistrationStatusException},
	"RevisionLocationType":           {control.InvalidRevisionException},
	"SortOrder":                      {control.InvalidSortOrderException},
	"TagFilterType":                  {control.InvalidTagException, control.InvalidTagFilterException},
	"TargetFilterName":               {control.InvalidTargetFilterNameException},
	"TrafficRoutingType":             {control.InvalidTrafficRoutingConfigurationException},
	"TriggerEventType":               {control.InvalidTriggerConfigException},
}

// explain returns the exception of a broken constraint of the model: one that the operation declares, or the common ValidationException,
// which is for what no modelled exception covers.
func explain(op *wire.Operation, v wire.Violation) wire.Code {
	candidates := malformed[v.Shape]
	if v.Rule == wire.Required {
		candidates = []wire.Code{missing[v.Member]}
	}
	for _, c := range candidates {
		if op.Declares(c) {
			return c
		}
	}
	return awsjson.Validation
}
