package follow

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crossfade/internal/explain"
	"crossfade/internal/wire/control"
)

// unfinished are the statuses of a deployment that has not ended.
var unfinished = []control.DeploymentStatus{
	control.DeploymentStatusCreated, control.DeploymentStatusQueued, control.DeploymentStatusInProgress, control.DeploymentStatusReady,
}

// otherLimit bounds how many other deployments are looked at for the one that has a host.
const otherLimit = 100

// Read reads all that explaining a deployment needs, now. Options is what commands to type need to reach the same server.
func Read(ctx context.Context, c *Client, id, options string) (explain.Input, error) {
	in := explain.Input{Options: options, Now: c.Now()}
	var err error
	if in.Info, err = c.Deployment(ctx, id); err != nil {
		return in, err
	}
	ids, err := c.TargetIDs(ctx, id)
	if err != nil {
		return in, err
	}
	if in.Targets, err = c.Targets(ctx, id, ids); err != nil {
		return in, err
	}
	if name := in.Info.DeploymentConfigName; name != nil {
		if in.Config, err = c.Config(ctx, *name); err != nil {
			return in, err
		}
	}
	switch *in.Info.Status {
	case control.DeploymentStatusQueued:
		in.Ahead, err = c.ahead(ctx, id, in.Info)
	case control.DeploymentStatusInProgress:
		in.Holders, err = c.holders(ctx, id, unasked(in.Targets))
	}
	return in, err
}

// ahead are the unfinished deployments of the group that were created before the deployment.
func (c *Client) ahead(ctx context.Context, id string, info control.DeploymentInfo) ([]explain.Ahead, error) {
	list := control.ListDeploymentsInput{ApplicationName: info.ApplicationName, DeploymentGroupName: info.DeploymentGroupName, IncludeOnlyStatuses: unfinished}
	infos, err := c.deployments(ctx, list)
	if refusedAs(err, control.DeploymentGroupDoesNotExistException) || refusedAs(err, control.ApplicationDoesNotExistException) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Listed the newest first, also when two are of the same millisecond: what comes behind the deployment is ahead of it.
	i := slices.IndexFunc(infos, func(d control.DeploymentInfo) bool { return *d.DeploymentId == id })
	var ahead []explain.Ahead
	for _, d := range slices.Backward(infos[i+1:]) {
		ahead = append(ahead, explain.Ahead{DeploymentID: *d.DeploymentId, Status: *d.Status})
	}
	return ahead, nil
}

// deployments lists deployments, the newest first.
func (c *Client) deployments(ctx context.Context, list control.ListDeploymentsInput) ([]control.DeploymentInfo, error) {
	var ids []string
	for {
		var out control.ListDeploymentsOutput
		if err := c.call(ctx, "ListDeployments", list, &out); err != nil {
			return nil, fmt.Errorf("list the unfinished deployments: %w", err)
		}
		ids = append(ids, out.Deployments...)
		if out.NextToken == nil || len(ids) >= otherLimit {
			break
		}
		list.NextToken = out.NextToken
	}
	var infos []control.DeploymentInfo
	for some := range slices.Chunk(ids, batch) {
		var out control.BatchGetDeploymentsOutput
		if err := c.call(ctx, "BatchGetDeployments", control.BatchGetDeploymentsInput{DeploymentIds: some}, &out); err != nil {
			return nil, fmt.Errorf("read the unfinished deployments: %w", err)
		}
		for _, d := range out.DeploymentsInfo {
			if d.DeploymentId != nil && d.Status != nil {
				infos = append(infos, d)
			}
		}
	}
	return infos, nil
}

// unasked are the targets under way whose next event nobody has taken yet.
func unasked(targets []control.InstanceTarget) []string {
	var ids []string
	for _, t := range targets {
		if t.Status == nil || *t.Status != control.TargetStatusInProgress || t.TargetId == nil {
			continue
		}
		if !slices.ContainsFunc(t.LifecycleEvents, func(e control.LifecycleEvent) bool {
			return e.Status != nil && *e.Status == control.LifecycleEventStatusInProgress
		}) {
			ids = append(ids, *t.TargetId)
		}
	}
	return ids
}

// holders finds the deployments that work on the instances meanwhile.
func (c *Client) holders(ctx context.Context, id string, instances []string) (map[string]string, error) {
	if len(instances) == 0 {
		return nil, nil
	}
	others, err := c.deployments(ctx, control.ListDeploymentsInput{IncludeOnlyStatuses: []control.DeploymentStatus{control.DeploymentStatusInProgress}})
	if err != nil {
		return nil, err
	}
	holders := map[string]string{}
	for _, d := range slices.Backward(others) {
		if *d.DeploymentId == id {
			continue
		}
		for some := range slices.Chunk(instances, batch) {
			var out control.BatchGetDeploymentInstancesOutput
			err := c.call(ctx, "BatchGetDeploymentInstances", control.BatchGetDeploymentInstancesInput{DeploymentId: d.DeploymentId, InstanceIds: some}, &out)
			if err != nil {
				return nil, fmt.Errorf("read the instances of deployment %s: %w", *d.DeploymentId, err)
			}
			for _, s := range out.InstancesSummary {
				if name := instanceOf(s, some); name != "" && atWork(s) && holders[name] == "" {
					holders[name] = *d.DeploymentId
				}
			}
		}
	}
	return holders, nil
}

// atWork reports whether a deployment has the instance's host: an event of it runs there, or one has ended and the next is to come.
func atWork(s control.InstanceSummary) bool {
	if s.Status == nil || *s.Status != control.InstanceStatusInProgress {
		return false
	}
	return slices.ContainsFunc(s.LifecycleEvents, func(e control.LifecycleEvent) bool { return e.StartTime != nil })
}

// instanceOf is which of the names the instance has, which the API calls by its ARN: instance/<name>_<suffix> on premises, instance/<id> in
// EC2. Empty: none of them.
func instanceOf(s control.InstanceSummary, names []string) string {
	if s.InstanceId == nil {
		return ""
	}
	_, rest, _ := strings.Cut(*s.InstanceId, ":instance/")
	bare := rest
	if i := strings.LastIndexByte(rest, '_'); i > 0 {
		bare = rest[:i]
	}
	i := slices.IndexFunc(names, func(n string) bool { return n == rest || n == bare })
	if i < 0 {
		return ""
	}
	return names[i]
}
