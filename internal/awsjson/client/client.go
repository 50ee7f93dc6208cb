// Package client is the calling end of an awsJson1_1 service: it signs one operation's input, sends it, and tells an answer, a refusal and trouble
// apart. It knows no operation and tries nothing again; that is its callers' to decide. A [Client] is safe for concurrent use.
package client

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
)

// Client calls one service. All members are required.
type Client struct {
	Endpoint   string // base URL
	Region     string
	Service    string // in the credential scope
	Target     string // what X-Amz-Target begins with, up to the dot
	Credential sigv4.Credential
	HTTP       *http.Client
	Now        func() time.Time
	MaxAnswer  int64 // bytes that are read of an answer
}

// Refusal is the server's final answer other than success.
type Refusal struct {
	Code    string
	Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

// Trouble is an error that may be over at the next try: no connection, no whole answer, or a server in trouble.
type Trouble struct{ Err error }

func (e *Trouble) Error() string { return e.Err.Error() }
func (e *Trouble) Unwrap() error { return e.Err }

// Call calls an operation. A nil out takes no answer. The error is a *Refusal, a *Trouble, or says that the answer is none of a Crossfade server.
func (c *Client) Call(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(c.Endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", c.Target+"."+operation)
	sigv4.Sign(r, c.Credential, c.Region, c.Service, sigv4.Hash(body), c.Now())
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return &Trouble{err}
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, c.MaxAnswer))
	switch {
	case err != nil:
		return &Trouble{fmt.Errorf("read the answer: %w", err)}
	case answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests:
		return &Trouble{refusal(answer.Status, content)}
	case answer.StatusCode != http.StatusOK:
		return refusal(answer.Status, content)
	case out == nil:
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
