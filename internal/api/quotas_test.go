package api_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// overQuota has, for each operation with a quota, what it refuses in an account that is full.
var overQuota = map[string]refusal{
	"CreateApplication":      {`{"applicationName":"more"}`, "ApplicationLimitExceeded"},
	"CreateDeploymentConfig": {`{"deploymentConfigName":"more","minimumHealthyHosts":{"type":"HOST_COUNT","value":1}}`, "DeploymentConfigLimitExceeded"},
	"CreateDeploymentGroup":  {`{"applicationName":"shop","deploymentGroupName":"more","serviceRoleArn":"` + role + `"}`, "DeploymentGroupLimitExceeded"},
}

// fill brings the account to its quotas.
func (w *world) fill() {
	w.t.Helper()
	w.must("CreateApplication", `{"applicationName":"shop"}`)
	ctx := context.Background()
	for i := range 999 {
		in := &control.CreateApplicationInput{ApplicationName: new(fmt.Sprintf("a-%03d", i))}
		if _, err := w.api.CreateApplication(ctx, in); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range 200 {
		in := &control.CreateDeploymentConfigInput{
			DeploymentConfigName: new(fmt.Sprintf("c-%03d", i)),
			MinimumHealthyHosts:  &control.MinimumHealthyHosts{Type: new(control.MinimumHealthyHostsTypeHostCount), Value: new(int32(1))},
		}
		if _, err := w.api.CreateDeploymentConfig(ctx, in); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range 1000 {
		in := &control.CreateDeploymentGroupInput{ApplicationName: new("shop"), DeploymentGroupName: new(fmt.Sprintf("g-%03d", i)), ServiceRoleArn: new(role)}
		if _, err := w.api.CreateDeploymentGroup(ctx, in); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	ctx := context.Background()
	for operation, r := range overQuota {
		if exception, answer := w.call(operation, r.body); exception != r.want+"Exception" {
			t.Errorf("%s answered %s, want %s", operation, answer, r.want)
		}
	}

	t.Run("through boto3", func(t *testing.T) {
		b := newBoto(t, w.serve())
		for operation, r := range overQuota {
			b.refuses(operation, r.body, r.want)
		}
	})

	// The same applications in pages: each once, in order.
	var names []string
	token := ""
	for pages := 0; ; pages++ {
		out, err := w.api.ListApplications(ctx, &control.ListApplicationsInput{NextToken: &token})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, out.Applications...)
		if out.NextToken == nil {
			if pages != 9 {
				t.Errorf("%d pages after the first, want 9", pages)
			}
			break
		}
		token = *out.NextToken
	}
	if len(names) != 1000 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != 1000 {
		t.Errorf("%d names in pages", len(names))
	}
	// A token is good for its own list only.
	_, err := w.api.ListDeploymentConfigs(ctx, &control.ListDeploymentConfigsInput{NextToken: &token})
	if wireErr, ok := err.(*wire.Error); !ok || wireErr.Code != control.InvalidNextTokenException {
		t.Errorf("a token of another operation was answered with %v", err)
	}
}
