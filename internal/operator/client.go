package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"crossfade/internal/sigv4"
	"crossfade/internal/wire/control"
)

// Client calls the operator's operations of a server.
type Client struct {
	Endpoint   string // base URL
	Region     string
	Credential sigv4.Credential
	HTTP       *http.Client
	Now        func() time.Time
}

// maxAnswer bounds what is read of an answer, in bytes. The largest is a plan for the largest fleet.
const maxAnswer = 32 << 20

// Refusal is the server's answer other than success.
type Refusal struct {
	Code    string
	Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// AddHost asks for a host.
func (c *Client) AddHost(ctx context.Context, in AddHostInput) (AddHostOutput, error) {
	var out AddHostOutput
	if err := c.call(ctx, addHost, in, &out); err != nil {
		return AddHostOutput{}, fmt.Errorf("add host: %w", err)
	}
	if out.IAMUserARN == nil || out.AccessKeyID == nil || out.SecretAccessKey == nil || out.Region == nil {
		return AddHostOutput{}, fmt.Errorf("add host: the answer of %s lacks the host's identity: is it a Crossfade server?", c.Endpoint)
	}
	return out, nil
}

// RemoveHost takes a host away.
func (c *Client) RemoveHost(ctx context.Context, in RemoveHostInput) error {
	if err := c.call(ctx, removeHost, in, nil); err != nil {
		return fmt.Errorf("remove host: %w", err)
	}
	return nil
}

// AddGitHubToken keeps a token, in place of the one that had the name.
func (c *Client) AddGitHubToken(ctx context.Context, in AddGitHubTokenInput) error {
	if err := c.call(ctx, addToken, in, nil); err != nil {
		return fmt.Errorf("add GitHub token: %w", err)
	}
	return nil
}

// PlanDeployment asks what a deployment would do.
func (c *Client) PlanDeployment(ctx context.Context, in *control.CreateDeploymentInput) (PlanOutput, error) {
	var out PlanOutput
	if err := c.call(ctx, planDeployment, in, &out); err != nil {
		return PlanOutput{}, fmt.Errorf("plan deployment: %w", err)
	}
	return out, nil
}

func (c *Client) call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.Endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", targetPrefix+"."+operation)
	sigv4.Sign(r, c.Credential, c.Region, SigningName, sigv4.Hash(body), c.Now())
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return refusal(answer.Status, content)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(content, out); err != nil {
		return fmt.Errorf("the answer is no JSON: is %s a Crossfade server? %w", c.Endpoint, err)
	}
	return nil
}

func refusal(status string, content []byte) error {
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(content, &said); err != nil || said.Type == "" {
		return errors.New("the server answers " + status)
	}
	return &Refusal{Code: said.Type, Message: said.Message}
}
