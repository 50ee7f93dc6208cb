package awsjson

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"crossfade/internal/wire"
)

// contentType of every answer that has a body, and of successes without one.
const contentType = "application/x-amz-json-1.1"

// defaultMaxBody is the largest body that ServeHTTP reads, in bytes.
const defaultMaxBody = 1 << 20

// Config is what a Handler is made of.
type Config struct {
	Services []wire.Service
	Log      *slog.Logger
	// NewRequestID returns a fresh request id, a UUID, for a request whose context carries none.
	NewRequestID func() string
	// Authorize decides, after the parse and before all other checks, whether the caller named in the context may run the operation on what
	// the input names. Nil allows everything. It answers a refusal with a *wire.Error, usually AccessDenied.
	Authorize func(ctx context.Context, route Route, in wire.Input) error
	// Explain turns a broken model constraint into the exception that the operation declares for it. The first non-nil answer ends the
	// request; nil leaves that violation to the operation, which then checks it in an order of its own. A nil Explain answers every violation
	// with ValidationException.
	Explain func(route Route, v wire.Violation) error
	// Strict answers InternalFailure when an operation returns an exception that it does not declare. Tests set it; in service the
	// exception is passed on, since it still says what is wrong, and logged as an error.
	Strict bool
}

// Route is an operation that was found.
type Route struct {
	Service *wire.Service
	Op      *wire.Operation
}

// Outcome says what was answered, for audit lines and metrics.
type Outcome struct {
	RequestID string
	Status    int
	// Code is the exception's name, empty on success.
	Code wire.Code
	// Fault is what went wrong when Code is InternalFailure.
	Fault error
}

// Handler serves operations.
type Handler struct {
	cfg    Config
	routes map[string]Route
	// answers are places to encode answers in.
	answers sync.Pool
}

// New returns a handler for the services. Two services may not claim the same target.
func New(cfg Config) (*Handler, error) {
	if cfg.Log == nil || cfg.NewRequestID == nil {
		return nil, errors.New("make an awsjson handler: Log and NewRequestID are required")
	}
	h := &Handler{cfg: cfg, routes: map[string]Route{}, answers: sync.Pool{New: newEncoded}}
	for i := range cfg.Services {
		svc := &cfg.Services[i]
		for _, prefix := range svc.TargetPrefixes {
			for j := range svc.Operations {
				op := &svc.Operations[j]
				target := prefix + "." + op.Name
				if _, taken := h.routes[target]; taken {
					return nil, fmt.Errorf("make an awsjson handler: two operations answer to the target %s", target)
				}
				h.routes[target] = Route{Service: svc, Op: op}
			}
		}
	}
	return h, nil
}

// Lookup finds the operation that the value of an X-Amz-Target header names.
func (h *Handler) Lookup(target string) (Route, bool) {
	r, ok := h.routes[target]
	return r, ok
}

// UnknownTarget returns the error for a target that Lookup does not find.
func UnknownTarget(target string) error {
	if target == "" {
		return wire.Errorf(UnknownOperation, "The X-Amz-Target header is missing; it names the operation, as in CodeDeploy_20141006.GetDeployment.")
	}
	return wire.Errorf(UnknownOperation, "The X-Amz-Target header names %q, which is no operation of this endpoint.", clip(target))
}

type requestIDKey struct{}

// identified is a context that carries the request id.
type identified struct {
	context.Context
	id string
}

// Value implements context.Context.
func (i *identified) Value(key any) any {
	if key == (requestIDKey{}) {
		return i
	}
	return i.Context.Value(key)
}

// WithRequestID gives a request its id, so that the edge's own lines carry the one that the caller gets.
func WithRequestID(ctx context.Context, id string) context.Context {
	return &identified{ctx, id}
}

// RequestID returns the id of the request, empty outside of one.
func RequestID(ctx context.Context) string {
	if i, ok := ctx.Value(requestIDKey{}).(*identified); ok {
		return i.id
	}
	return ""
}

// withID makes sure that the context carries a request id.
func (h *Handler) withID(ctx context.Context) context.Context {
	if RequestID(ctx) != "" {
		return ctx
	}
	return WithRequestID(ctx, h.cfg.NewRequestID())
}

// ServeHTTP serves a request by itself, without authentication: it reads the body and does what Lookup, Serve and Refuse do. An edge that
// authenticates calls those instead.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := h.withID(r.Context())
	target := r.Header.Get("X-Amz-Target")
	route, ok := h.Lookup(target)
	if !ok || r.Method != http.MethodPost {
		h.Refuse(ctx, w, UnknownTarget(target))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, defaultMaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			err = wire.Errorf(RequestEntityTooLarge, "The body is larger than %d bytes.", tooLarge.Limit)
		} else {
			err = wire.Errorf(Serialization, "The body could not be read to its end.")
		}
		h.Refuse(ctx, w, err)
		return
	}
	h.Serve(ctx, w, route, body)
}

// Serve parses the body, authorises, checks and runs the operation, and writes the answer. It recovers from a panic of the operation. The
// context carries the principal and, if the edge made one, the request id.
func (h *Handler) Serve(ctx context.Context, w http.ResponseWriter, route Route, body []byte) Outcome {
	ctx = h.withID(ctx)
	answer, err := h.run(ctx, route, body)
	if err != nil {
		return h.fail(ctx, w, &route, err)
	}
	defer h.release(answer)
	return h.succeed(ctx, w, answer.body())
}

// Refuse writes an error in the protocol's form, for what is refused before an operation runs. An error that is no *wire.Error becomes
// InternalFailure.
func (h *Handler) Refuse(ctx context.Context, w http.ResponseWriter, err error) Outcome {
	return h.fail(h.withID(ctx), w, nil, err)
}

// run returns the encoded answer; nil: it has no body.
func (h *Handler) run(ctx context.Context, route Route, body []byte) (answer *encoded, err error) {
	defer func() {
		if p := recover(); p != nil {
			answer, err = nil, fmt.Errorf("panic in %s: %v\n%s", route.Op.Name, p, debug.Stack())
		}
	}()
	in := route.Op.New()
	if err := Decode(body, in); err != nil {
		return nil, err
	}
	if h.cfg.Authorize != nil {
		if err := h.cfg.Authorize(ctx, route, in); err != nil {
			return nil, err
		}
	}
	for _, v := range in.Validate() {
		if err := h.explain(route, v); err != nil {
			return nil, err
		}
	}
	out, err := route.Op.Call(ctx, in)
	if err != nil || !route.Op.HasOutput {
		return nil, err
	}
	return h.encode(out)
}

func (h *Handler) explain(route Route, v wire.Violation) error {
	if h.cfg.Explain == nil {
		return wire.Errorf(Validation, "%s.", strings.TrimSuffix(v.String(), "."))
	}
	return h.cfg.Explain(route, v)
}
