package host_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

type nobody struct{ host.Service }

func TestTheServiceAnswersToBothNames(t *testing.T) {
	t.Parallel()
	svc := host.Describe(nobody{})
	if len(svc.Operations) != 5 {
		t.Errorf("%d operations, want 5", len(svc.Operations))
	}
	if !slices.Equal(svc.TargetPrefixes, []string{"CodeDeployCommandService_v20141006", "CodeDeployCommandService"}) {
		t.Errorf("prefixes %v", svc.TargetPrefixes)
	}
	if !slices.Equal(svc.SigningNames, []string{"codedeploy-commands", "codedeploy-commands-secure"}) {
		t.Errorf("signing names %v", svc.SigningNames)
	}
	if svc.Status(host.ClientException) != 400 || svc.Status(host.ServerException) != 500 {
		t.Error("a server's fault is not told from a client's")
	}
}

func TestViolations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   wire.Input
		want []string
	}{
		{&host.PollHostCommandInput{}, []string{"HostIdentifier Required"}},
		{&host.GetDeploymentSpecificationInput{HostIdentifier: new("h"), DeploymentExecutionId: new("crossfade/eu/d-1")}, []string{"DeploymentExecutionId Pattern"}},
		{&host.GetDeploymentSpecificationInput{HostIdentifier: new("h"), DeploymentExecutionId: new("crossfade/eu/d-1/t")}, nil},
		{
			&host.PutHostCommandCompleteInput{
				HostCommandIdentifier: new("c"), CommandStatus: new(host.CommandStatus("Done")),
				Diagnostics: &host.Envelope{Format: new("JSON"), Payload: new(strings.Repeat("x", 8193))},
			},
			[]string{"CommandStatus Enum", "Diagnostics.Payload TooLong"},
		},
	} {
		var got []string
		for _, v := range c.in.Validate() {
			got = append(got, fmt.Sprintf("%s %s", v.Path, v.Rule))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%T: got %v, want %v", c.in, got, c.want)
		}
	}
}
