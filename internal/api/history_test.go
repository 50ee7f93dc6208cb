package api_test

import (
	"strings"
	"testing"
)

// TestHistoryFollowsRenames holds that everything that hangs on an application or a group is found under its new name, and nothing under the old.
func TestHistoryFollowsRenames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	w.must("TagResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup:shop/flat","Tags":[{"Key":"team","Value":"b"}]}`)
	w.agents.answering = true
	id := w.deployTo("flat")
	w.run()
	before := w.must("GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`, "deploymentGroupInfo")
	target := w.must("GetDeploymentTarget", `{"deploymentId":"`+id+`","targetId":"blue-1"}`)

	w.must("UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","newDeploymentGroupName":"level"}`)
	w.must("UpdateApplication", `{"applicationName":"shop","newApplicationName":"store"}`)

	renamed := strings.NewReplacer(`"shop"`, `"store"`, `"flat"`, `"level"`)
	same(t, "group", w.must("GetDeploymentGroup", `{"applicationName":"store","deploymentGroupName":"level"}`, "deploymentGroupInfo"), renamed.Replace(before))
	if dig(t, before, "lastAttemptedDeployment", "deploymentId") != `"`+id+`"` || dig(t, before, "lastSuccessfulDeployment", "status") != `"Succeeded"` || dig(t, before, "targetRevision") != bundle {
		t.Errorf("the group does not remember its deployment: %s", before)
	}
	info := w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo")
	if dig(t, info, "applicationName") != `"store"` || dig(t, info, "deploymentGroupName") != `"level"` {
		t.Errorf("deployment: %s", info)
	}
	same(t, "batch", w.must("BatchGetDeployments", `{"deploymentIds":["`+id+`"]}`), `{"deploymentsInfo":[`+info+`]}`)
	same(t, "list", w.must("ListDeployments", `{"applicationName":"store","deploymentGroupName":"level"}`), `{"deployments":["`+id+`"]}`)
	same(t, "targets", w.must("GetDeploymentTarget", `{"deploymentId":"`+id+`","targetId":"blue-1"}`), target)
	same(t, "groups of the revision", w.must("GetApplicationRevision", `{"applicationName":"store","revision":`+bundle+`}`, "revisionInfo", "deploymentGroups"), `["level"]`)
	same(t, "revisions", w.must("ListApplicationRevisions", `{"applicationName":"store","deployed":"include"}`), `{"revisions":[`+bundle+`]}`)
	same(t, "tags", w.must("ListTagsForResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup:store/level"}`), `{"Tags":[{"Key":"team","Value":"b"}]}`)
	w.refused("DeleteDeploymentConfig", `{"deploymentConfigName":"mine"}`, "DeploymentConfigInUse")
	w.refused("GetApplication", `{"applicationName":"shop"}`, "ApplicationDoesNotExist")
	w.refused("ListDeployments", `{"applicationName":"shop","deploymentGroupName":"flat"}`, "ApplicationDoesNotExist")
	w.refused("ListDeployments", `{"applicationName":"store","deploymentGroupName":"flat"}`, "DeploymentGroupDoesNotExist")

	// Whoever takes the old names begins with nothing.
	w.must("CreateApplication", `{"applicationName":"shop"}`)
	w.must("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat","serviceRoleArn":"`+role+`"}`)
	same(t, "revisions of the new one", w.must("ListApplicationRevisions", `{"applicationName":"shop"}`), `{"revisions":[]}`)
	same(t, "deployments of the new one", w.must("ListDeployments", `{"applicationName":"shop","deploymentGroupName":"flat"}`), `{"deployments":[]}`)
	same(t, "tags of the new one", w.must("ListTagsForResource", `{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:deploymentgroup:shop/flat"}`), `{"Tags":[]}`)
	if fresh := w.must("GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`); strings.Contains(fresh, id) || strings.Contains(fresh, "targetRevision") {
		t.Errorf("the new group: %s", fresh)
	}
	w.refused("UpdateApplication", `{"applicationName":"shop","newApplicationName":"store"}`, "ApplicationAlreadyExists")

	// The renamed group goes on where it was.
	w.clock.Pass(1e9)
	second := text(t, w.must("CreateDeployment", `{"applicationName":"store","deploymentGroupName":"level","revision":`+bundle+`}`, "deploymentId"))
	w.run()
	same(t, "previous revision", w.must("GetDeployment", `{"deploymentId":"`+second+`"}`, "deploymentInfo", "previousRevision"), bundle)
	same(t, "list", w.must("ListDeployments", `{"applicationName":"store","deploymentGroupName":"level"}`), `{"deployments":["`+second+`","`+id+`"]}`)
}

// TestDeploymentsOutliveTheirGroup holds that a deployment stays readable when its group is gone, and hangs on no other of the same name.
func TestDeploymentsOutliveTheirGroup(t *testing.T) {
	t.Parallel()
	for _, deleted := range []struct{ operation, body, group string }{
		{"DeleteDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`, "DeploymentGroupDoesNotExist"},
		{"DeleteApplication", `{"applicationName":"shop"}`, "ApplicationDoesNotExist"},
	} {
		t.Run(deleted.operation, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
			w.agents.answering = true
			id := w.deployTo("flat")
			w.run()
			info := w.must("GetDeployment", `{"deploymentId":"`+id+`"}`)
			w.must(deleted.operation, deleted.body)
			same(t, "deployment", w.must("GetDeployment", `{"deploymentId":"`+id+`"}`), info)
			same(t, "batch", w.must("BatchGetDeployments", `{"deploymentIds":["`+id+`"]}`), `{"deploymentsInfo":[`+dig(t, info, "deploymentInfo")+`]}`)
			same(t, "targets", w.must("ListDeploymentTargets", `{"deploymentId":"`+id+`"}`), `{"targetIds":["blue-1","blue-2"]}`)
			w.must("DeregisterOnPremisesInstance", `{"instanceName":"blue-1"}`)
			same(t, "a target whose instance is gone", w.must("GetDeploymentTarget", `{"deploymentId":"`+id+`","targetId":"blue-1"}`, "deploymentTarget", "instanceTarget", "status"), `"Succeeded"`)
			same(t, "list", w.must("ListDeployments", `{}`), `{"deployments":["`+id+`"]}`)
			w.refused("ListDeployments", `{"applicationName":"shop","deploymentGroupName":"flat"}`, deleted.group)
			w.refused("StopDeployment", `{"deploymentId":"`+id+`"}`, "DeploymentGroupDoesNotExist")
			w.must("DeleteDeploymentConfig", `{"deploymentConfigName":"mine"}`)
			w.must(deleted.operation, deleted.body)

			w.call("CreateApplication", `{"applicationName":"shop"}`)
			w.must("CreateDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat","serviceRoleArn":"`+role+`"}`)
			same(t, "deployments of the new one", w.must("ListDeployments", `{"applicationName":"shop","deploymentGroupName":"flat"}`), `{"deployments":[]}`)
			if fresh := w.must("GetDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`); strings.Contains(fresh, id) {
				t.Errorf("the new group: %s", fresh)
			}
		})
	}
}

// TestDeletionEndsWhatIsUnderWay holds how deployments end whose group is deleted: with its code when not started, else stopped.
func TestDeletionEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		operation, body string
		started         bool
		status, code    string
	}{
		{"DeleteDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`, false, "Failed", "DEPLOYMENT_GROUP_MISSING"},
		{"DeleteApplication", `{"applicationName":"shop"}`, false, "Failed", "APPLICATION_MISSING"},
		{"DeleteDeploymentGroup", `{"applicationName":"shop","deploymentGroupName":"flat"}`, true, "Stopped", "DEPLOYMENT_GROUP_MISSING"},
		{"DeleteApplication", `{"applicationName":"shop"}`, true, "Stopped", "APPLICATION_MISSING"},
	} {
		w := newWorld(t)
		w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
		id := w.deployTo("flat")
		if c.started {
			w.run()
		}
		w.must(c.operation, c.body)
		// What runs on an instance is not torn away from it.
		w.agents.answering = true
		w.run()
		info := w.must("GetDeployment", `{"deploymentId":"`+id+`"}`, "deploymentInfo")
		if status, code := dig(t, info, "status"), dig(t, info, "errorInformation", "code"); status != `"`+c.status+`"` || code != `"`+c.code+`"` {
			t.Errorf("%s, started %t: %s", c.operation, c.started, info)
		}
	}
}
