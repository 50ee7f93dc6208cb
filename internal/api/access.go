package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// Access is a permission that a call needs. Keys are the condition keys that tell of the tags in the request (aws:RequestTag/…, aws:TagKeys), by
// their names in lower case.
type Access struct {
	Operation string // the action without the service: "CreateDeployment"
	Resource  string // an ARN, or *
	Keys      map[string][]string
}

// Accesses returns the permissions that a call needs, in the order in which they are to be checked. It runs before the input is validated, so
// it takes names as they are; a name that is missing or malformed is refused afterwards.
func (s *Service) Accesses(ctx context.Context, operation string, in wire.Input) ([]Access, error) {
	resources, err := s.resources(ctx, in)
	if err != nil {
		return nil, err
	}
	arn := func(r string) string {
		if r == "*" {
			return r
		}
		return fmt.Sprintf("arn:aws:codedeploy:%s:%s:%s", s.cfg.Region, s.account(ctx), r)
	}
	keys := requestTags(in)
	needed := make([]Access, len(resources))
	for i, r := range resources {
		needed[i] = Access{operation, arn(r), keys}
	}
	c, ok := in.(*control.CreateDeploymentInput)
	if !ok {
		return needed, nil
	}
	if c.DeploymentConfigName != nil {
		needed = append(needed, Access{Operation: "GetDeploymentConfig", Resource: arn("deploymentconfig:" + *c.DeploymentConfigName)})
	}
	needed = append(needed, Access{Operation: "RegisterApplicationRevision", Resource: arn("application:" + value(c.ApplicationName))})
	if c.OverrideAlarmConfiguration != nil {
		needed = append(needed, Access{Operation: "UpdateDeploymentGroup", Resource: needed[0].Resource})
	}
	return needed, nil
}

// requestTags are the condition keys of the tags that an input sets or takes away.
func requestTags(in wire.Input) map[string][]string {
	var tags []control.Tag
	var names []string
	switch in := in.(type) {
	case *control.CreateApplicationInput:
		tags = in.Tags
	case *control.CreateDeploymentGroupInput:
		tags = in.Tags
	case *control.TagResourceInput:
		tags = in.Tags
	case *control.UntagResourceInput:
		names = in.TagKeys
	}
	if len(tags)+len(names) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tags {
		names = append(names, value(t.Key))
		keys["aws:requesttag/"+strings.ToLower(value(t.Key))] = []string{value(t.Value)}
	}
	keys["aws:tagkeys"] = names
	return keys
}

// resources returns what an input names, without the head of an ARN (user guide, actions and resources).
func (s *Service) resources(ctx context.Context, in wire.Input) ([]string, error) {
	application := func(names ...*string) []string { return resourcesOf("application:", names) }
	config := func(names ...*string) []string { return resourcesOf("deploymentconfig:", names) }
	instance := func(names ...*string) []string { return resourcesOf("instance/", names) }
	group := func(application *string, names ...*string) []string {
		return resourcesOf("deploymentgroup:"+value(application)+"/", names)
	}
	all := new("*")
	switch in := in.(type) {
	case *control.CreateApplicationInput:
		return application(in.ApplicationName), nil
	case *control.DeleteApplicationInput:
		return application(in.ApplicationName), nil
	case *control.GetApplicationInput:
		return application(in.ApplicationName), nil
	case *control.UpdateApplicationInput:
		return application(in.ApplicationName, in.NewApplicationName), nil
	case *control.RegisterApplicationRevisionInput:
		return application(in.ApplicationName), nil
	case *control.GetApplicationRevisionInput:
		return application(in.ApplicationName), nil
	case *control.BatchGetApplicationRevisionsInput:
		return application(in.ApplicationName), nil
	case *control.BatchGetApplicationsInput, *control.ListApplicationsInput, *control.ListApplicationRevisionsInput:
		return application(all), nil

	case *control.CreateDeploymentConfigInput:
		return config(in.DeploymentConfigName), nil
	case *control.GetDeploymentConfigInput:
		return config(in.DeploymentConfigName), nil
	case *control.DeleteDeploymentConfigInput:
		return config(in.DeploymentConfigName), nil
	case *control.ListDeploymentConfigsInput:
		return config(all), nil

	case *control.CreateDeploymentGroupInput:
		return group(in.ApplicationName, in.DeploymentGroupName), nil
	case *control.GetDeploymentGroupInput:
		return group(in.ApplicationName, in.DeploymentGroupName), nil
	case *control.DeleteDeploymentGroupInput:
		return group(in.ApplicationName, in.DeploymentGroupName), nil
	case *control.UpdateDeploymentGroupInput:
		return group(in.ApplicationName, in.CurrentDeploymentGroupName, in.NewDeploymentGroupName), nil
	case *control.BatchGetDeploymentGroupsInput:
		return group(in.ApplicationName, pointers(in.DeploymentGroupNames)...), nil
	case *control.ListDeploymentGroupsInput:
		return group(in.ApplicationName, all), nil
	case *control.CreateDeploymentInput:
		return group(in.ApplicationName, in.DeploymentGroupName), nil
	case *control.ListDeploymentsInput:
		if in.ApplicationName == nil && in.DeploymentGroupName == nil {
			return []string{"deploymentgroup:*"}, nil
		}
		return group(in.ApplicationName, in.DeploymentGroupName), nil

	case *control.GetDeploymentInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.BatchGetDeploymentsInput:
		return s.groupsOf(ctx, pointers(in.DeploymentIds)...)
	case *control.StopDeploymentInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.ContinueDeploymentInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.GetDeploymentTargetInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.ListDeploymentTargetsInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.BatchGetDeploymentTargetsInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.GetDeploymentInstanceInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.ListDeploymentInstancesInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.BatchGetDeploymentInstancesInput:
		return s.groupsOf(ctx, in.DeploymentId)
	case *control.PutLifecycleEventHookExecutionStatusInput:
		return s.groupsOf(ctx, in.DeploymentId)

	case *control.RegisterOnPremisesInstanceInput:
		return instance(in.InstanceName), nil
	case *control.DeregisterOnPremisesInstanceInput:
		return instance(in.InstanceName), nil
	case *control.GetOnPremisesInstanceInput:
		return instance(in.InstanceName), nil
	case *control.AddTagsToOnPremisesInstancesInput:
		return instance(pointers(in.InstanceNames)...), nil
	case *control.RemoveTagsFromOnPremisesInstancesInput:
		return instance(pointers(in.InstanceNames)...), nil
	case *control.SkipWaitTimeForInstanceTerminationInput:
		return instance(all), nil

	case *control.TagResourceInput:
		return tagged(in.ResourceArn), nil
	case *control.UntagResourceInput:
		return tagged(in.ResourceArn), nil
	case *control.ListTagsForResourceInput:
		return tagged(in.ResourceArn), nil
	}
	return []string{"*"}, nil
}

// maxNamed is how many resources of one call are judged one by one. No operation takes as many names: what comes after them is refused all the same.
const maxNamed = 500

// resourcesOf returns one resource for each name that is there, and at least one: an absent name needs some permission too. Too many names need that for
// any of the kind.
func resourcesOf(kind string, names []*string) []string {
	var out []string
	for _, n := range names {
		if len(out) == maxNamed {
			return append(out, kind+"*")
		}
		if n != nil {
			out = append(out, kind+*n)
		}
	}
	if out == nil {
		out = []string{kind + "*"}
	}
	return out
}

func pointers(names []string) []*string {
	out := make([]*string, len(names))
	for i := range names {
		out[i] = &names[i]
	}
	return out
}

// groupsOf returns the groups of deployments. What a deployment that does not exist would belong to, nobody knows: any group.
func (s *Service) groupsOf(ctx context.Context, ids ...*string) ([]string, error) {
	var out []string
	// A batch that is too long, or ids that are none, are refused afterwards without being looked up.
	for _, id := range ids[:min(len(ids), 25)] {
		if !deploymentIDPattern().MatchString(value(id)) {
			continue
		}
		d, err := s.cfg.Store.Deployment(ctx, s.account(ctx), *id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read deployment %s: %w", *id, err)
		}
		application, name, err := s.presentNames(ctx, d)
		if err != nil {
			return nil, err
		}
		out = append(out, "deploymentgroup:"+application+"/"+name)
	}
	if out == nil {
		out = []string{"deploymentgroup:*"}
	}
	return out, nil
}

// tagged returns the resource that an ARN names, with : after its type whichever way it is written.
func tagged(arn *string) []string {
	parts := strings.SplitN(value(arn), ":", 6)
	if len(parts) != 6 {
		return []string{"*"}
	}
	name := parts[5]
	for _, kind := range []string{"application", "deploymentgroup", "deploymentconfig"} {
		if rest, ok := strings.CutPrefix(name, kind+"/"); ok {
			name = kind + ":" + rest
		}
	}
	return []string{name}
}
