package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/counterpart"
)

// TestBackupOfPostgreSQL makes a backup of a server on PostgreSQL in the middle of rerouting, while it serves and hooks run on hosts. Then server, data
// directory, bundles and database are lost. A server on what is restored, in another database, knows what was over, goes on with the deployment and takes
// what its hosts say of the hooks that they began before. And it cleans up.
func TestBackupOfPostgreSQL(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"pg_dump", "pg_restore"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no backup of PostgreSQL is tried: %v; install PostgreSQL's client programs (on Debian: apt install postgresql-client)", err)
		}
	}
	database, other := counterpart.Postgres(t), counterpart.Postgres(t)
	s := newReplicaStand(t, database, 1, "retention: {deployments: {count: 1}, logs: {age: 1h}}\n")
	server := s.replicas[0]
	s.shop(nil)
	visitors := s.visit()
	over := s.newest("prod")
	green := []string{"green-1", "green-2"}
	s.touch("hold", green...)
	id := s.blueGreen(s.upload("v2.zip", held(t, "v2")), nil)
	s.awaitStatus(id, types.DeploymentStatusReady)
	s.goOn(id, types.DeploymentWaitTypeReadyWait)
	for _, host := range green {
		s.reroutes(id, []string{host})
	}
	s.cleansNothing(over, id)
	before, history := s.record(id), s.record(over)

	config, file := filepath.Join(s.dir, server.name+".yaml"), filepath.Join(s.dir, "backup.tar")
	t.Log(s.run("backup", file, "--config", config))
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the backup is %v, %v", info, err)
	}
	if now := s.record(id); now != before {
		t.Errorf("while the backup was made the deployment became\n%s\nfrom\n%s", now, before)
	}
	// What happens after the backup is unknown to it.
	s.createApplication("late")
	server.kill()
	for _, dir := range []string{server.name, "bundles"} {
		if err := os.RemoveAll(filepath.Join(s.dir, dir)); err != nil {
			t.Fatal(err)
		}
	}
	s.run("restore", file, "--verify")
	restored := filepath.Join(s.dir, "restored")
	if said, err := s.try("restore", file, "--data", restored, "--store", database); err == nil || !strings.Contains(said, "the database has tables already") {
		t.Errorf("a restore over a database: %v %s", err, said)
	}
	t.Log(s.run("restore", file, "--data", restored, "--store", other))
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	s.write(filepath.Base(config), strings.NewReplacer(
		fmt.Sprintf("%q", database), fmt.Sprintf("%q", other), "data: "+filepath.Join(s.dir, server.name), "data: "+restored, ", directory: "+filepath.Join(s.dir, "bundles"), "",
	).Replace(string(text)))
	s.startReplica(server)

	if now := s.record(over); now != history {
		t.Errorf("what was over is now\n%s\nand was\n%s", now, history)
	}
	apps, err := s.deploy.ListApplications(t.Context(), &codedeploy.ListApplicationsInput{})
	if err != nil || !slices.Equal(apps.Applications, []string{"shop"}) {
		t.Errorf("the applications are %v, %v", apps, err)
	}
	if i, err := s.info(id); err != nil || i.Status != types.DeploymentStatusInProgress || i.DeploymentOverview.InProgress != 2 {
		t.Fatalf("after the restore: %+v %v", i, err)
	}
	s.remove("hold", green...)
	s.await(id, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.goOn(id, types.DeploymentWaitTypeTerminationWait)
	s.awaitStatus(id, types.DeploymentStatusSucceeded)
	s.ranOnce(id, green)
	s.until("v2 answers", func() error {
		if _, last := visitors.answers(); last != "v2" {
			return fmt.Errorf("%q answers", last)
		}
		return nil
	})
	s.cleansUp(id)
	// The bundles were restored too: the next deployment is of the revision of the first.
	back := s.blueGreen(&types.RevisionLocation{RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{
		Bucket: aws.String(bucket), Key: aws.String("v1.zip"), BundleType: types.BundleTypeZip,
	}}, func(in *codedeploy.CreateDeploymentInput) {
		in.TargetInstances.TagFilters[0].Value = aws.String("blue")
	})
	s.awaitStatus(back, types.DeploymentStatusReady)
	s.goOn(back, types.DeploymentWaitTypeReadyWait)
	s.await(back, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.goOn(back, types.DeploymentWaitTypeTerminationWait)
	s.awaitStatus(back, types.DeploymentStatusSucceeded)
	s.lost("over a loss of the server and its database", visitors)
	s.run("retention", "run")
	s.until("the first deployment, which nothing needs any more, is gone", func() error {
		_, err := s.info(over)
		if code(err) == "DeploymentDoesNotExistException" {
			return nil
		}
		return fmt.Errorf("asked for it, the server says %v", err) //nolint:errorlint // mostly nil
	})
	for _, needed := range []string{id, back} {
		if _, err := s.info(needed); err != nil {
			t.Errorf("%s: %v", needed, err)
		}
	}
}

// cleansNothing holds that a round of cleaning up leaves a deployment in flight and what its group goes back to, although one deployment of a group is kept.
func (s *stand) cleansNothing(ids ...string) {
	s.t.Helper()
	s.run("retention", "run")
	s.until("a round is over", func() error {
		if plan := s.run("retention", "plan"); !strings.Contains(plan, "last round: ") {
			return fmt.Errorf("the plan is\n%s", plan)
		}
		return nil
	})
	for _, id := range ids {
		if _, err := s.info(id); err != nil {
			s.t.Errorf("%s: %v", id, err)
		}
	}
}

// newest is the newest deployment of a group of the application shop.
func (s *stand) newest(group string) string {
	s.t.Helper()
	list, err := s.deploy.ListDeployments(s.t.Context(), &codedeploy.ListDeploymentsInput{ApplicationName: aws.String("shop"), DeploymentGroupName: &group})
	if err != nil || len(list.Deployments) == 0 {
		s.t.Fatalf("the deployments are %+v, %v", list, err)
	}
	return list.Deployments[0]
}

// record is all that the API says of a deployment: itself, and each of its targets with its lifecycle events.
func (s *stand) record(id string) string {
	s.t.Helper()
	info, err := s.info(id)
	if err != nil {
		s.t.Fatal(err)
	}
	list, err := s.deploy.ListDeploymentTargets(s.t.Context(), &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(list.TargetIds)
	all, err := s.deploy.BatchGetDeploymentTargets(s.t.Context(), &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: list.TargetIds})
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := json.MarshalIndent([]any{info, all.DeploymentTargets}, "", " ")
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// try runs the program to its end and returns what it prints, and whether it failed.
func (s *stand) try(args ...string) (string, error) {
	cmd := exec.Command(s.program, args...)
	cmd.Env, cmd.Dir = s.environment(), s.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
