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

// encoded is a place to write an answer, which is used again.
type encoded struct {
	buffer bytes.Buffer
	json   *json.Encoder
}

// mostKept bounds the places that are kept for the next answer, in bytes.
const mostKept = 64 << 10

func newEncoded() any {
	e := &encoded{}
	e.json = json.NewEncoder(&e.buffer)
	e.json.SetEscapeHTML(false)
	return e
}

// body is what was encoded; nil: nothing. It holds until release.
func (e *encoded) body() []byte {
	if e == nil {
		return nil
	}
	return bytes.TrimSuffix(e.buffer.Bytes(), []byte("\n"))
}

// encode writes an output structure as JSON. Angle brackets stay as they are: the answer is never part of a page. Whoever has the result releases it.
func (h *Handler) encode(out any) (*encoded, error) {
	e, ok := h.answers.Get().(*encoded)
	if !ok {
		return nil, errors.New("encode the output: the pool holds something else")
	}
	if err := e.json.Encode(out); err != nil {
		return nil, fmt.Errorf("encode the output: %w", err) // an Encoder that failed goes on failing
	}
	return e, nil
}

// release gives the place of an answer that was written to the next one.
func (h *Handler) release(e *encoded) {
	if e == nil || e.buffer.Cap() > mostKept {
		return
	}
	e.buffer.Reset()
	h.answers.Put(e)
}

func (h *Handler) succeed(ctx context.Context, w http.ResponseWriter, body []byte) Outcome {
	h.write(ctx, w, http.StatusOK, body)
	return Outcome{RequestID: RequestID(ctx), Status: http.StatusOK}
}

// fail writes an error. Route is nil when no operation ran.
func (h *Handler) fail(ctx context.Context, w http.ResponseWriter, route *Route, err error) Outcome {
	answer, fault := h.judge(ctx, route, err)
	e, encodeErr := h.encode(struct {
		Type    wire.Code `json:"__type"`
		Message string    `json:"message"`
	}{answer.Code, answer.Message})
	defer h.release(e)
	body := e.body()
	if encodeErr != nil {
		h.cfg.Log.ErrorContext(ctx, "an error could not be encoded", slog.String("requestId", RequestID(ctx)), slog.Any("error", encodeErr))
		body = []byte(`{"__type":"` + string(InternalFailure) + `"}`)
	}
	w.Header()["X-Amzn-Errortype"] = []string{string(answer.Code)}
	h.write(ctx, w, answer.Status, body)
	return Outcome{RequestID: RequestID(ctx), Status: answer.Status, Code: answer.Code, Fault: fault}
}

func (h *Handler) write(ctx context.Context, w http.ResponseWriter, status int, body []byte) {
	// The names are in canonical form already, and the three values share their room.
	head, values := w.Header(), []string{contentType, RequestID(ctx), strconv.Itoa(len(body))}
	head["Content-Type"], head["X-Amzn-Requestid"], head["Content-Length"] = values[0:1:1], values[1:2:2], values[2:3:3]
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
