package operator

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"crossfade/internal/auth"
	"crossfade/internal/deploy"
	"crossfade/internal/eventlog"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const getEventLogs = "GetEventLogs"

const (
	// logPage is how many chunks an answer has at most; a chunk is what a host sends at a time, of at most 8 KiB.
	logPage = 100
	// tailMost is how many last lines can be asked for.
	tailMost = 1000
)

// GetEventLogsInput asks for what lifecycle events of a deployment have written. Only the deployment is required.
type GetEventLogsInput struct {
	DeploymentID *string `json:"deploymentId,omitzero"`
	Target       *string `json:"targetId,omitzero"`
	Event        *string `json:"lifecycleEventName,omitzero"`
	// NextToken is of an earlier answer: reading goes on where that ended.
	NextToken *string `json:"nextToken,omitzero"`
	// Tail asks for so many of the last lines instead of the first page, at most 1000; 0: for the first page.
	Tail *int64 `json:"tail,omitzero"`
}

// GetEventLogsOutput is a page of logs in the order in which they came.
type GetEventLogsOutput struct {
	Logs []eventlog.Chunk `json:"logs"`
	// NextToken is set when there is more. For what comes later, follow the logs.
	NextToken *string `json:"nextToken,omitzero"`
	// Status is how the deployment stood before the logs were read.
	Status string `json:"status"`
}

// Validate implements wire.Input.
func (in *GetEventLogsInput) Validate() (broken []wire.Violation) {
	if in.DeploymentID == nil || *in.DeploymentID == "" {
		broken = append(broken, wire.Violation{Path: "deploymentId", Shape: "DeploymentId", Member: "deploymentId", Rule: wire.Required, Detail: "name the deployment"})
	}
	if in.Tail != nil && (*in.Tail < 0 || *in.Tail > tailMost) {
		broken = append(broken, wire.Violation{Path: "tail", Shape: "Tail", Member: "tail", Rule: wire.OutOfRange, Detail: fmt.Sprintf("ask for 1 to %d lines", tailMost)})
	}
	return broken
}

func logOperations(s *Service) []wire.Operation {
	return []wire.Operation{wire.Op(getEventLogs, s.GetEventLogs, control.DeploymentDoesNotExistException, control.InvalidNextTokenException)}
}

// GetEventLogs reads a page of a deployment's logs.
func (s *Service) GetEventLogs(ctx context.Context, in *GetEventLogsInput) (*GetEventLogsOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("read logs without a caller")
	}
	d, err := s.Logs.Deployment(ctx, caller.Account, *in.DeploymentID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, wire.Errorf(control.DeploymentDoesNotExistException, "The deployment %.64q could not be found.", *in.DeploymentID)
	}
	if err != nil {
		return nil, fmt.Errorf("read deployment %s: %w", *in.DeploymentID, err)
	}
	q := store.EventLogQuery{DeploymentID: *in.DeploymentID, Limit: logPage + 1}
	if in.Target != nil {
		q.Target = *in.Target
	}
	if in.Event != nil {
		q.Event = deploy.EventName(*in.Event)
	}
	if in.NextToken != nil && *in.NextToken != "" {
		if q.After, err = strconv.ParseInt(*in.NextToken, 10, 64); err != nil || q.After < 0 {
			return nil, wire.Errorf(control.InvalidNextTokenException, "The next token %.64q was not given by GetEventLogs.", *in.NextToken)
		}
	}
	tail := 0
	if in.Tail != nil && *in.Tail > 0 {
		tail, q.Last, q.Limit = int(*in.Tail), true, int(*in.Tail)
	}
	chunks, err := s.Logs.EventLog(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &GetEventLogsOutput{Logs: []eventlog.Chunk{}, Status: string(d.State.Status)}
	for i, c := range chunks {
		if tail == 0 && i == logPage {
			out.NextToken = new(strconv.FormatInt(chunks[i-1].Position, 10))
			break
		}
		out.Logs = append(out.Logs, eventlog.Of(c))
	}
	if tail > 0 {
		out.Logs = eventlog.LastLines(out.Logs, tail)
	}
	return out, nil
}
