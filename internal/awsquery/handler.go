package awsquery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode"

	"crossfade/internal/awsjson"
	"crossfade/internal/wire"
)

// Config is what a Handler is made of.
type Config struct {
	Services []wire.Service
	Log      *slog.Logger
	// Authorize decides, after the parse and before all other checks, whether the caller named in the context may run the operation on what
	// the input names. Nil allows everything. It answers a refusal with a *wire.Error, usually AccessDenied.
	Authorize func(ctx context.Context, route awsjson.Route, in wire.Input) error
	// Strict answers InternalFailure when an operation returns an exception that it does not declare. Tests set it; in service the exception is
	// passed on and logged as an error.
	Strict bool
}

// Handler serves operations.
type Handler struct {
	cfg    Config
	routes map[string]awsjson.Route // by Version and Action
}

// New returns a handler for the services. Two services may not have the same operation of the same version.
func New(cfg Config) (*Handler, error) {
	if cfg.Log == nil {
		return nil, errors.New("make an awsquery handler: Log is required")
	}
	h := &Handler{cfg: cfg, routes: map[string]awsjson.Route{}}
	for i := range cfg.Services {
		svc := &cfg.Services[i]
		for j := range svc.Operations {
			op := &svc.Operations[j]
			key := svc.Version + " " + op.Name
			if _, taken := h.routes[key]; taken {
				return nil, fmt.Errorf("make an awsquery handler: two operations are %s of version %s", op.Name, svc.Version)
			}
			h.routes[key] = awsjson.Route{Service: svc, Op: op}
		}
	}
	return h, nil
}

// Lookup finds the operation that a form names. The error is a *wire.Error.
func (h *Handler) Lookup(form Form) (awsjson.Route, error) {
	action, version := form["Action"], form["Version"]
	if action == "" {
		return awsjson.Route{}, wire.Errorf(MissingAction, "The parameter Action is missing; it names the operation, as in GetCallerIdentity.")
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	route, ok := h.routes[version+" "+action]
	if !ok {
		return awsjson.Route{}, wire.Errorf(InvalidAction, "Could not find operation %s for version %s.", clip(action), clip(version))
	}
	return route, nil
}

// Serve authorises, checks and runs the operation, and writes the answer. It recovers from a panic of the operation. The context carries the caller
// and the request id.
func (h *Handler) Serve(ctx context.Context, w http.ResponseWriter, route awsjson.Route, form Form) awsjson.Outcome {
	body, err := h.run(ctx, route, form)
	if err != nil {
		return h.Refuse(ctx, w, route, err)
	}
	h.write(ctx, w, http.StatusOK, body)
	return awsjson.Outcome{RequestID: awsjson.RequestID(ctx), Status: http.StatusOK}
}

func (h *Handler) run(ctx context.Context, route awsjson.Route, form Form) (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, fmt.Errorf("panic in %s: %v\n%s", route.Op.Name, p, debug.Stack())
		}
	}()
	in := route.Op.New()
	if err := Decode(form, in); err != nil {
		return nil, err
	}
	if h.cfg.Authorize != nil {
		if err := h.cfg.Authorize(ctx, route, in); err != nil {
			return nil, err
		}
	}
	if err := Violated(in.Validate()); err != nil {
		return nil, err
	}
	out, err := route.Op.Call(ctx, in)
	if err != nil {
		return nil, err
	}
	return encode(route.Op.Name, route.Service.Namespace, awsjson.RequestID(ctx), out)
}

// Violated is the ValidationError for broken constraints, in the form that IAM's and STS's have; nil when there are none.
func Violated(broken []wire.Violation) error {
	if len(broken) == 0 {
		return nil
	}
	texts := make([]string, len(broken))
	for i, v := range broken {
		detail := v.Detail
		if v.Rule == wire.Required {
			detail = "must not be null"
		}
		texts[i] = "Value at '" + lower(v.Path) + "' failed to satisfy constraint: Member " + detail
	}
	count := "1 validation error"
	if len(broken) > 1 {
		count = strconv.Itoa(len(broken)) + " validation errors"
	}
	return wire.Errorf(ValidationError, "%s detected: %s", count, strings.Join(texts, "; "))
}

// lower makes the names in a path begin with a small letter, as those messages do.
func lower(path string) string {
	first := true
	return strings.Map(func(r rune) rune {
		if first {
			r = unicode.ToLower(r)
		}
		first = r == '.'
		return r
	}, path)
}

// Refuse writes an error. The route is the zero value when no operation was found. An error that is no *wire.Error becomes InternalFailure.
func (h *Handler) Refuse(ctx context.Context, w http.ResponseWriter, route awsjson.Route, err error) awsjson.Outcome {
	id := awsjson.RequestID(ctx)
	answer, fault := h.judge(ctx, route, err)
	namespace := ""
	if route.Service != nil {
		namespace = route.Service.Namespace
	}
	body, encodeErr := encodeError(namespace, id, string(answer.Code), answer.Message, answer.Status)
	if encodeErr != nil {
		h.cfg.Log.ErrorContext(ctx, "an error could not be encoded", "requestId", id, "error", encodeErr)
	}
	h.write(ctx, w, answer.Status, body)
	return awsjson.Outcome{RequestID: id, Status: answer.Status, Code: answer.Code, Fault: fault}
}

func (h *Handler) write(ctx context.Context, w http.ResponseWriter, status int, body []byte) {
	head := w.Header()
	head.Set("Content-Type", "text/xml")
	head.Set("x-amzn-RequestId", awsjson.RequestID(ctx))
	head.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		// The caller is gone; the operation has happened all the same.
		h.cfg.Log.DebugContext(ctx, "an answer could not be written", "requestId", awsjson.RequestID(ctx), "error", err)
	}
}

// judge turns any error into the one that the caller gets, with its HTTP status, and logs what an operator must know of. Fault is the cause of an
// InternalFailure.
func (h *Handler) judge(ctx context.Context, route awsjson.Route, err error) (answer wire.Error, fault error) {
	var known *wire.Error
	if !errors.As(err, &known) {
		return h.unexpected(ctx, route, err)
	}
	answer = *known
	if name, status, ok := common(answer.Code); ok {
		answer.Code = name
		if answer.Status == 0 {
			answer.Status = status
		}
		return answer, nil
	}
	if route.Op == nil || !route.Op.Declares(answer.Code) {
		undeclared := fmt.Errorf("an exception that the operation does not declare: %w", err)
		if route.Op == nil || h.cfg.Strict {
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
func (h *Handler) unexpected(ctx context.Context, route awsjson.Route, err error) (wire.Error, error) {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return wire.Error{Code: awsjson.ServiceUnavailable, Status: http.StatusServiceUnavailable, Message: "The request could not be finished in time; try again."}, err
	}
	h.logFault(ctx, route, err)
	return wire.Error{
		Code: awsjson.InternalFailure, Status: http.StatusInternalServerError,
		Message: "An unexpected fault happened; the server's log names it under request id " + awsjson.RequestID(ctx) + ".",
	}, err
}

func (h *Handler) logFault(ctx context.Context, route awsjson.Route, err error) {
	name := ""
	if route.Op != nil {
		name = route.Op.Name
	}
	h.cfg.Log.ErrorContext(ctx, "an operation went wrong", "operation", name, "requestId", awsjson.RequestID(ctx), "error", err)
}
