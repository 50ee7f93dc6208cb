package notify

import (
	"strconv"

	"crossfade/internal/deploy"
)

// MomentTest is the moment of a notice that tests a trigger. Only Account, Application, Group and At of such a notice count.
const MomentTest deploy.Moment = "Test"

// Trigger is one message of a trigger.
type Trigger struct {
	// Number is the message's own; with the server it makes the id.
	Number int64
	Name   string
	Topic  string
}

// triggerStatuses is the status that a deployment's message shows. A rollback's shows how the deployment ended.
var triggerStatuses = map[deploy.Moment]deploy.Status{
	deploy.MomentCreated: deploy.StatusCreated, deploy.MomentReady: deploy.StatusReady, deploy.MomentSucceeded: deploy.StatusSucceeded,
	deploy.MomentFailed: deploy.StatusFailed, deploy.MomentStopped: deploy.StatusStopped,
}

// deploymentMessage is what a deployment's trigger sends: every value is a string, and where doubleEncode asks for it, the nested ones are too.
type deploymentMessage struct {
	Region              string `json:"region"`
	AccountID           string `json:"accountId"`
	EventTriggerName    string `json:"eventTriggerName"`
	ApplicationName     string `json:"applicationName"`
	DeploymentID        string `json:"deploymentId"`
	DeploymentGroupName string `json:"deploymentGroupName"`
	CreateTime          string `json:"createTime"`
	CompleteTime        string `json:"completeTime,omitempty"`
	DeploymentOverview  any    `json:"deploymentOverview,omitempty"`
	Status              string `json:"status"`
	ErrorInformation    any    `json:"errorInformation,omitempty"`
	RollbackInformation any    `json:"rollbackInformation,omitempty"`
}

type overview struct {
	Failed     string `json:"Failed"`
	InProgress string `json:"InProgress"`
	Pending    string `json:"Pending"`
	Ready      string `json:"Ready,omitempty"` // of blue/green deployments
	Skipped    string `json:"Skipped"`
	Succeeded  string `json:"Succeeded"`
}

// errorInformation has other names than the API's.
type errorInformation struct {
	ErrorCode    string `json:"ErrorCode"`
	ErrorMessage string `json:"ErrorMessage"`
}

type rollbackInformation struct {
	RollbackDeploymentID           string `json:"RollbackDeploymentId,omitempty"`
	RollbackTriggeringDeploymentID string `json:"RollbackTriggeringDeploymentId,omitempty"`
	RollbackMessage                string `json:"RollbackMessage"`
}

type instanceMessage struct {
	Region           string `json:"region"`
	AccountID        string `json:"accountId"`
	EventTriggerName string `json:"eventTriggerName"`
	DeploymentID     string `json:"deploymentId"`
	InstanceID       string `json:"instanceId"`
	LastUpdatedAt    string `json:"lastUpdatedAt"`
	InstanceStatus   string `json:"instanceStatus"`
	LifecycleEvents  any    `json:"lifecycleEvents"`
}

type lifecycleEvent struct {
	LifecycleEvent       string `json:"LifecycleEvent"`
	LifecycleEventStatus string `json:"LifecycleEventStatus"`
	StartTime            string `json:"StartTime,omitempty"`
	EndTime              string `json:"EndTime,omitempty"`
}

// testMessage is sent when a trigger has been added or changed.
type testMessage struct {
	Region              string `json:"region"`
	AccountID           string `json:"accountId"`
	EventTriggerName    string `json:"eventTriggerName"`
	ApplicationName     string `json:"applicationName"`
	DeploymentGroupName string `json:"deploymentGroupName"`
	Message             string `json:"message"`
}

// Trigger is the message of a trigger that asks for the notice's moment.
func (w Words) Trigger(t Trigger, n deploy.Notice, doubleEncode bool) Message {
	nest := func(v any) any { return v }
	if doubleEncode {
		nest = func(v any) any { return string(encode(v)) }
	}
	m := Message{ID: w.id("trigger", t.Number).String(), At: n.At, Topic: t.Topic, Order: n.DeploymentID}
	switch {
	case n.Moment == MomentTest:
		m.Order = n.Application + "/" + n.Group
		m.Subject = "TEST: AWS CodeDeploy trigger " + t.Name + " in " + w.Region + " of " + n.Application
		m.Body = encode(testMessage{
			Region: w.Region, AccountID: n.Account, EventTriggerName: t.Name, ApplicationName: n.Application, DeploymentGroupName: n.Group,
			Message: "This is a test of the trigger, sent because it was added or changed.",
		})
	case n.Instance != nil:
		m.Subject = w.subject(string(n.Instance.Status), n)
		m.Body = encode(w.instanceMessage(t, n, nest))
	default:
		d := w.deploymentMessage(t, n, nest)
		m.Subject = w.subject(d.Status, n)
		m.Body = encode(d)
	}
	return m
}

func (w Words) deploymentMessage(t Trigger, n deploy.Notice, nest func(any) any) deploymentMessage {
	status, ok := triggerStatuses[n.Moment]
	if !ok {
		status = n.Status
	}
	counts := overview{
		Failed: strconv.Itoa(n.Overview.Failed), InProgress: strconv.Itoa(n.Overview.InProgress), Pending: strconv.Itoa(n.Overview.Pending),
		Skipped: strconv.Itoa(n.Overview.Skipped), Succeeded: strconv.Itoa(n.Overview.Succeeded),
	}
	if n.BlueGreen {
		counts.Ready = strconv.Itoa(n.Overview.Ready)
	}
	m := deploymentMessage{
		Region: w.Region, AccountID: n.Account, EventTriggerName: t.Name, ApplicationName: n.Application, DeploymentID: n.DeploymentID,
		DeploymentGroupName: n.Group, CreateTime: seconds(n.CreatedAt), CompleteTime: seconds(n.CompletedAt),
		DeploymentOverview: nest(counts), Status: string(status),
	}
	if n.Error != nil && (status == deploy.StatusFailed || status == deploy.StatusStopped) {
		m.ErrorInformation = nest(errorInformation{n.Error.Code, n.Error.Message})
	}
	if r := n.Rollback; r != nil && n.Moment == deploy.MomentRollback {
		m.RollbackInformation = nest(rollbackInformation{r.DeploymentID, r.TriggeredBy, r.Message})
	}
	return m
}

func (w Words) instanceMessage(t Trigger, n deploy.Notice, nest func(any) any) instanceMessage {
	events := make([]lifecycleEvent, len(n.Instance.Events))
	for i, e := range n.Instance.Events {
		events[i] = lifecycleEvent{string(e.Name), string(e.Status), seconds(e.StartedAt), seconds(e.EndedAt)}
	}
	return instanceMessage{
		Region: w.Region, AccountID: n.Account, EventTriggerName: t.Name, DeploymentID: n.DeploymentID, InstanceID: n.Instance.ARN,
		LastUpdatedAt: seconds(n.Instance.UpdatedAt), InstanceStatus: string(n.Instance.Status), LifecycleEvents: nest(events),
	}
}
