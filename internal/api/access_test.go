package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/awsjson"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

func TestAccessesNameWhatACallIsAbout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	id := w.deployTo("flat")
	w.must("UpdateDeploymentGroup", `{"applicationName":"shop","currentDeploymentGroupName":"flat","newDeploymentGroupName":"level"}`)
	operations := control.Describe(w.api).Operations
	for operation, c := range map[string]struct{ body, want string }{
		"CreateApplication":            {`{"applicationName":"a"}`, "CreateApplication application:a"},
		"UpdateApplication":            {`{"applicationName":"a","newApplicationName":"b"}`, "UpdateApplication application:a, UpdateApplication application:b"},
		"ListApplications":             {`{}`, "ListApplications application:*"},
		"UpdateDeploymentGroup":        {`{"applicationName":"a","currentDeploymentGroupName":"g","newDeploymentGroupName":"h"}`, "UpdateDeploymentGroup deploymentgroup:a/g, UpdateDeploymentGroup deploymentgroup:a/h"},
		"ListDeploymentGroups":         {`{"applicationName":"a"}`, "ListDeploymentGroups deploymentgroup:a/*"},
		"ContinueDeployment":           {`{"deploymentId":"` + id + `"}`, "ContinueDeployment deploymentgroup:shop/level"},
		"GetDeployment":                {`{"deploymentId":"d-ZZZZZZZZZ"}`, "GetDeployment deploymentgroup:*"},
		"BatchGetDeployments":          {`{"deploymentIds":["` + id + `","x"]}`, "BatchGetDeployments deploymentgroup:shop/level"},
		"AddTagsToOnPremisesInstances": {`{"instanceNames":["a","b"]}`, "AddTagsToOnPremisesInstances instance/a, AddTagsToOnPremisesInstances instance/b"},
		"TagResource":                  {`{"ResourceArn":"arn:aws:codedeploy:eu-central-1:123456789012:application/a"}`, "TagResource application:a"},
		"ListOnPremisesInstances":      {`{}`, "ListOnPremisesInstances *"},
		"GetApplication":               {`{}`, "GetApplication application:*"},
		"CreateDeployment": {
			`{"applicationName":"a","deploymentGroupName":"g","deploymentConfigName":"c","overrideAlarmConfiguration":{}}`,
			"CreateDeployment deploymentgroup:a/g, GetDeploymentConfig deploymentconfig:c, RegisterApplicationRevision application:a, UpdateDeploymentGroup deploymentgroup:a/g",
		},
	} {
		i := slices.IndexFunc(operations, func(o wire.Operation) bool { return o.Name == operation })
		in := operations[i].New()
		if err := awsjson.Decode([]byte(c.body), in); err != nil {
			t.Fatal(err)
		}
		accesses, err := w.api.Accesses(context.Background(), operation, in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range accesses {
			got = append(got, fmt.Sprintf("%s %s", a.Operation, strings.TrimPrefix(a.Resource, "arn:aws:codedeploy:eu-central-1:123456789012:")))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s %s needs %s, want %s", operation, c.body, text, c.want)
		}
	}
	// Only the operations that are documented to have no resource have none.
	without := []string{"BatchGetOnPremisesInstances", "DeleteGitHubAccountToken", "DeleteResourcesByExternalId", "ListGitHubAccountTokenNames", "ListOnPremisesInstances"}
	for _, op := range operations {
		accesses, err := w.api.Accesses(context.Background(), op.Name, op.New())
		if err != nil || len(accesses) == 0 {
			t.Fatalf("%s needs %v (%v)", op.Name, accesses, err)
		}
		named := op.Name != "TagResource" && op.Name != "UntagResource" && op.Name != "ListTagsForResource"
		if named && (accesses[0].Resource == "*") != slices.Contains(without, op.Name) {
			t.Errorf("%s needs %v", op.Name, accesses)
		}
	}
}

func TestTagsOfARequestAreConditionKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	name, team, shop := "a", "Team", "shop"
	for _, tc := range []struct {
		in   wire.Input
		want map[string][]string
	}{
		{&control.CreateApplicationInput{ApplicationName: &name, Tags: []control.Tag{{Key: &team, Value: &shop}}}, map[string][]string{"aws:requesttag/team": {"shop"}, "aws:tagkeys": {"Team"}}},
		{&control.UntagResourceInput{TagKeys: []string{"a", "b"}}, map[string][]string{"aws:tagkeys": {"a", "b"}}},
		{&control.CreateApplicationInput{ApplicationName: &name}, nil},
	} {
		needed, err := w.api.Accesses(t.Context(), "Operation", tc.in)
		if err != nil || fmt.Sprint(needed[0].Keys) != fmt.Sprint(tc.want) {
			t.Errorf("%T: %v, %v; want %v", tc.in, needed, err, tc.want)
		}
	}
}
