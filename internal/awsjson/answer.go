package awsjson

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"crossfade/internal/wire"
)

// encode writes an output structure as JSON. Angle brackets stay as they are: the answer is never part of a page.
func encode(out any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, fmt.Errorf("encode the output: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (h *Handler) succeed(ctx context.Context, w http.ResponseWriter, route Route, body []byte) Outcome {
	h.write(ctx, w, http.StatusOK, body)
	return Outcome{RequestID: RequestID(ctx), Status: http.StatusOK}
}

// fail writes an error. Route is nil when no operation ran.
func (h *Handler) fail(ctx context.Context, w http.ResponseWriter, route *Route, err error) Outcome {
	answer, fault := h.judge(ctx, route, err)
	body, encodeErr := encode(struct {
		Type    wire.Code `json:"__type"`
		Message string    `json:"message"`
	}{answer.Code, answer.Message})
	if encodeErr != nil {
		h.cfg.Log.ErrorContext(ctx, "an error could not be encoded", slog.String("requestId", RequestID(ctx)), slog.Any("error", encodeErr))
		body = []byte(`{"__type":"` + string(InternalFailure) + `"}`)
	}
	w.Header().Set("x-amzn-ErrorType", string(answer.Code))
	h.write(ctx, w, answer.Status, body)
	return Outcome{RequestID: RequestID(ctx), Status: answer.Status, Code: answer.Code, Fault: fault}
}

func (h *Handler) write(ctx context.Context, w http.ResponseWriter, status int, body []byte) {
	head := w.Header()
	head.Set("Content-Type", contentType)
	head.Set("x-amzn-RequestId", RequestID(ctx))
	head.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		// The caller is gone; the operation has happened all the same.
		h.cfg.Log.DebugContext(ctx, "an answer could not be written", slog.String("requestId", RequestID(ctx)), slog.Any("error", err))
	}
}

// judge turns any error into the one that the caller gets, with its HTTP status, and logs what an operator must know of. Fault is the cause
// of an InternalFailure.
func (h *Handler) judge(ctx context.Context, route *Route, err error) (answer wire.Error, fault error) {
	var known *wire.Error
	if !errors.As(err, &known) {
		return h.unexpected(ctx, route, err)
	}
	answer = *known
	if status, common := commonStatus(answer.Code); common {
		if answer.Status == 0 {
			answer.Status = status
		}
		return answer, nil
	}
	if route == nil || !route.Op.Declares(answer.Code) {
		undeclared := fmt.Errorf("an exception that the operation does not declare: %w", err)
		if route == nil || h.cfg.Strict {
			return h.unexpected(ctx, route, undeclared)
		}
		h.logFault(ctx, route, undeclared)
	}
	if answer.Status == 0 {
		answer.Status = route.Service.Status(answer.Code)
	}
	return answer, nil
}

// unexpected answers for a fault of ours. Its text is for the operator; the caller gets the request id to name it by.
func (h *Handler) unexpected(ctx context.Context, route *Route, err error) (wire.Error, error) {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return wire.Error{
			Code: ServiceUnavailable, Status: http.StatusServiceUnavailable,
			Message: "The request could not be finished in time; try again.",
		}, err
	}
	h.logFault(ctx, route, err)
	return wire.Error{
		Code: InternalFailure, Status: http.StatusInternalServerError,
		Message: "An unexpected fault happened; the server's log names it under request id " + RequestID(ctx) + ".",
	}, err
}

func (h *Handler) logFault(ctx context.Context, route *Route, err error) {
	name := ""
	if route != nil {
		name = route.Op.Name
	}
	h.cfg.Log.ErrorContext(ctx, "an operation went wrong",
		slog.String("operation", name), slog.String("requestId", RequestID(ctx)), slog.Any("error", err))
}
