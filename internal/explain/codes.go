package explain

import "crossfade/internal/deploy"

// code is what an error code of a deployment means when no instance is the cause.
type code struct {
	failed  string // the sentence for a failed deployment
	stopped string // the sentence for a stopped one; empty: the code stops none
	next    string
}

// codes has every code that the server raises but HEALTH_CONSTRAINTS, whose cause is its instances.
var codes = map[string]code{
	deploy.CodeNoInstances: {
		failed: "It failed before it began: no instance is there to deploy to.",
		next:   "Compare the group's tag filters (and the deployment's targetInstances) with the tags that aws deploy list-on-premises-instances and batch-get-on-premises-instances show, then deploy again.",
	},
	deploy.CodeHealthConstraintsInvalid: {
		failed: "It failed before it began: its config keeps so many instances healthy that none could be deployed to.",
		next:   "Choose a deployment config with a lower minimum, or add instances, and deploy again; crossfade plan shows the arithmetic beforehand.",
	},
	deploy.CodeOverMaxInstances: {
		failed: "It failed before it began: it has more instances than a deployment may have.",
		next:   "Split the deployment group into smaller ones.",
	},
	deploy.CodeNoBalancer: {
		failed: "It failed before it began: its group has traffic control and names no load balancer.",
		next:   "Set loadBalancerInfo with aws deploy update-deployment-group, and deploy again.",
	},
	deploy.CodeBalancerInvalid: {
		failed: "It failed because the load balancer of its group could not do what it was told.",
		next:   "Compare the names in loadBalancerInfo with the load balancer's target groups, correct them with aws deploy update-deployment-group, and deploy again.",
	},
	deploy.CodeNoBlueGreen: {
		failed: "It failed before it began: its group is blue/green and does not say how.",
		next:   "Set blueGreenDeploymentConfiguration with aws deploy update-deployment-group, and deploy again.",
	},
	deploy.CodeRevisionMissing: {
		failed: "It failed before it began: its revision is not where the deployment says, or is another than the one that was registered.",
		next:   "Upload the bundle (or push the commit) again, and deploy with the version and eTag that it has now.",
	},
	deploy.CodeInvalidRevision: {
		failed: "It failed before it began: its revision is there and can't be deployed.",
		next:   "Correct the bundle as the message says, and deploy the new one; crossfade plan checks a bundle beforehand.",
	},
	deploy.CodeNoGitHubToken: {
		failed: "It failed before it began: there is no token for the repository, or it is refused.",
		next:   "Store a token that may read the repository with crossfade github add-token, and deploy again.",
	},
	deploy.CodeAutoScaling: {
		failed: "It failed because of the Auto Scaling group.",
		next:   "Correct the Auto Scaling group as the message says, and deploy again.",
	},
	deploy.CodeRolePermissions: {
		failed: "It failed because the server may not do something that the deployment needs.",
		next:   "Give the server's credentials the permission that the message names, and deploy again.",
	},
	deploy.CodeThrottled: {
		failed: "It failed because a service that it needs refused too many calls.",
		next:   "Deploy again later.",
	},
	deploy.CodeApplicationMissing: {failed: "It failed because its application was deleted."},
	deploy.CodeGroupMissing:       {failed: "It failed because its deployment group was deleted."},
	deploy.CodeAlarmActive: {
		failed:  "It failed because an alarm was raised.",
		stopped: "It was stopped because an alarm was raised.",
		next:    "Find out why the alarm was raised; deploy again when it is quiet. aws deploy create-deployment --override-alarm-configuration deploys without it.",
	},
	deploy.CodeManualStop: {
		stopped: "It was stopped by a user.",
		next:    "Nothing is to be mended: deploy again when it is wished.",
	},
	deploy.CodeTimeout: {
		failed:  "It failed because it took longer than it may.",
		stopped: "It was stopped because nobody approved it in time.",
		next:    "Do what the message says; the next deployment is approved with aws deploy continue-deployment, and waitTimeInMinutes of the group says how long it waits for that.",
	},
	deploy.CodeInternal: {
		failed:  "It failed because of a defect of the server.",
		stopped: "It was stopped because of a defect of the server.",
		next:    "Read the server's log, and report the defect.",
	},
}
