package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"crossfade/internal/agent/control"
	"crossfade/internal/envelope"
	"crossfade/internal/wire/host"
)

// The limits of calls and of a clock that is off are those of package control.
const (
	agentsLimit   = 30 * time.Second
	tolerableSkew = 2 * time.Minute
)

// caller makes the four calls of a simulated agent, as control.Client makes them for a real one: the same requests, and the same judgement of errors. It is
// for one goroutine.
type caller struct {
	line   line
	signer signer
	heads  heads
	now    func() time.Time
	arn    string        // of the host
	poll   string        // the body of a poll
	skew   time.Duration // of the server's clock to ours, when that matters
}

// scratches are shared by all agents: one is needed only while a request is made.
var scratches = sync.Pool{New: func() any { return &scratch{} }}

func newCaller(l line, h heads, who identity, region string, now func() time.Time) *caller {
	c := &caller{line: l, signer: signer{key: who.key, region: region}, heads: h, now: now, arn: who.arn}
	c.poll = string(append(appendQuoted([]byte(`{"HostIdentifier":`), who.arn), '}'))
	return c
}

// command is something to do. Its strings are copies.
type command struct{ id, execution, name string }

// Poll asks for a command and may be held by the server. false: there is none.
func (c *caller) Poll() (command, bool, error) {
	var out struct {
		HostCommand *struct{ HostCommandIdentifier, HostIdentifier, DeploymentExecutionId, CommandName string }
	}
	if err := c.call(control.PollTimeout, "PollHostCommand", &out, c.poll); err != nil || out.HostCommand == nil {
		return command{}, false, err
	}
	cmd := command{out.HostCommand.HostCommandIdentifier, out.HostCommand.DeploymentExecutionId, out.HostCommand.CommandName}
	switch to := out.HostCommand.HostIdentifier; {
	case !strings.Contains(c.arn, to) || to == "":
		return command{}, false, fmt.Errorf("poll: the server offered a command for %q to %q", to, c.arn)
	case cmd.id == "" || cmd.execution == "" || cmd.name == "":
		return command{}, false, errors.New("poll: the server offered a command without identifier, deployment or name")
	}
	return cmd, true, nil
}

// Specification fetches the signed deployment specification of an execution. Nobody reads it.
func (c *caller) Specification(execution string) error {
	var out struct {
		DeploymentSystem        string
		DeploymentSpecification struct{ GenericEnvelope struct{ Format string } }
	}
	if err := c.call(agentsLimit, "GetDeploymentSpecification", &out, `{"DeploymentExecutionId":`, execution, `,"HostIdentifier":`, c.arn, `}`); err != nil {
		return err
	}
	if out.DeploymentSystem != "CodeDeploy" || out.DeploymentSpecification.GenericEnvelope.Format != string(envelope.FormatSigned) {
		return fmt.Errorf("the server sent no signed deployment specification: its system is %q and its format %q", out.DeploymentSystem, out.DeploymentSpecification.GenericEnvelope.Format)
	}
	return nil
}

// Acknowledge takes a command. It returns false when the server no longer wants it done.
func (c *caller) Acknowledge(id string, noop bool) (proceed bool, err error) {
	rest := `,"Diagnostics":{"Format":"JSON","Payload":"{\"IsCommandNoop\":false}"}}`
	if noop {
		rest = `,"Diagnostics":{"Format":"JSON","Payload":"{\"IsCommandNoop\":true}"}}`
	}
	var out struct{ CommandStatus string }
	if err := c.call(agentsLimit, "PutHostCommandAcknowledgement", &out, `{"HostCommandIdentifier":`, id, rest); err != nil {
		return false, err
	}
	return out.CommandStatus != string(host.CommandStatusSucceeded) && out.CommandStatus != string(host.CommandStatusFailed), nil
}

// Complete reports that a command succeeded.
func (c *caller) Complete(id string) error {
	return c.call(agentsLimit, "PutHostCommandComplete", nil, `{"HostCommandIdentifier":`, id,
		`,"CommandStatus":"Succeeded","Diagnostics":{"Format":"JSON","Payload":"{\"error_code\":0,\"script_name\":\"\",\"message\":\"Succeeded\",\"log\":\"\"}"}}`)
}

// call makes one call. Out may be nil. Of the parts of the body every second one is a text that is quoted.
func (c *caller) call(limit time.Duration, operation string, out any, parts ...string) error {
	answer, other, err := c.line.call(c.request(operation, parts), limit)
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	if other != nil {
		said, err := io.ReadAll(other.Body)
		if err != nil {
			return fmt.Errorf("read answer to %s: %w", operation, err)
		}
		if other.StatusCode != http.StatusOK || len(said) > maxForAgents {
			c.learnSkew(other)
			return control.NewFailure(operation, other, said)
		}
		answer = said
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer to %s: %w", operation, err)
	}
	return nil
}

// request is a signed request in the line's buffer.
func (c *caller) request(operation string, parts []string) []byte {
	on, ok := scratches.Get().(*scratch)
	if !ok {
		on = &scratch{}
	}
	defer scratches.Put(on)
	on.body = on.body[:0]
	for i, part := range parts {
		if i%2 == 0 {
			on.body = append(on.body, part...)
		} else {
			on.body = appendQuoted(on.body, part)
		}
	}
	return c.signer.appendRequest(c.line.room(), c.heads, operation, c.now().Add(c.skew), on)
}

// learnSkew takes the server's time when it refuses something and the clocks are far apart.
func (c *caller) learnSkew(answer *http.Response) {
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return
	}
	if c.skew = date.Sub(c.now()); c.skew.Abs() < tolerableSkew {
		c.skew = 0
	}
}

// appendQuoted appends a text as a JSON string.
func appendQuoted(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || strings.IndexByte(`"\<>&`, c) >= 0 {
			// A string can always be encoded.
			if quoted, err := json.Marshal(text); err == nil {
				return append(b, quoted...)
			}
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
