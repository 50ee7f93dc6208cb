package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// TestBackup makes a backup of a server that has a deployment in the ready wait, while it serves, loses the server with its data directory, and holds
// that a server on what is restored goes on with the deployment. Then it cleans up.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.shop(nil)
	visitors := s.visit()
	id := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	before := s.awaitStatus(id, types.DeploymentStatusReady)

	data, restored, file := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "restored"), filepath.Join(s.dir, "backup.tar")
	t.Log(s.run("backup", file, "--data", data))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the backup is %v, %v", info, err)
	}
	// What happens after the backup is unknown to it.
	late := s.upload("late.zip", bundle(t, "late", nil))
	if _, err := s.deploy.RegisterApplicationRevision(t.Context(), &codedeploy.RegisterApplicationRevisionInput{ApplicationName: aws.String("shop"), Revision: late}); err != nil {
		t.Fatal(err)
	}
	if _, last := visitors.answers(); last != "v1" {
		t.Errorf("while the backup was made %q answers", last)
	}
	s.server.kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	s.run("restore", file, "--verify")
	t.Log(s.run("restore", file, "--data", restored))
	text, err := os.ReadFile(filepath.Join(s.dir, "crossfade.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("crossfade.yaml", strings.Replace(string(text), "data: "+data, "data: "+restored+"\nretention: {deployments: {count: 1}, logs: {age: 1h}}", 1))
	s.startServer()

	after, err := s.info(id)
	if err != nil {
		t.Fatal(err)
	}
	if after.Status != types.DeploymentStatusReady || !after.CreateTime.Equal(*before.CreateTime) || !after.StartTime.Equal(*before.StartTime) {
		t.Fatalf("after the restore the deployment is %s", after.Status)
	}
	list, err := s.deploy.ListApplicationRevisions(t.Context(), &codedeploy.ListApplicationRevisionsInput{ApplicationName: aws.String("shop")})
	if err != nil || len(list.Revisions) != 2 {
		t.Errorf("the revisions are %+v, %v", list, err)
	}
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	s.awaitStatus(id, types.DeploymentStatusSucceeded)
	s.until("v2 answers", func() error {
		if _, last := visitors.answers(); last != "v2" {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
	s.cleansUp(id)
}

// cleansUp holds that what is over goes when it is asked for, and what is needed stays. One deployment of a group is kept.
func (s *stand) cleansUp(needed string) {
	s.t.Helper()
	nobody := groupOf("nobody", types.DeploymentTypeInPlace)
	nobody.OnPremisesInstanceTagFilters = []types.TagFilter{tag("env", "none")}
	nobody.DeploymentStyle.DeploymentOption, nobody.LoadBalancerInfo = types.DeploymentOptionWithoutTrafficControl, nil
	if _, err := s.deploy.CreateDeploymentGroup(s.t.Context(), nobody); err != nil {
		s.t.Fatal(err)
	}
	var failed []string
	for range 3 {
		failed = append(failed, s.begin("shop", "nobody", "v2.zip"))
		s.fails(failed[len(failed)-1])
	}
	if plan := s.run("retention", "plan"); !strings.Contains(plan, "deployments of shop/nobody: 2 would go (2 for their count): "+failed[0]+", "+failed[1]) ||
		!strings.Contains(plan, "deployments of shop/prod: 0 would go; 1 stay: needed by its group") {
		s.t.Errorf("the plan is\n%s", plan)
	}
	s.run("retention", "run")
	s.until("the first two are gone", func() error {
		for _, id := range failed[:2] {
			if _, err := s.info(id); code(err) != "DeploymentDoesNotExistException" {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		return nil
	})
	for _, id := range []string{failed[2], needed} {
		if _, err := s.info(id); err != nil {
			s.t.Errorf("%s: %v", id, err)
		}
	}
	s.until("the round is over", func() error {
		if plan := s.run("retention", "plan"); !strings.Contains(plan, "last round: ") || !strings.Contains(plan, "2 deployments") {
			return fmt.Errorf("the plan is\n%s", plan)
		}
		return nil
	})
}
