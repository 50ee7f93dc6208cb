package notify

import (
	"time"

	"crossfade/internal/deploy"
)

// states is what state-change events call a moment. A moment without an entry is no change of state: a creation, since the beginning follows, and
// a rollback, which tells of itself.
var states = map[deploy.Moment]string{
	deploy.MomentQueued: "QUEUED", deploy.MomentStarted: "START", deploy.MomentReady: "READY",
	deploy.MomentSucceeded: "SUCCESS", deploy.MomentFailed: "FAILURE", deploy.MomentStopped: "STOP",
	deploy.MomentInstanceStarted: "START", deploy.MomentInstanceReady: "READY",
	deploy.MomentInstanceSucceeded: "SUCCESS", deploy.MomentInstanceFailed: "FAILURE",
}

// stateChange is an event as EventBridge hands it on.
type stateChange struct {
	Version    string            `json:"version"`
	ID         string            `json:"id"`
	DetailType string            `json:"detail-type"`
	Source     string            `json:"source"`
	Account    string            `json:"account"`
	Time       string            `json:"time"`
	Region     string            `json:"region"`
	Resources  []string          `json:"resources"`
	Detail     stateChangeDetail `json:"detail"`
}

type stateChangeDetail struct {
	InstanceGroupID string `json:"instanceGroupId"`
	InstanceID      string `json:"instanceId,omitempty"`
	Region          string `json:"region"`
	Application     string `json:"application"`
	DeploymentID    string `json:"deploymentId"`
	State           string `json:"state"`
	DeploymentGroup string `json:"deploymentGroup"`
}

// StateChange is the event of the notice with the id in the log, or false when the moment is no change of state.
func (w Words) StateChange(id int64, n deploy.Notice) (Message, bool) {
	state, ok := states[n.Moment]
	if !ok {
		return Message{}, false
	}
	arn := "arn:aws:codedeploy:" + w.Region + ":" + n.Account + ":"
	application, group := arn+"application:"+n.Application, arn+"deploymentgroup:"+n.Application+"/"+n.Group
	event := stateChange{
		Version: "0", ID: w.id("notice", id).String(), DetailType: "CodeDeploy Deployment State-change Notification", Source: "aws.codedeploy",
		Account: n.Account, Time: n.At.UTC().Format(time.RFC3339), Region: w.Region, Resources: []string{application, group},
		Detail: stateChangeDetail{
			InstanceGroupID: n.GroupID, Region: w.Region, Application: n.Application, DeploymentID: n.DeploymentID, State: state, DeploymentGroup: n.Group,
		},
	}
	if n.Instance != nil {
		event.DetailType = "CodeDeploy Instance State-change Notification"
		event.Resources = []string{n.Instance.ARN, group, application}
		event.Detail.InstanceID = n.Instance.ID
	}
	return Message{ID: event.ID, At: n.At, Order: n.DeploymentID, Body: encode(event)}, true
}
