package explain_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crossfade/internal/explain"
	"crossfade/internal/wire/control"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	pending    = control.TargetStatusPending
	inProgress = control.TargetStatusInProgress
	ready      = control.TargetStatusReady
	succeeded  = control.TargetStatusSucceeded
	failed     = control.TargetStatusFailed
	skipped    = control.TargetStatusSkipped
	blue       = control.TargetLabelBlue
	green      = control.TargetLabelGreen
	unknown    = control.LifecycleErrorCodeUnknownError
)

const (
	deadMessage   = "CodeDeploy agent was not able to receive the lifecycle event. Check the CodeDeploy agent logs on your host and make sure the agent is running and can connect to the CodeDeploy server. (The agent of instance web-2, arn:aws:iam::000000000000:user/web-2, did not ask for ApplicationStop within 5m0s.)"
	healthMessage = "The overall deployment failed because too many individual instances failed deployment, too few healthy instances are available for deployment, or some instances in your deployment group are experiencing problems."
	restarted     = "Failing in-progress lifecycle event after an agent restart."
)

// cases are the deployments that are explained. Each has a golden file with the text and one with the JSON.
func cases() map[string]explain.Input {
	inPlace := names(blockEvents, installEvents, allowEvents)
	replacement, original := names(installEvents, allowEvents), blockEvents
	all := map[string]explain.Input{}

	script := fails(target("web-1", "", failed, installEvents, 0, 5), 3*time.Second, control.LifecycleErrorCodeScriptFailed, "scripts/start.sh",
		"Script at specified location: scripts/start.sh failed with exit code 1", "LifecycleEvent - ApplicationStart\nScript - scripts/start.sh\n[stdout]starting\n[stderr]bind: address already in use\n")
	second := fails(target("web-2", "", failed, installEvents, 10, 2), time.Minute, control.LifecycleErrorCodeScriptTimedOut, "scripts/prepare.sh",
		"Script at specified location: scripts/prepare.sh failed to complete in 60 seconds", "LifecycleEvent - BeforeInstall\n[stdout]waiting for the database")
	left := []control.InstanceTarget{target("web-3", "", skipped, installEvents, 0, 0), target("web-4", "", succeeded, installEvents, 20, 7)}
	in := deployment(control.DeploymentStatusFailed, append([]control.InstanceTarget{second, script}, left...)...)
	in.Info.DeploymentConfigName, in.Config = new("half"), config(control.MinimumHealthyHostsTypeFleetPercent, 50)
	in = ended(in, "HEALTH_CONSTRAINTS", healthMessage)
	in.Info.RollbackInfo = &control.RollbackInfo{
		RollbackDeploymentId: new("d-TEST00002"), RollbackMessage: new("Deployment d-TEST00001 terminated. Automatic rollback is triggered with a DeploymentId d-TEST00002."),
	}
	all["health-in-place"] = in

	missing := fails(target("web-1", "", failed, installEvents, 0, 0), 0, control.LifecycleErrorCodeScriptMissing, "scripts/stop.sh",
		"Script does not exist at specified location: /opt/deployment-archive/scripts/stop.sh", "")
	all["script-missing"] = ended(deployment(control.DeploymentStatusFailed, missing, target("web-2", "", skipped, installEvents, 0, 0)), "HEALTH_CONSTRAINTS", healthMessage)

	dead := fails(target("web-2", "", failed, installEvents, 0, 0), 5*time.Minute, unknown, "", deadMessage, "")
	all["agent-dead"] = ended(deployment(control.DeploymentStatusFailed, target("web-1", "", skipped, installEvents, 0, 0), dead), "HEALTH_CONSTRAINTS", healthMessage)
	silent := fails(target("web-1", "", failed, installEvents, 0, 4), time.Hour, unknown, "", "AfterInstall ran for more than 1h0m0s without a result from the agent on instance web-1; check the agent's log there.", "")
	all["agent-silent"] = ended(deployment(control.DeploymentStatusFailed, silent), "HEALTH_CONSTRAINTS", healthMessage)
	died := fails(target("web-1", "", failed, installEvents, 0, 4), time.Minute, unknown, "", restarted, "")
	all["agent-restarted"] = ended(deployment(control.DeploymentStatusFailed, died), "HEALTH_CONSTRAINTS", healthMessage)

	refuses := fails(target("green-1", green, failed, replacement, 0, 3), time.Second, unknown, "", "The deployment failed because a specified file already exists at this location: /srv/shop/index.html", "")
	in = blueGreen(deployment(control.DeploymentStatusFailed, target("blue-1", blue, skipped, original, 0, 0), refuses, target("green-2", green, skipped, replacement, 0, 0)))
	in = ended(in, "HEALTH_CONSTRAINTS", healthMessage)
	in.Info.RollbackInfo = &control.RollbackInfo{RollbackMessage: new("Deployment d-TEST00001 terminated. No rollback was needed because no traffic had been rerouted; the original environment keeps serving.")}
	all["blue-green-install"] = in

	sick := fails(target("green-1", green, failed, replacement, 0, 8), time.Hour, unknown, "",
		"AllowTraffic was not done within 1h0m0s: the load balancer never showed instance green-1 as healthy; check its health check and its address.", "")
	lost := fails(target("green-3", green, failed, replacement, 0, 1), time.Minute, unknown, "", "bundle not found", "")
	in = blueGreen(deployment(control.DeploymentStatusFailed, target("blue-1", blue, skipped, original, 0, 0), sick, target("green-2", green, succeeded, replacement, 0, 10), lost))
	in.Info.DeploymentConfigName, in.Config = new("CodeDeployDefault.AllAtOnce"), config(control.MinimumHealthyHostsTypeHostCount, 2)
	all["never-healthy"] = ended(in, "HEALTH_CONSTRAINTS", healthMessage)

	in = ended(deployment(control.DeploymentStatusStopped, target("web-1", "", succeeded, inPlace, 0, 13), target("web-2", "", skipped, inPlace, 0, 0)),
		"ALARM_ACTIVE", "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: <errors-high>")
	all["alarm"] = in
	in = ended(deployment(control.DeploymentStatusStopped, target("web-1", "", succeeded, inPlace, 0, 13)), "MANUAL_STOP", "The deployment was stopped by arn:aws:iam::000000000000:root while deploying.")
	in.Info.RollbackInfo = &control.RollbackInfo{RollbackDeploymentId: new("d-TEST00002"), RollbackMessage: new("Automatic rollback is triggered.")}
	all["stopped-by-user"] = in
	all["not-approved"] = blueGreen(ended(deployment(control.DeploymentStatusStopped), "TIMEOUT", "The replacement environment was Ready, but ContinueDeployment was not called within the 120 minutes that the deployment group allows, so the deployment was stopped; the original environment keeps serving."))

	all["ready-wait"] = blueGreen(deployment(control.DeploymentStatusReady, target("blue-1", blue, pending, original, 0, 0), target("green-1", green, ready, replacement, 0, 7)))
	in = blueGreen(deployment(control.DeploymentStatusInProgress, target("blue-1", blue, succeeded, original, 20, 3), target("green-1", green, succeeded, replacement, 0, 10)))
	in.Info.InstanceTerminationWaitTimeStarted = new(true)
	all["termination-wait"] = in
	in = blueGreen(deployment(control.DeploymentStatusInProgress, target("blue-1", blue, pending, original, 0, 0), target("green-1", green, ready, replacement, 0, 9)))
	in.Config.TrafficRoutingConfig = &control.TrafficRoutingConfig{
		Type: new(control.TrafficRoutingTypeTimeBasedLinear), TimeBasedLinear: &control.TimeBasedLinear{LinearPercentage: new(int32(10)), LinearInterval: new(int32(5))},
	}
	all["shift-wait"] = in

	in = deployment(control.DeploymentStatusQueued)
	in.Ahead = []explain.Ahead{{DeploymentID: "d-TEST00008", Status: control.DeploymentStatusInProgress}, {DeploymentID: "d-TEST00009", Status: control.DeploymentStatusQueued}}
	all["queued"] = in
	in = deployment(control.DeploymentStatusCreated)
	in.Info.DeploymentStatusMessages = []string{"read the revision: the bucket does not answer; it is tried again."}
	all["created"] = in

	asked := target("web-1", "", inProgress, installEvents, 50, 2)
	asked.LastUpdatedAt.Time = begin.Add(57*time.Minute + 15*time.Second)
	held := target("web-2", "", inProgress, installEvents, 0, 0)
	busy := runs(target("web-3", "", inProgress, inPlace, 40, 11))
	in = deployment(control.DeploymentStatusInProgress, asked, held, busy, runs(target("web-4", "", inProgress, installEvents, 55, 4)))
	in.Holders = map[string]string{"web-2": "d-TEST00007"}
	all["waits-for-agents"] = in

	in = deployment(control.DeploymentStatusInProgress, target("web-1", "", succeeded, installEvents, 50, 7), target("web-2", "", pending, installEvents, 0, 0))
	in.Config.ZonalConfig = &control.ZonalConfig{MonitorDurationInSeconds: new(int64(300)), FirstZoneMonitorDurationInSeconds: new(int64(900))}
	all["zone-wait"] = in

	all["revision-missing"] = ended(deployment(control.DeploymentStatusFailed), "REVISION_MISSING", "The bundle releases/shop-7.zip is not there.")
	all["no-instances"] = ended(deployment(control.DeploymentStatusFailed), "NO_INSTANCES", "The deployment failed because no instances were found for your deployment group. No registered instance has tags that select it for the deployment group of prod; check the filters against list-on-premises-instances.")
	open := fails(target("web-1", "", failed, inPlace, 0, 8), time.Minute, unknown, "scripts/start.sh", "Script at specified location: scripts/start.sh failed to close STDOUT", "")
	all["config-gone"] = ended(deployment(control.DeploymentStatusFailed, open, target("web-2", "", skipped, inPlace, 0, 0)), "HEALTH_CONSTRAINTS", healthMessage)
	gone := all["config-gone"]
	gone.Config = nil
	all["config-gone"] = gone
	drain := fails(target("green-1", green, failed, original, 30, 1), time.Hour, unknown, "", "BlockTraffic was not done within 1h0m0s: the load balancer never showed instance green-1 as drained; check its health check and its address.", "")
	in = ended(deployment(control.DeploymentStatusFailed, target("blue-1", blue, succeeded, allowEvents, 20, 3), drain), "HEALTH_CONSTRAINTS", healthMessage)
	in.Info.RollbackInfo = &control.RollbackInfo{RollbackTriggeringDeploymentId: new("d-TEST00000"), RollbackMessage: new("Deployment d-TEST00001 is triggered to roll back deployment d-TEST00000.")}
	all["rollback-withdraw"] = in
	all["succeeded-with-failure"] = deployment(control.DeploymentStatusSucceeded, script, target("web-2", "", succeeded, installEvents, 0, 7))
	return all
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, in := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := explain.Explain(in)
			var text, js bytes.Buffer
			if err := x.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			e := json.NewEncoder(&js)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(x); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", text.Bytes())
			golden(t, name+".json", js.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test -update writes it anew. Got\n%s", path, got)
	}
}
