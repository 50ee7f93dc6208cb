package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"crossfade/internal/api"
	"crossfade/internal/deploy"
	"crossfade/internal/fleet"
	"crossfade/internal/store"
	"crossfade/internal/wire/control"
)

// askedStore counts the deployments that are looked up, of which it has none.
type askedStore struct {
	store.Store
	asked *int
}

func (s askedStore) Deployment(context.Context, string, string) (deploy.Deployment, error) {
	*s.asked++
	return deploy.Deployment{}, store.ErrNotFound
}

// TestFindingOutWhatACallIsAboutIsBounded holds that nobody, and everybody gets as far as this, can have the store asked or policies judged a hundred
// thousand times by one call.
func TestFindingOutWhatACallIsAboutIsBounded(t *testing.T) {
	t.Parallel()
	asked := 0
	w := newWorld(t)
	s, err := api.New(api.Config{
		Store: askedStore{asked: &asked}, Engine: w.engine, Fleet: fleet.Registered{Instances: w.store}, Now: w.clock.Now, IDs: &counter{}, Region: region, TokenKey: []byte("0123456789abcdef"), Sealer: w.sealer,
		Caller: func(context.Context) api.Caller { return api.Caller{Account: w.account} },
	})
	if err != nil {
		t.Fatal(err)
	}
	ids, names := make([]string, 70_000), make([]string, 100_000)
	for i := range ids {
		ids[i] = fmt.Sprintf("d-A%08d", i)
	}
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	if _, err := s.Accesses(t.Context(), "BatchGetDeployments", &control.BatchGetDeploymentsInput{DeploymentIds: ids}); err != nil || asked > 25 {
		t.Errorf("the store was asked %d times, %v", asked, err)
	}
	got, err := s.Accesses(t.Context(), "AddTagsToOnPremisesInstances", &control.AddTagsToOnPremisesInstancesInput{InstanceNames: names})
	if err != nil || len(got) > 1000 || !strings.HasSuffix(got[len(got)-1].Resource, ":instance/*") {
		t.Errorf("%d permissions, %v", len(got), err)
	}
	// What is not judged by its name must not be done either.
	list := `["` + strings.Join(names[:501], `","`) + `"]`
	for body, want := range map[string]string{
		`AddTagsToOnPremisesInstances {"tags":[{"Key":"k","Value":"v"}],"instanceNames":` + list:      "InstanceLimitExceeded",
		`RemoveTagsFromOnPremisesInstances {"tags":[{"Key":"k","Value":"v"}],"instanceNames":` + list: "InstanceLimitExceeded",
		`BatchGetDeploymentGroups {"applicationName":"shop","deploymentGroupNames":` + list:           "BatchLimitExceeded",
		`BatchGetDeployments {"deploymentIds":["` + strings.Join(ids[:26], `","`) + `"]`:              "BatchLimitExceeded",
	} {
		operation, rest, _ := strings.Cut(body, " ")
		if code, answer := w.call(operation, rest+"}"); !strings.HasPrefix(code, want) {
			t.Errorf("%s: %s %.200s", operation, code, answer)
		}
	}
}
