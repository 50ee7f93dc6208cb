package follow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"crossfade/internal/awsjson/client"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const (
	targetPrefix = "CodeDeploy_20141006"
	signingName  = "codedeploy"
	batch        = 25 // most targets that one BatchGetDeploymentTargets reads
	// maxAnswer bounds what is read of an answer, in bytes: a batch of targets with 13 logs of 4 KiB each, escaped, fits.
	maxAnswer = 16 << 20
)

// Client reads deployments over the signed control API.
type Client struct {
	Endpoint   string // base URL
	Region     string
	Credential sigv4.Credential
	HTTP       *http.Client
	Now        func() time.Time
}

// Refusal is the server's final answer other than success.
type Refusal = client.Refusal

// Deployment is GetDeployment.
func (c *Client) Deployment(ctx context.Context, id string) (control.DeploymentInfo, error) {
	var out control.GetDeploymentOutput
	if err := c.call(ctx, "GetDeployment", control.GetDeploymentInput{DeploymentId: &id}, &out); err != nil {
		return control.DeploymentInfo{}, fmt.Errorf("read deployment %s: %w", id, err)
	}
	if out.DeploymentInfo == nil || out.DeploymentInfo.Status == nil {
		return control.DeploymentInfo{}, fmt.Errorf("read deployment %s: the answer of %s has no deployment: is it a Crossfade server?", id, c.Endpoint)
	}
	return *out.DeploymentInfo, nil
}

// TargetIDs lists the targets that have one of the statuses, or all of them when none is given; none while the deployment has not started.
func (c *Client) TargetIDs(ctx context.Context, id string, statuses ...control.TargetStatus) ([]string, error) {
	in := control.ListDeploymentTargetsInput{DeploymentId: &id}
	for _, s := range statuses {
		if in.TargetFilters == nil {
			in.TargetFilters = map[control.TargetFilterName][]string{}
		}
		in.TargetFilters[control.TargetFilterNameTargetStatus] = append(in.TargetFilters[control.TargetFilterNameTargetStatus], string(s))
	}
	var ids []string
	for {
		var out control.ListDeploymentTargetsOutput
		err := c.call(ctx, "ListDeploymentTargets", in, &out)
		if refusedAs(err, control.DeploymentNotStartedException) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the targets of deployment %s: %w", id, err)
		}
		ids = append(ids, out.TargetIds...)
		if out.NextToken == nil {
			return ids, nil
		}
		in.NextToken = out.NextToken
	}
}

func refusedAs(err error, code wire.Code) bool {
	var no *Refusal
	return errors.As(err, &no) && no.Code == string(code)
}

// Targets reads the named targets of a deployment, in the order of the names.
func (c *Client) Targets(ctx context.Context, id string, ids []string) ([]control.InstanceTarget, error) {
	var targets []control.InstanceTarget
	for some := range slices.Chunk(ids, batch) {
		var out control.BatchGetDeploymentTargetsOutput
		if err := c.call(ctx, "BatchGetDeploymentTargets", control.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: some}, &out); err != nil {
			return nil, fmt.Errorf("read the targets of deployment %s: %w", id, err)
		}
		for _, t := range out.DeploymentTargets {
			if t.InstanceTarget != nil {
				targets = append(targets, *t.InstanceTarget)
			}
		}
	}
	return targets, nil
}

// Config is a deployment config, or nil when there is none of the name any more.
func (c *Client) Config(ctx context.Context, name string) (*control.DeploymentConfigInfo, error) {
	var out control.GetDeploymentConfigOutput
	err := c.call(ctx, "GetDeploymentConfig", control.GetDeploymentConfigInput{DeploymentConfigName: &name}, &out)
	if refusedAs(err, control.DeploymentConfigDoesNotExistException) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read deployment config %s: %w", name, err)
	}
	return out.DeploymentConfigInfo, nil
}

func (c *Client) call(ctx context.Context, operation string, in, out any) error {
	service := client.Client{
		Endpoint: c.Endpoint, Region: c.Region, Service: signingName, Target: targetPrefix, Credential: c.Credential, HTTP: c.HTTP, Now: c.Now, MaxAnswer: maxAnswer,
	}
	return service.Call(ctx, operation, in, out)
}
