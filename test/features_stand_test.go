package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/smithy-go"
)

// What the tests of the features have in common: applications whose hooks write down what runs, and which a test can hold or fail by a file
// in the host's directory, so that nothing waits for a length of time.

const role = "arn:aws:iam::000000000000:role/deploy"

// on is the stand for a subtest.
func (s *stand) on(t *testing.T) *stand {
	sub := *s
	sub.t = t
	return &sub
}

// recorder is a bundle whose every script writes a line when it begins and one when it ends into the host's file "log". A file
// hold-EVENT in the host's directory keeps the event's script running, one named fail-VERSION-EVENT makes it fail.
func recorder(t *testing.T, version string) []byte {
	t.Helper()
	spec := "version: 0.0\nos: linux\nhooks:\n"
	for _, event := range []string{"ApplicationStop", "BeforeInstall", "ApplicationStart", "ValidateService"} {
		spec += "  " + event + ":\n    - location: run.sh\n      timeout: 600\n"
	}
	return zipOf(t, "appspec.yml", spec, "run.sh", strings.ReplaceAll(`#!/bin/sh
set -eu
cd "$APP_HOME"
echo "$DEPLOYMENT_ID VERSION $LIFECYCLE_EVENT begin" >> log
while test -e "hold-$LIFECYCLE_EVENT"; do sleep 0.05; done
if test -e "fail-VERSION-$LIFECYCLE_EVENT"; then
	echo "$DEPLOYMENT_ID VERSION $LIFECYCLE_EVENT failed" >> log
	exit 1
fi
echo "$DEPLOYMENT_ID VERSION $LIFECYCLE_EVENT end" >> log
`, "VERSION", version))
}

// touch makes a file in the directory of each host.
func (s *stand) touch(name string, hosts ...string) {
	s.t.Helper()
	for _, h := range hosts {
		s.write(filepath.Join(h, name), "")
	}
}

// remove takes such files away.
func (s *stand) remove(name string, hosts ...string) {
	s.t.Helper()
	for _, h := range hosts {
		if err := os.Remove(filepath.Join(s.dir, h, name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// createGroup makes an in-place group without traffic control over the hosts with the tag env.
func (s *stand) createGroup(application, group, env string, change ...func(*codedeploy.CreateDeploymentGroupInput)) {
	s.t.Helper()
	in := &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: &application, DeploymentGroupName: &group, ServiceRoleArn: aws.String(role),
		DeploymentConfigName: aws.String("CodeDeployDefault.AllAtOnce"), OnPremisesInstanceTagFilters: []types.TagFilter{tag("env", env)},
	}
	for _, c := range change {
		c(in)
	}
	if _, err := s.deploy.CreateDeploymentGroup(s.t.Context(), in); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stand) createApplication(name string) {
	s.t.Helper()
	if _, err := s.deploy.CreateApplication(s.t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: &name}); err != nil {
		s.t.Fatal(err)
	}
}

// begin creates a deployment of a bundle of the built-in store.
func (s *stand) begin(application, group, key string, change ...func(*codedeploy.CreateDeploymentInput)) string {
	s.t.Helper()
	id, err := s.tryBegin(application, group, key, change...)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *stand) tryBegin(application, group, key string, change ...func(*codedeploy.CreateDeploymentInput)) (string, error) {
	in := &codedeploy.CreateDeploymentInput{ApplicationName: &application, DeploymentGroupName: &group}
	if key != "" {
		in.Revision = &types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{Bucket: aws.String(bucket), Key: &key, BundleType: types.BundleTypeZip}}
	}
	for _, c := range change {
		c(in)
	}
	out, err := s.deploy.CreateDeployment(s.t.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.DeploymentId, nil
}

// config is the deployment config of a new deployment.
func config(name string) func(*codedeploy.CreateDeploymentInput) {
	return func(in *codedeploy.CreateDeploymentInput) { in.DeploymentConfigName = &name }
}

// code is the exception that a call was refused with.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

// succeeds waits until a deployment has succeeded.
func (s *stand) succeeds(id string) *types.DeploymentInfo {
	s.t.Helper()
	return s.awaitStatus(id, types.DeploymentStatusSucceeded)
}

// fails waits until a deployment has failed.
func (s *stand) fails(id string) *types.DeploymentInfo {
	s.t.Helper()
	i := s.awaitEnd(id)
	if i.Status != types.DeploymentStatusFailed {
		s.t.Fatalf("%s is %s, want Failed\n%s", id, i.Status, s.targets(id))
	}
	return i
}

// awaitRun waits until a host has begun with an event of a deployment.
func (s *stand) awaitRun(host, id, event string) {
	s.t.Helper()
	s.until(event+" runs on "+host, func() error {
		if log := s.read(filepath.Join(host, "log")); !strings.Contains(log, id) || !strings.Contains(log[strings.Index(log, id):], event+" begin") {
			return errors.New("the log is " + log)
		}
		return nil
	})
}

// runs is the host's log line by line: deployment, version, event and what of it.
func (s *stand) runs(host string) [][]string {
	var all [][]string
	for line := range strings.Lines(s.read(filepath.Join(host, "log"))) {
		all = append(all, strings.Fields(line))
	}
	return all
}

// order is the deployments in the order in which they ran on a host; one that comes twice was interrupted by another.
func (s *stand) order(host string) []string {
	var ids []string
	for _, line := range s.runs(host) {
		if len(ids) == 0 || ids[len(ids)-1] != line[0] {
			ids = append(ids, line[0])
		}
	}
	return ids
}

// once holds that no event of a deployment ran twice on a host, and that each that began has ended.
func (s *stand) once(host string) {
	s.t.Helper()
	count := map[string]int{}
	for _, line := range s.runs(host) {
		count[strings.Join(line, " ")]++
		if line[3] == "begin" {
			count[strings.Join(append(slices.Clone(line[:3]), "end"), " ")] += 0
		}
	}
	for line, n := range count {
		if n != 1 {
			s.t.Errorf("on %s the log has %d times %q:\n%s", host, n, line, s.read(filepath.Join(host, "log")))
		}
	}
}

// events are the lifecycle events of one target.
func (s *stand) events(id, target string) (map[string]types.LifecycleEvent, types.TargetStatus) {
	s.t.Helper()
	out, err := s.deploy.GetDeploymentTarget(s.t.Context(), &codedeploy.GetDeploymentTargetInput{DeploymentId: &id, TargetId: &target})
	if err != nil {
		s.t.Fatal(err)
	}
	events := map[string]types.LifecycleEvent{}
	for _, e := range out.DeploymentTarget.InstanceTarget.LifecycleEvents {
		events[aws.ToString(e.LifecycleEventName)] = e
	}
	return events, out.DeploymentTarget.InstanceTarget.Status
}

// span is when a target's first event began and its last one ended.
func (s *stand) span(id, target string) (begun, ended time.Time) {
	s.t.Helper()
	events, _ := s.events(id, target)
	for _, e := range events {
		if e.StartTime == nil || e.EndTime == nil {
			s.t.Fatalf("%s of %s has no times: %+v", aws.ToString(e.LifecycleEventName), target, e)
		}
		if begun.IsZero() || e.StartTime.Before(begun) {
			begun = *e.StartTime
		}
		if e.EndTime.After(ended) {
			ended = *e.EndTime
		}
	}
	return begun, ended
}

// oneByOne holds that a deployment took the hosts in the order, each when the one before had ended.
func (s *stand) oneByOne(id string, hosts ...string) {
	s.t.Helper()
	var last time.Time
	for i, h := range hosts {
		begun, ended := s.span(id, h)
		if i > 0 && begun.Before(last) {
			s.t.Errorf("%s began at %s, before %s had ended at %s", h, begun, hosts[i-1], last)
		}
		last = ended
	}
}

// targetIDs are the names of a deployment's targets.
func (s *stand) targetIDs(id string) []string {
	s.t.Helper()
	out, err := s.deploy.ListDeploymentTargets(s.t.Context(), &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(out.TargetIds)
	return out.TargetIds
}

// halt stops a deployment; a nil rollback leaves it to the deployment group.
func (s *stand) halt(id string, rollback *bool) {
	s.t.Helper()
	if _, err := s.deploy.StopDeployment(s.t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &id, AutoRollbackEnabled: rollback}); err != nil {
		s.t.Fatal(err)
	}
}

// rolledBack waits for a deployment's end and for its rollback's success.
func (s *stand) rolledBack(id string, status types.DeploymentStatus) *types.DeploymentInfo {
	s.t.Helper()
	i := s.awaitEnd(id)
	if i.Status != status || i.RollbackInfo == nil || i.RollbackInfo.RollbackDeploymentId == nil {
		s.t.Fatalf("%s is %s with rollbackInfo %+v, want %s and a rollback\n%s", id, i.Status, i.RollbackInfo, status, s.targets(id))
	}
	back := s.succeeds(*i.RollbackInfo.RollbackDeploymentId)
	if back.Creator != types.DeploymentCreatorCodeDeployRollback || back.RollbackInfo == nil || aws.ToString(back.RollbackInfo.RollbackTriggeringDeploymentId) != id {
		s.t.Errorf("the rollback %s is by %s with %+v", *back.DeploymentId, back.Creator, back.RollbackInfo)
	}
	return back
}

// groupField reads a member of get-deployment-group.
func (s *stand) groupField(application, group string, path ...string) string {
	s.t.Helper()
	out, err := s.deploy.GetDeploymentGroup(s.t.Context(), &codedeploy.GetDeploymentGroupInput{ApplicationName: &application, DeploymentGroupName: &group})
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := json.Marshal(out.DeploymentGroupInfo)
	if err != nil {
		s.t.Fatal(err)
	}
	return field(s.t, string(b), path...)
}

func groupARN(application, group string) string {
	return fmt.Sprintf("arn:aws:codedeploy:%s:000000000000:deploymentgroup:%s/%s", region, application, group)
}
