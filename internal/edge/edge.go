// Package edge is the one endpoint: it takes every request, finds out which service it is for, verifies its signature, and hands it on.
//
// It owns the order of the checks (size, target, signature; parsing, authorisation and the operation follow behind the codec), the limits, the
// request id on every answer, the audit line of each call that changes something, and draining. Which service a request is for is said by its
// X-Amz-Target or its path, and the credential scope of its signature must agree. It knows no operation's meaning.
package edge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crossfade/internal/audit"
	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/awsquery"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
)

// MaxJSONBody is the largest body of a call of a JSON service.
const MaxJSONBody = 1 << 20

// bodyTime is how long a client may take to send a JSON body, and any body that is not read.
const bodyTime = 30 * time.Second

// atFirst is how much room a JSON body gets before any of it has come, in bytes.
const atFirst = 16 << 10

// mostKept bounds the room for a body that is kept for the next one, in bytes: a held poll holds it too.
const mostKept = 2 << 10

// Objects is the S3 part. The edge has verified the request before ServeObject, and judges the body while ServeObject reads it.
type Objects interface {
	// About says what an S3 request asks for, and of which objects.
	About(r *http.Request) auth.Objects
	// ServeObject serves what About said of the request, which was decided on, and nothing else: what a host name addresses may change meanwhile.
	ServeObject(w http.ResponseWriter, r *http.Request, about auth.Objects, body *sigv4.Body)
	// Refuse answers with an error in S3's form.
	Refuse(w http.ResponseWriter, r *http.Request, code, message string)
}

// Principals finds whose access key signed.
type Principals interface {
	Principal(ctx context.Context, accessKeyID, sessionToken string) (auth.Principal, error)
}

// Read is a page that only those may read who have signed their request.
type Read struct {
	Operation string // for authorisation and metrics, as in GetEvents
	Handler   http.Handler
}

// Observe is told of every answered call, for metrics.
type Observe func(service, operation, code string, took time.Duration)

// Config is what an Edge needs. All of it but Query and Reads is required.
type Config struct {
	JSON    *awsjson.Handler
	Query   *awsquery.Handler
	Objects Objects
	// Pages are the paths that need no signature: /healthz, /readyz, /metrics, and GET / for agents that look whether anybody is there.
	Pages map[string]http.Handler
	// Reads are the paths that are read with GET and need a signature whose scope says crossfade; a request signed for S3 goes to S3 all the
	// same. nil: there are none. The request's context carries the caller, and ends when the endpoint is drained.
	Reads      map[string]Read
	Verifier   *sigv4.Verifier
	Principals Principals
	// Authorize decides whether the context's caller has the permissions; a *auth.DeniedError is a refusal.
	Authorize    func(ctx context.Context, needed ...auth.Access) error
	NewRequestID func() string
	Observe      Observe
	Log          *slog.Logger
	// Audit takes an entry for each call that may change something and for each that was denied; nil: nobody does.
	Audit func(audit.Entry)
	// Limits bound calls; the zero value bounds none.
	Limits Limits
}

// Edge is the endpoint's handler.
type Edge struct {
	cfg      Config
	bodyTime time.Duration
	draining atomic.Bool
	bodies   sync.Pool // of *bytes.Buffer
	drained  context.Context
	drain    context.CancelFunc
}

// New makes the endpoint.
func New(c Config) *Edge {
	e := &Edge{cfg: c, bodyTime: bodyTime}
	e.drained, e.drain = context.WithCancel(context.Background())
	return e
}

// Drain refuses what comes from now on and answers held polls. The calls under way go on: http.Server.Shutdown waits for them.
func (e *Edge) Drain() {
	e.draining.Store(true)
	e.drain()
}

// ServeHTTP implements http.Handler.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := e.cfg.NewRequestID()
	w.Header()["X-Amzn-Requestid"] = []string{id} // its canonical form
	r = r.WithContext(auth.WithDecisions(awsjson.WithRequestID(r.Context(), id)))
	if r.ContentLength != 0 {
		// Before it answers, the HTTP server waits for what is left of a body, and it waits for ever.
		if err := e.bodyBy(w, time.Now().Add(e.bodyTime)); err != nil {
			panic(http.ErrAbortHandler) // the connection is broken
		}
	}
	signed := r.Header.Get("Authorization") != "" || r.URL.Query().Has("X-Amz-Signature")
	if page, ok := e.cfg.Pages[r.URL.Path]; ok && !signed && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		page.ServeHTTP(w, r)
		return
	}
	c := &call{edge: e, r: r, begun: time.Now(), answer: statusWriter{ResponseWriter: w}}
	c.w = &c.answer
	defer c.done()
	read, ok := e.cfg.Reads[r.URL.Path]
	switch {
	case ok && r.Method == http.MethodGet && r.Header.Get("X-Amz-Target") == "" && !c.signedForS3():
		c.read(read)
	case e.cfg.Query != nil && c.looksLikeQuery():
		c.query()
	case r.Header.Get("X-Amz-Target") != "" || !c.looksLikeS3():
		c.json()
	default:
		c.objects()
	}
}

// call is one request on its way.
type call struct {
	edge  *Edge
	w     *statusWriter // answer
	r     *http.Request
	begun time.Time

	answer statusWriter
	body   *bytes.Buffer // of a JSON or a query call; nil: it was not read
	from   string        // address; empty: nobody has asked for it

	service, operation string
	caller             auth.Caller
	code               string // of the refusal, empty on success
	changes            bool   // the call may change something
	// refusedSignature says that the signature did not hold; refusedKey is the key that it claims.
	refusedSignature bool
	refusedKey       string
}

// looksLikeS3 tells requests without a target apart: S3 has paths and methods, and the scope of its signature says s3.
func (c *call) looksLikeS3() bool {
	claim, err := sigv4.Parse(c.r)
	if err == nil {
		return claim.Service == auth.ServiceRevisions
	}
	return c.r.Method != http.MethodPost || c.r.URL.Path != "/"
}

func (c *call) json() {
	e := c.edge
	c.service = "unknown"
	body, err := c.readBody()
	if err != nil {
		c.refuseJSON(err)
		return
	}
	target := c.r.Header.Get("X-Amz-Target")
	route, ok := e.cfg.JSON.Lookup(target)
	if !ok || c.r.Method != http.MethodPost {
		c.refuseJSON(awsjson.UnknownTarget(target))
		return
	}
	c.service, c.operation = route.Service.SigningNames[0], route.Op.Name
	c.changes = changesSomething(c.service, c.operation)
	if e.draining.Load() {
		c.refuseJSON(wire.Errorf(awsjson.ServiceUnavailable, "The server is stopping; try again."))
		return
	}
	if c.service == auth.ServiceOperator && c.operation == auth.RenewHostCredentials {
		c.r = c.r.WithContext(auth.Renewing(c.r.Context()))
	}
	ctx, err := c.authenticate(body, route.Service.SigningNames...)
	if errors.Is(err, errThrottled) && c.service == auth.ServiceHost && c.operation == pollHostCommand {
		c.slowPoll()
		return
	}
	if err != nil {
		c.refuseJSON(err)
		return
	}
	// A poll that is held does not hold up a server that stops.
	if c.service == auth.ServiceHost && c.operation == pollHostCommand || c.operation == auth.FollowTargetGroups {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(e.drained, cancel)()
	}
	c.code = string(e.cfg.JSON.Serve(ctx, c.w, route, body).Code)
}

func (c *call) refuseJSON(err error) {
	ctx := c.r.Context()
	var refused *sigv4.Error
	if errors.As(err, &refused) {
		err = &wire.Error{Code: wire.Code(refused.Code), Message: refused.Message}
	}
	var denied *auth.DeniedError
	if errors.As(err, &denied) {
		err = &wire.Error{Code: awsjson.AccessDenied, Message: denied.Error()}
	}
	if errors.Is(err, errThrottled) {
		err = wire.Errorf(awsjson.Throttling, "%s", rateExceeded)
	}
	c.code = string(c.edge.cfg.JSON.Refuse(ctx, c.w, err).Code)
}

// readBody reads the whole body of a JSON call, no more than it may have. What it returns holds until the call is done.
func (c *call) readBody() ([]byte, error) {
	b, ok := c.edge.bodies.Get().(*bytes.Buffer)
	if !ok {
		b = &bytes.Buffer{}
	}
	c.body = b
	// What is only announced gets no memory. The buffer wants room to see that nothing follows.
	if n := c.r.ContentLength; n > 0 {
		b.Grow(int(min(n, atFirst)) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(http.MaxBytesReader(c.w, c.r.Body, MaxJSONBody)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, wire.Errorf(awsjson.RequestEntityTooLarge, "The body is larger than the %d bytes that a call may have.", tooLarge.Limit)
		}
		return nil, wire.Errorf(awsjson.Serialization, "The body could not be read to its end.")
	}
	// A held poll must outlive the deadline of its body.
	if err := c.edge.bodyBy(c.w, time.Time{}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// bodyBy is until when the request's body must have come; zero: it may take any time. Not every ResponseWriter of a test has deadlines; where there are
// none, the server's own hold.
func (e *Edge) bodyBy(w http.ResponseWriter, end time.Time) error {
	err := http.NewResponseController(w).SetReadDeadline(end)
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// authenticate verifies the signature, for one of the services, and returns a context that carries the caller.
func (c *call) authenticate(body []byte, services ...string) (context.Context, error) {
	v, err := c.verify(body, services...)
	if err != nil {
		return nil, err
	}
	return c.identify(v)
}

func (c *call) verify(body []byte, services ...string) (sigv4.Verified, error) {
	limits, from := c.edge.cfg.Limits, network(c.address())
	if !limits.PerAddress.Allow(from) {
		return sigv4.Verified{}, errThrottled
	}
	v, err := c.edge.cfg.Verifier.Verify(c.r.Context(), c.r, body)
	if err != nil {
		var refused *sigv4.Error
		if errors.As(err, &refused) {
			if !limits.Failures.Allow(from) {
				return v, errThrottled
			}
			c.refusedKey, c.refusedSignature = claimedKey(v.AccessKeyID, refused.Code), true
		}
		return v, err
	}
	if !limits.PerKey.Allow(v.AccessKeyID) {
		return v, errThrottled
	}
	for _, s := range services {
		if v.Service == s {
			return v, nil
		}
	}
	c.refusedKey, c.refusedSignature = v.AccessKeyID, true
	return v, &sigv4.Error{Code: sigv4.InvalidSignature, S3Code: "AuthorizationHeaderMalformed",
		Message: "Credential should be scoped to service " + strings.Join(services, " or ") + ", not " + v.Service + "."}
}

// address is where the request comes from, without the port.
func (c *call) address() string {
	if c.from == "" {
		var err error
		if c.from, _, err = net.SplitHostPort(c.r.RemoteAddr); err != nil {
			c.from = c.r.RemoteAddr
		}
	}
	return c.from
}

func (c *call) identify(v sigv4.Verified) (context.Context, error) {
	p, err := c.edge.cfg.Principals.Principal(c.r.Context(), v.AccessKeyID, v.SessionToken)
	if err != nil {
		return nil, err
	}
	c.caller = auth.Caller{Principal: p, AccessKeyID: v.AccessKeyID, Address: c.address(), Service: v.Service, Secure: c.r.TLS != nil, UserAgent: c.r.UserAgent()}
	return auth.WithCaller(c.r.Context(), c.caller), nil
}

func (c *call) objects() {
	e := c.edge
	c.service = auth.ServiceRevisions
	about := e.cfg.Objects.About(c.r)
	c.operation = about.Operation
	c.changes = c.r.Method != http.MethodGet && c.r.Method != http.MethodHead
	if e.draining.Load() {
		c.refuseObject("ServiceUnavailable", "The server is stopping; try again.")
		return
	}
	v, err := c.verify(nil, auth.ServiceRevisions)
	var ctx context.Context
	if err == nil {
		ctx, err = c.identify(v)
	}
	if err == nil {
		err = e.cfg.Authorize(ctx, about.Accesses()...)
	}
	if err != nil {
		code, message := objectError(err)
		if code == "InternalError" {
			e.cfg.Log.Error("request not authenticated for a fault of our own", "requestId", awsjson.RequestID(c.r.Context()), "error", err)
		}
		c.refuseObject(code, message)
		return
	}
	w := c.w
	c.guard(func() { e.cfg.Objects.ServeObject(w, c.r.WithContext(ctx), about, v.Body(c.r.Body)) }, func() {
		c.refuseObject("InternalError", internalError)
	})
	switch {
	case w.status == http.StatusForbidden:
		c.code = "AccessDenied"
	case w.status >= 400:
		c.code = http.StatusText(w.status)
	}
}

func objectError(err error) (code, message string) {
	var refused *sigv4.Error
	var denied *auth.DeniedError
	switch {
	case errors.Is(err, errThrottled):
		return "SlowDown", rateExceeded
	case errors.As(err, &refused):
		code = refused.S3Code
		if code == "" {
			code = "AccessDenied"
		}
		return code, refused.Message
	case errors.As(err, &denied):
		return "AccessDenied", denied.Error()
	default:
		return "InternalError", internalError
	}
}

func (c *call) refuseObject(code, message string) {
	c.code = code
	c.edge.cfg.Objects.Refuse(c.w, c.r, code, message)
}

// done tells metrics and the audit log what became of the call.
func (c *call) done() {
	operation := c.operation
	if operation == "" || c.service == auth.ServiceRevisions && !(auth.Objects{Operation: operation}).Known() {
		operation = "unknown" // a stranger's text: each would be a metric that stays
	}
	c.edge.cfg.Observe(c.service, operation, c.code, time.Since(c.begun))
	c.audit()
	if c.body != nil && c.body.Cap() <= mostKept {
		c.body.Reset()
		c.edge.bodies.Put(c.body)
	}
}

// changesSomething reports whether an operation of a JSON or a query service may change what is stored, or gives out credentials. The agents' own
// reports are progress, which the journal keeps.
func changesSomething(service, operation string) bool {
	switch service {
	case auth.ServiceOperator:
		// So is what proxies ask and report, every few seconds.
		return !auth.Reads(operation) && operation != auth.FollowTargetGroups && operation != auth.ReportTargetGroups
	case auth.ServiceControl, auth.ServiceIdentities, auth.ServiceSessions:
		return !auth.Reads(operation)
	}
	return false
}
