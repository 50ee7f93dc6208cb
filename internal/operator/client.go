package operator

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"crossfade/internal/awsjson/client"
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
type Refusal = client.Refusal

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

// CreateJoinToken makes a token with which hosts enrol.
func (c *Client) CreateJoinToken(ctx context.Context, in CreateJoinTokenInput) (CreateJoinTokenOutput, error) {
	var out CreateJoinTokenOutput
	if err := c.call(ctx, createJoinToken, in, &out); err != nil {
		return CreateJoinTokenOutput{}, fmt.Errorf("create join token: %w", err)
	}
	if out.ID == nil || out.Token == nil || out.ExpiresAt == nil {
		return CreateJoinTokenOutput{}, fmt.Errorf("create join token: the answer of %s lacks the token: is it a Crossfade server of this version?", c.Endpoint)
	}
	return out, nil
}

// ListJoinTokens lists the tokens with which hosts enrol, without their secrets.
func (c *Client) ListJoinTokens(ctx context.Context) (ListJoinTokensOutput, error) {
	var out ListJoinTokensOutput
	if err := c.call(ctx, listJoinTokens, ListJoinTokensInput{}, &out); err != nil {
		return ListJoinTokensOutput{}, fmt.Errorf("list join tokens: %w", err)
	}
	return out, nil
}

// RevokeJoinToken ends a token at once.
func (c *Client) RevokeJoinToken(ctx context.Context, in RevokeJoinTokenInput) error {
	if err := c.call(ctx, revokeJoinToken, in, nil); err != nil {
		return fmt.Errorf("revoke join token: %w", err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, operation string, in, out any) error {
	service := client.Client{
		Endpoint: c.Endpoint, Region: c.Region, Service: SigningName, Target: targetPrefix, Credential: c.Credential, HTTP: c.HTTP, Now: c.Now, MaxAnswer: maxAnswer,
	}
	return service.Call(ctx, operation, in, out)
}
