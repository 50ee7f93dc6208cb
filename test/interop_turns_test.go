package test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"crossfade/internal/counterpart/recording"
)

// TestTurnsOfTheOfficialAgents plays what official agents do off the straight way, against a real server: the recorded deployments have none of
// it, the specification of the protocol has.
func TestTurnsOfTheOfficialAgents(t *testing.T) {
	t.Parallel()
	r := recording.Load(t, "testdata/interop")["ruby-agent"]
	commands, err := r.Deployments[0].Commands()
	if err != nil {
		t.Fatal(err)
	}
	for name, turn := range map[string]func(p *player, first recording.Command){
		"an aborted command does not run":       aborted,
		"a failure before the acknowledgement":  failedEarly,
		"an update with a date":                 updated,
		"a completion of what nobody asked for": forged,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			turn(newStand(t).newPlayer(r), commands[0])
		})
	}
}

const (
	noop     = `{"Format":"JSON","Payload":"{\"IsCommandNoop\":true}"}`
	finished = `{"Format":"JSON","Payload":"{\"error_code\":0,\"script_name\":\"\",\"message\":\"Succeeded: CompletedNoopCommand\",\"log\":\"\"}"}`
	unusable = `{"Format":"JSON","Payload":"{\"error_code\":5,\"script_name\":\"\",\"message\":\"Unsupported DeploymentSpecification format\",\"log\":\"\"}"}`
)

// say makes a call that is not in the recording.
func (p *player) say(status int, operation, format string, with ...any) string {
	p.t.Helper()
	e := recording.Exchange{Operation: operation, Status: status}
	return string(bytes.TrimSpace(p.send(e, p.control(e, fmt.Sprintf(format, with...)))))
}

// begin creates a deployment.
func (p *player) begin() string {
	p.t.Helper()
	out, err := p.deploy.CreateDeployment(p.t.Context(), &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String("shop"), DeploymentGroupName: aws.String("prod"), Revision: p.upload("app.zip", bundle(p.t, "v1", nil)),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return *out.DeploymentId
}

// aborted: a deployment that is stopped between the poll and the acknowledgement answers Failed, so that the agent leaves the command. An agent
// that finds the command to be a no-op completes it all the same, which changes nothing.
func aborted(p *player, first recording.Command) {
	id := p.begin()
	c := p.poll(first)
	if _, err := p.deploy.StopDeployment(p.t.Context(), &codedeploy.StopDeploymentInput{DeploymentId: &id}); err != nil {
		p.t.Fatal(err)
	}
	p.awaitStatus(id, types.DeploymentStatusStopped)
	if got := p.say(200, "PutHostCommandAcknowledgement", `{"Diagnostics":%s,"HostCommandIdentifier":%q}`, noop, c.HostCommandIdentifier); got != `{"CommandStatus":"Failed"}` {
		p.t.Errorf("an aborted command is acknowledged with %s", got)
	}
	if got := p.say(200, "PutHostCommandComplete", `{"CommandStatus":"Succeeded","Diagnostics":%s,"HostCommandIdentifier":%q}`, finished, c.HostCommandIdentifier); got != "" {
		p.t.Errorf("its completion is answered with %s", got)
	}
	p.awaitStatus(id, types.DeploymentStatusStopped)
	if said := p.targets(id); strings.Contains(said, "CompletedNoopCommand") {
		p.t.Errorf("what was said of an aborted command counts: %s", said)
	}
}

// failedEarly: what fails before the acknowledgement is reported without one.
func failedEarly(p *player, first recording.Command) {
	id := p.begin()
	c := p.poll(first)
	p.say(200, "PutHostCommandComplete", `{"CommandStatus":"Failed","Diagnostics":%s,"HostCommandIdentifier":%q}`, unusable, c.HostCommandIdentifier)
	info := p.awaitStatus(id, types.DeploymentStatusFailed)
	if text := aws.ToString(info.ErrorInformation.Message); !strings.Contains(text, "Unsupported DeploymentSpecification format") {
		p.t.Errorf("the deployment says %q", text)
	}
	// A second report of the same changes nothing.
	p.say(200, "PutHostCommandComplete", `{"CommandStatus":"Succeeded","Diagnostics":%s,"HostCommandIdentifier":%q}`, finished, c.HostCommandIdentifier)
	p.awaitStatus(id, types.DeploymentStatusFailed)
}

// updated: dates are numbers of seconds, with a fraction or without.
func updated(p *player, first recording.Command) {
	p.begin()
	c := p.poll(first)
	p.say(200, "PutHostCommandAcknowledgement", `{"Diagnostics":%s,"HostCommandIdentifier":%q}`, noop, c.HostCommandIdentifier)
	for _, date := range []string{"1795426736", "1795426736.25", "1.795426736E9"} {
		if got := p.say(200, "PostHostCommandUpdate", `{"EstimatedCompletionTime":%s,"HostCommandIdentifier":%q}`, date, c.HostCommandIdentifier); got != `{"CommandStatus":"InProgress"}` {
			p.t.Errorf("an update with %s is answered with %s", date, got)
		}
	}
}

func forged(p *player, _ recording.Command) {
	got := p.say(400, "PutHostCommandComplete", `{"CommandStatus":"Succeeded","Diagnostics":%s,"HostCommandIdentifier":"made-up"}`, finished)
	if !strings.Contains(got, "ClientException") {
		p.t.Errorf("a completion of nothing is answered with %s", got)
	}
	// Polls for a host that is nobody else than the caller; another's is refused.
	if got := p.say(400, "PollHostCommand", `{"HostIdentifier":"arn:aws:iam::000000000000:user/host/web-2"}`); !strings.Contains(got, "AccessDeniedException") {
		p.t.Errorf("a poll for another host is answered with %s", got)
	}
}
