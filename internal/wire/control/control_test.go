package control_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// nobody implements no operation; only its descriptions are looked at.
type nobody struct{ control.Service }

func TestTheServiceHasAllOperations(t *testing.T) {
	t.Parallel()
	svc := control.Describe(nobody{})
	if len(svc.Operations) != 47 {
		t.Errorf("%d operations, want 47", len(svc.Operations))
	}
	if svc.TargetPrefixes[0] != "CodeDeploy_20141006" || svc.SigningNames[0] != "codedeploy" {
		t.Errorf("target %v, signing name %v", svc.TargetPrefixes, svc.SigningNames)
	}
	var void []string
	for _, op := range svc.Operations {
		if !op.HasOutput {
			void = append(void, op.Name)
		}
	}
	want := []string{
		"AddTagsToOnPremisesInstances", "ContinueDeployment", "DeleteApplication", "DeleteDeploymentConfig",
		"DeregisterOnPremisesInstance", "RegisterApplicationRevision", "RegisterOnPremisesInstance",
		"RemoveTagsFromOnPremisesInstances", "SkipWaitTimeForInstanceTermination", "UpdateApplication",
	}
	if !slices.Equal(void, want) {
		t.Errorf("operations without output: %v", void)
	}
}

func TestContinueDeploymentDeclaresItsEightExceptions(t *testing.T) {
	t.Parallel()
	for _, op := range control.Describe(nobody{}).Operations {
		if op.Name != "ContinueDeployment" {
			continue
		}
		if len(op.Errors) != 8 || !op.Declares(control.DeploymentIsNotInReadyStateException) || op.Declares(control.InvalidRoleException) {
			t.Errorf("declares %v", op.Errors)
		}
	}
}

func TestEmptyListsAreWrittenAndAbsentOnesAreNot(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(control.DeploymentGroupInfo{
		Ec2TagFilters:          []control.EC2TagFilter{},
		TerminationHookEnabled: new(bool),
		DeploymentConfigName:   new(string),
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"deploymentConfigName":"","ec2TagFilters":[],"terminationHookEnabled":false}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	cases := map[string]struct {
		in   wire.Input
		want []string
	}{
		"nothing is required of ContinueDeployment": {&control.ContinueDeploymentInput{}, nil},
		"an empty enum is no value": {
			&control.ContinueDeploymentInput{DeploymentWaitType: new(control.DeploymentWaitType)},
			[]string{"deploymentWaitType DeploymentWaitType Enum"},
		},
		"required members come first, in order": {
			&control.CreateDeploymentGroupInput{ApplicationName: &long, ServiceRoleArn: new("")},
			[]string{"deploymentGroupName DeploymentGroupName Required", "serviceRoleArn Role Required", "applicationName ApplicationName TooLong"},
		},
		"an empty list counts as missing": {
			&control.AddTagsToOnPremisesInstancesInput{Tags: []control.Tag{}, InstanceNames: []string{}},
			[]string{"tags TagList Required", "instanceNames InstanceNameList Required"},
		},
		"lists are entered": {
			&control.BatchGetApplicationsInput{ApplicationNames: []string{"ok", "", long}},
			[]string{"applicationNames[1] ApplicationName TooShort", "applicationNames[2] ApplicationName TooLong"},
		},
		"lists of lists are entered": {
			&control.CreateDeploymentGroupInput{
				ApplicationName: new("a"), DeploymentGroupName: new("g"), ServiceRoleArn: new("r"),
				Ec2TagSet: &control.EC2TagSet{Ec2TagSetList: [][]control.EC2TagFilter{{}, {{}, {Type: new(control.EC2TagFilterType("X"))}}}},
			},
			[]string{"ec2TagSet.ec2TagSetList[1][1].Type EC2TagFilterType Enum"},
		},
		"map keys are checked": {
			&control.ListDeploymentTargetsInput{
				DeploymentId:  new("d"),
				TargetFilters: map[control.TargetFilterName][]string{"TargetStatus": {"x"}, "Colour": nil},
			},
			[]string{"targetFilters[Colour] TargetFilterName Enum"},
		},
		"characters are counted, not bytes": {&control.GetApplicationInput{ApplicationName: new(strings.Repeat("é", 100))}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range c.in.Validate() {
				got = append(got, fmt.Sprintf("%s %s %s", v.Path, v.Shape, v.Rule))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestAHugeBadListIsRememberedInPart(t *testing.T) {
	t.Parallel()
	got := (&control.BatchGetApplicationsInput{ApplicationNames: make([]string, 10_000)}).Validate()
	if len(got) == 0 || len(got) > 100 {
		t.Errorf("%d violations remembered", len(got))
	}
}
