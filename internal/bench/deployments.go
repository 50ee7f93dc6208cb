package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"crossfade/internal/wire/control"
)

// group makes a deployment group; change makes it what the scenario needs.
func (w *world) group(ctx context.Context, name string, change func(*control.CreateDeploymentGroupInput)) error {
	kind, option := control.DeploymentTypeInPlace, control.DeploymentOptionWithoutTrafficControl
	in := control.CreateDeploymentGroupInput{
		ApplicationName: &w.name, DeploymentGroupName: &name, DeploymentConfigName: new("CodeDeployDefault.AllAtOnce"),
		ServiceRoleArn:  new("arn:aws:iam::000000000000:role/bench"),
		DeploymentStyle: &control.DeploymentStyle{DeploymentType: &kind, DeploymentOption: &option},
	}
	change(&in)
	return w.call(ctx, "CreateDeploymentGroup", in, nil)
}

// selecting selects the hosts with a tag.
func selecting(key, value string) []control.TagFilter {
	kind := control.TagFilterTypeKeyAndValue
	return []control.TagFilter{{Key: &key, Value: &value, Type: &kind}}
}

// deploy begins a deployment.
func (w *world) deploy(ctx context.Context, group string, change func(*control.CreateDeploymentInput)) (string, error) {
	in := control.CreateDeploymentInput{ApplicationName: &w.name, DeploymentGroupName: &group, Revision: w.revision()}
	if change != nil {
		change(&in)
	}
	var out control.CreateDeploymentOutput
	if err := w.call(ctx, "CreateDeployment", in, &out); err != nil {
		return "", err
	}
	if out.DeploymentId == nil {
		return "", fmt.Errorf("CreateDeployment: the answer of %s has no id", w.at.Endpoint)
	}
	return *out.DeploymentId, nil
}

// atOnce is how many deployments BatchGetDeployments takes.
const atOnce = 25

// askInterval is how often is asked how deployments are: asking costs what is measured.
const askInterval = 250 * time.Millisecond

// outcome is how a deployment ended.
type outcome struct {
	status control.DeploymentStatus
	took   time.Duration // from its creation, by the server's clock
	ended  time.Time
	why    string
}

// awaitAll waits until all the deployments have ended.
func (w *world) awaitAll(ctx context.Context, ids []string) (map[string]outcome, error) {
	ended := map[string]outcome{}
	left := slices.Clone(ids)
	for told := time.Now(); ; {
		for chunk := range slices.Chunk(slices.Clone(left), atOnce) {
			var out control.BatchGetDeploymentsOutput
			if err := w.call(ctx, "BatchGetDeployments", control.BatchGetDeploymentsInput{DeploymentIds: chunk}, &out); err != nil {
				return ended, err
			}
			for _, d := range out.DeploymentsInfo {
				if o, ok := ending(d); ok {
					ended[*d.DeploymentId] = o
				}
			}
		}
		left = slices.DeleteFunc(left, func(id string) bool { _, ok := ended[id]; return ok })
		if len(left) == 0 {
			return ended, nil
		}
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			w.progress("%d of %d deployments have ended", len(ended), len(ids))
		}
		if err := sleep(ctx, askInterval); err != nil {
			return ended, fmt.Errorf("wait for deployments, %d of %d have ended: %w", len(ended), len(ids), err)
		}
	}
}

// ending is how a deployment ended; ok is false while it has not.
func ending(d control.DeploymentInfo) (o outcome, ok bool) {
	switch *d.Status {
	case control.DeploymentStatusSucceeded, control.DeploymentStatusFailed, control.DeploymentStatusStopped:
	default:
		return o, false
	}
	o.status = *d.Status
	if d.CreateTime != nil && d.CompleteTime != nil {
		o.took, o.ended = d.CompleteTime.Sub(d.CreateTime.Time), d.CompleteTime.Time
	}
	if d.ErrorInformation != nil && d.ErrorInformation.Message != nil {
		o.why = *d.ErrorInformation.Message
	}
	return o, true
}

// took adds how long the deployments took to a meter; those that did not succeed count as failed.
func took(m *meter, ended map[string]outcome) {
	for _, id := range slices.Sorted(maps.Keys(ended)) {
		var err error
		if o := ended[id]; o.status != control.DeploymentStatusSucceeded {
			err = fmt.Errorf("deployment %s is %s: %s", id, o.status, o.why)
		}
		m.add(ended[id].took, err)
	}
}
