package operator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"crossfade/internal/awsjson/client"
	"crossfade/internal/eventlog"
	"crossfade/internal/sigv4"
	"crossfade/internal/sse"
)

// LogsPath is where the stream of logs is.
const LogsPath = "/logs"

// longestChunk bounds a line of the stream, in bytes: a payload with all its characters escaped.
const longestChunk = 1 << 20

// The times between two tries to open the stream again.
const (
	quickRetry = 250 * time.Millisecond
	slowRetry  = 10 * time.Second
)

// LogQuery selects logs of a deployment. Empty members select everything.
type LogQuery struct {
	DeploymentID string // required
	Target       string
	Event        string
	After        int64 // a position; 0: from the beginning
}

// EventLogs reads the logs that there are now, page by page.
func (c *Client) EventLogs(ctx context.Context, q LogQuery, tell func(eventlog.Chunk) error) error {
	in := GetEventLogsInput{DeploymentID: &q.DeploymentID, Target: filled(q.Target), Event: filled(q.Event)}
	if q.After > 0 {
		in.NextToken = new(strconv.FormatInt(q.After, 10))
	}
	for {
		out, err := c.eventLogs(ctx, in)
		if err != nil {
			return err
		}
		for _, l := range out.Logs {
			if err := tell(l); err != nil {
				return err
			}
		}
		if out.NextToken == nil {
			return nil
		}
		in.NextToken = out.NextToken
	}
}

// LastEventLogs reads the last lines, at most n.
func (c *Client) LastEventLogs(ctx context.Context, q LogQuery, n int) ([]eventlog.Chunk, error) {
	out, err := c.eventLogs(ctx, GetEventLogsInput{DeploymentID: &q.DeploymentID, Target: filled(q.Target), Event: filled(q.Event), Tail: new(int64(n))})
	return out.Logs, err
}

func (c *Client) eventLogs(ctx context.Context, in GetEventLogsInput) (out GetEventLogsOutput, err error) {
	if err := c.call(ctx, getEventLogs, in, &out); err != nil {
		return GetEventLogsOutput{}, fmt.Errorf("read the logs of deployment %s: %w", *in.DeploymentID, err)
	}
	return out, nil
}

func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// LogTeller is told what a stream of logs brings. An error ends the following.
type LogTeller interface {
	Chunk(eventlog.Chunk) error
	// Trouble says that the server can't be asked for now, and nil that it can again.
	Trouble(error) error
}

// FollowEventLogs reads logs as they are written until the deployment has ended, and returns how it stands then. A server that does not answer, or breaks
// off, is asked again after a wait, which returns the context's error when that ends first.
func (c *Client) FollowEventLogs(ctx context.Context, q LogQuery, t LogTeller, wait func(context.Context, time.Duration) error) (status string, err error) {
	pause, troubled := quickRetry, false
	for {
		opened, status, err := c.followOnce(ctx, &q, t, func() error {
			if !troubled {
				return nil
			}
			troubled = false
			return t.Trouble(nil)
		})
		var may *client.Trouble
		switch {
		case err == nil:
			return status, nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case !errors.As(err, &may):
			return "", err
		}
		if opened {
			pause = quickRetry
		}
		if !troubled {
			troubled = true
			if err := t.Trouble(fmt.Errorf("read the logs of deployment %s: %w", q.DeploymentID, err)); err != nil {
				return "", err
			}
		}
		if err := wait(ctx, pause); err != nil {
			return "", err
		}
		pause = min(2*pause, slowRetry)
	}
}

// followOnce follows one connection to its end. The error is a *client.Trouble when another try may have another end.
func (c *Client) followOnce(ctx context.Context, q *LogQuery, t LogTeller, open func() error) (opened bool, status string, err error) {
	query := url.Values{"deploymentId": {q.DeploymentID}, "follow": {"true"}}
	for name, value := range map[string]string{"targetId": q.Target, "lifecycleEventName": q.Event} {
		if value != "" {
			query.Set(name, value)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(c.Endpoint, "/")+LogsPath+"?"+query.Encode(), nil)
	if err != nil {
		return false, "", err
	}
	r.Header.Set("Accept", sse.ContentType)
	if q.After > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatInt(q.After, 10))
	}
	sigv4.Sign(r, c.Credential, c.Region, SigningName, sigv4.Hash(nil), c.Now())
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return false, "", &client.Trouble{Err: err}
	}
	defer answer.Body.Close()
	if err := c.refused(answer); err != nil {
		return false, "", err
	}
	if err := open(); err != nil {
		return true, "", err
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 0, 64<<10), longestChunk)
	event := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "":
			event = "" // the end of an event, or a comment
		case name == "event":
			event = value
		case name == "data" && event == "end":
			var end eventlog.End
			if err := json.Unmarshal([]byte(value), &end); err != nil {
				return true, "", fmt.Errorf("read the end of the stream of logs: %w", err)
			}
			return true, end.Status, nil
		case name == "data":
			var chunk eventlog.Chunk
			if err := json.Unmarshal([]byte(value), &chunk); err != nil {
				return true, "", fmt.Errorf("read an event of the stream of logs: %w", err)
			}
			if err := t.Chunk(chunk); err != nil {
				return true, "", err
			}
			q.After = chunk.Position
		}
	}
	err = lines.Err()
	if err == nil {
		err = errors.New("the stream of logs was cut off")
	}
	return true, "", &client.Trouble{Err: err}
}

// refused makes an error of an answer that is no stream.
func (c *Client) refused(answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		if strings.HasPrefix(answer.Header.Get("Content-Type"), sse.ContentType) {
			return nil
		}
		return fmt.Errorf("the answer is no stream of logs: is %s a Crossfade server of this version?", c.Endpoint)
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return &client.Trouble{Err: fmt.Errorf("read the answer: %w", err)}
	}
	said := strings.TrimSpace(string(content))
	var refusal struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	err = fmt.Errorf("the server answers %s: %s", answer.Status, said)
	if json.Unmarshal(content, &refusal) == nil && refusal.Type != "" {
		err = &Refusal{Code: refusal.Type, Message: refusal.Message}
	}
	if answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests {
		return &client.Trouble{Err: err}
	}
	return err
}
