package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"crossfade/internal/envelope"
	"crossfade/internal/wire/host"
)

// Client talks to one server for one host.
type Client struct {
	Endpoint string // base URL
	Secure   bool   // the endpoint is called by the names of the official secure one
	Host     string // the host's identifier
	Version  string // of the agent
	HTTP     *http.Client
	Sign     Sign
	Now      func() time.Time

	skew atomic.Int64 // of the server's clock to ours, in nanoseconds
}

// Command is something to do.
type Command struct {
	ID          string
	ExecutionID string
	Name        string // a lifecycle event
}

// Poll asks for a command and may be held by the server. Nil: there is none.
func (c *Client) Poll(ctx context.Context) (*Command, error) {
	var out host.PollHostCommandOutput
	if err := c.call(ctx, PollTimeout, "PollHostCommand", host.PollHostCommandInput{HostIdentifier: &c.Host}, &out); err != nil {
		return nil, err
	}
	if out.HostCommand == nil {
		return nil, nil
	}
	cmd := &Command{ID: text(out.HostCommand.HostCommandIdentifier), ExecutionID: text(out.HostCommand.DeploymentExecutionId), Name: text(out.HostCommand.CommandName)}
	switch to := text(out.HostCommand.HostIdentifier); {
	case !strings.Contains(c.Host, to) || to == "":
		return nil, fmt.Errorf("poll: the server offered a command for %q to %q", to, c.Host)
	case cmd.ID == "" || cmd.ExecutionID == "" || cmd.Name == "":
		return nil, errors.New("poll: the server offered a command without identifier, deployment or name")
	}
	return cmd, nil
}

// Specification fetches the signed deployment specification of an execution.
func (c *Client) Specification(ctx context.Context, executionID string) ([]byte, error) {
	var out host.GetDeploymentSpecificationOutput
	in := host.GetDeploymentSpecificationInput{DeploymentExecutionId: &executionID, HostIdentifier: &c.Host}
	if err := c.call(ctx, callTimeout, "GetDeploymentSpecification", in, &out); err != nil {
		return nil, err
	}
	if system := text(out.DeploymentSystem); system != "CodeDeploy" {
		return nil, fmt.Errorf("the deployment system is %q, want CodeDeploy", system)
	}
	if out.DeploymentSpecification == nil || out.DeploymentSpecification.GenericEnvelope == nil {
		return nil, errors.New("the server sent no deployment specification")
	}
	e := out.DeploymentSpecification.GenericEnvelope
	if format := text(e.Format); format != string(envelope.FormatSigned) {
		return nil, fmt.Errorf("the deployment specification has the format %q, want %s: an unsigned one is not accepted from a server", format, envelope.FormatSigned)
	}
	return []byte(text(e.Payload)), nil
}

// Acknowledge takes a command. It returns false when the server no longer wants it done.
func (c *Client) Acknowledge(ctx context.Context, commandID string, noop bool) (proceed bool, err error) {
	var out host.PutHostCommandAcknowledgementOutput
	in := host.PutHostCommandAcknowledgementInput{HostCommandIdentifier: &commandID, Diagnostics: jsonEnvelope(fmt.Sprintf(`{"IsCommandNoop":%t}`, noop))}
	if err := c.call(ctx, callTimeout, "PutHostCommandAcknowledgement", in, &out); err != nil {
		return false, err
	}
	return wantedStill(out.CommandStatus), nil
}

// wantedStill tells whether a command that the server answers for with a status is still to be run. No status is a yes.
func wantedStill(s *host.CommandStatus) bool {
	return s == nil || *s != host.CommandStatusSucceeded && *s != host.CommandStatusFailed
}

// Update says something about a command that runs, in the words of an extension that both sides know. It returns false when the server wants no
// more of it.
func (c *Client) Update(ctx context.Context, commandID, format, payload string) (wanted bool, err error) {
	var out host.PostHostCommandUpdateOutput
	in := host.PostHostCommandUpdateInput{HostCommandIdentifier: &commandID, Diagnostics: &host.Envelope{Format: &format, Payload: &payload}}
	if err := c.call(ctx, callTimeout, "PostHostCommandUpdate", in, &out); err != nil {
		return false, err
	}
	return wantedStill(out.CommandStatus), nil
}

// Complete reports the outcome of a command.
func (c *Client) Complete(ctx context.Context, commandID string, succeeded bool, diagnostics string) error {
	status := host.CommandStatusFailed
	if succeeded {
		status = host.CommandStatusSucceeded
	}
	in := host.PutHostCommandCompleteInput{HostCommandIdentifier: &commandID, CommandStatus: &status, Diagnostics: jsonEnvelope(diagnostics)}
	return c.call(ctx, callTimeout, "PutHostCommandComplete", in, nil)
}

func jsonEnvelope(payload string) *host.Envelope {
	format := "JSON"
	return &host.Envelope{Format: &format, Payload: &payload}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// call makes one call. Out may be nil.
func (c *Client) call(ctx context.Context, timeout time.Duration, operation string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode %s: %w", operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	service, prefix := Service, targetPrefix
	if c.Secure {
		service, prefix = SecureService, secureTargetPrefix
	}
	req.Header.Set("X-Amz-Target", prefix+operation)
	req.Header.Set(versionHeader, c.Version)
	req.Header.Set("User-Agent", c.Version)
	sum := sha256.Sum256(body)
	sentAt := c.Now()
	if err := c.Sign(ctx, req, service, hex.EncodeToString(sum[:]), sentAt.Add(c.Skew())); err != nil {
		return fmt.Errorf("sign %s: %w", operation, err)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", operation, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return &brokenOff{operation, err}
	}
	if res.StatusCode != http.StatusOK || len(answer) > maxAnswer {
		failure := NewFailure(operation, res, answer)
		c.learnSkew(failure, res)
		return failure
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decode answer to %s: %w", operation, err)
	}
	return nil
}

// Skew is how far ahead of this host's clock the server's is, when that matters; else zero. Other signatures should take it into account.
func (c *Client) Skew() time.Duration { return time.Duration(c.skew.Load()) }

// learnSkew takes the server's time when it refuses a signature and the clocks are far apart.
func (c *Client) learnSkew(f *Failure, res *http.Response) {
	if !f.aboutSignature() {
		return
	}
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return
	}
	skew := date.Sub(c.Now())
	if skew.Abs() < tolerableSkew {
		skew = 0
	}
	c.skew.Store(int64(skew))
}
