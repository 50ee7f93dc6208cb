package operator

import (
	"context"
	"errors"
	"fmt"

	"crossfade/internal/auth"
	"crossfade/internal/retention"
	"crossfade/internal/wire"
)

const (
	getRetention = "GetRetention"
	runRetention = "RunRetention"
)

// Cleaning is the server's cleaning up.
type Cleaning interface {
	Plan(ctx context.Context, account string) (retention.Plan, error)
	Kept() retention.Policy
	Last() retention.Summary
	Wake()
}

// GetRetentionInput asks what is kept, and what would go now.
type GetRetentionInput struct{}

// GetRetentionOutput is what is kept, what would go of the caller's account, and what the last round of this server removed of all accounts.
type GetRetentionOutput struct {
	Kept KeptFor            `json:"kept"`
	Plan retention.Plan     `json:"plan"`
	Last *retention.Summary `json:"last,omitempty"` // absent: there was none since the start
}

// KeptFor is the policy. Zeros are no bound.
type KeptFor struct {
	Words            string `json:"words"`
	DeploymentsAge   string `json:"deploymentsAge"`
	DeploymentsCount int    `json:"deploymentsCount"`
	LogsAge          string `json:"logsAge"`
	LogsBytes        int64  `json:"logsBytes"`
	RevisionsAge     string `json:"revisionsAge"`
	RevisionsCount   int    `json:"revisionsCount"`
}

// RunRetentionInput asks for a round of cleaning soon.
type RunRetentionInput struct{}

// Validate implements wire.Input.
func (*GetRetentionInput) Validate() []wire.Violation { return nil }

// Validate implements wire.Input.
func (*RunRetentionInput) Validate() []wire.Violation { return nil }

func retentionOperations(s *Service) []wire.Operation {
	return []wire.Operation{wire.Op(getRetention, s.GetRetention), wire.Void(runRetention, s.RunRetention)}
}

// GetRetention says what is kept, and what would go of the caller's account.
func (s *Service) GetRetention(ctx context.Context, _ *GetRetentionInput) (*GetRetentionOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("plan the cleaning without a caller")
	}
	plan, err := s.Cleaning.Plan(ctx, caller.Account)
	if err != nil {
		return nil, err
	}
	p := s.Cleaning.Kept()
	out := &GetRetentionOutput{Plan: plan, Kept: KeptFor{
		Words: p.String(), DeploymentsAge: p.Deployments.Age.String(), DeploymentsCount: p.Deployments.Count, LogsAge: p.Logs.Age.String(), LogsBytes: p.Logs.Bytes,
		RevisionsAge: p.Revisions.Age.String(), RevisionsCount: p.Revisions.Count,
	}}
	if last := s.Cleaning.Last(); !last.Began.IsZero() {
		out.Last = &last
	}
	return out, nil
}

// RunRetention asks for a round of cleaning and does not wait for it.
func (s *Service) RunRetention(context.Context, *RunRetentionInput) error {
	s.Cleaning.Wake()
	return nil
}

// Retention asks what is kept, and what would go now.
func (c *Client) Retention(ctx context.Context) (GetRetentionOutput, error) {
	var out GetRetentionOutput
	if err := c.call(ctx, getRetention, GetRetentionInput{}, &out); err != nil {
		return GetRetentionOutput{}, fmt.Errorf("ask what would be cleaned up: %w", err)
	}
	return out, nil
}

// RunRetention asks for a round of cleaning.
func (c *Client) RunRetention(ctx context.Context) error {
	if err := c.call(ctx, runRetention, RunRetentionInput{}, nil); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}
