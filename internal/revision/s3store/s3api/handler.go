package s3api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/revision/s3store"
	"crossfade/internal/sigv4"
)

// Options say what a Handler needs. All but Hosts and Authorize is required.
type Options struct {
	Store  *s3store.Store
	Region string
	// Hosts are the endpoint's own host names, without ports: a bucket is addressed under them as bucket.HOST or by path. Under any other name
	// the beginning that names a bucket is one. An IP address is always addressed by path.
	Hosts []string
	// Account is the account of whoever made the request.
	Account func(context.Context) string
	// Authorize decides on objects that only the body of a request names; a *auth.DeniedError is a refusal. What is about one object or bucket as a whole
	// was decided before. Nil: everything is allowed.
	Authorize func(ctx context.Context, needed ...auth.Access) error
	Log       *slog.Logger
}

// Handler serves S3 requests whose signature was verified.
type Handler struct {
	store   *s3store.Store
	region  string
	hosts   []string
	account func(context.Context) string
	decide  func(ctx context.Context, needed ...auth.Access) error
	log     *slog.Logger
}

// New makes a Handler.
func New(o Options) *Handler {
	h := &Handler{store: o.Store, region: o.Region, account: o.Account, decide: o.Authorize, log: o.Log}
	for _, name := range append([]string{"localhost"}, o.Hosts...) {
		if name != "" {
			h.hosts = append(h.hosts, strings.ToLower(name))
		}
	}
	// The longest first: a name may be below another, and is no bucket of it.
	slices.SortStableFunc(h.hosts, func(a, b string) int { return len(b) - len(a) })
	return h
}

// About says what a request asks for, by the names of S3's reference, and which objects it touches.
func (h *Handler) About(r *http.Request) auth.Objects {
	rt := h.route(r)
	o := auth.Objects{Operation: rt.operation, Bucket: rt.bucket, Key: rt.key}
	if rt.operation == "CopyObject" || rt.operation == "UploadPartCopy" {
		// A source that can't be read is refused further on.
		if bucket, key, err := copySource(r.Header.Get("X-Amz-Copy-Source")); err == nil {
			o.SourceBucket, o.SourceKey = bucket, key
		}
	}
	return o
}

// stall is how long a client may send nothing in the middle of a body.
const stall = time.Minute

// call is a request on its way.
type call struct {
	*Handler
	route
	w    http.ResponseWriter
	r    *http.Request
	body *sigv4.Body
}

// ServeObject serves what About said of a request. The request is not asked again: which part of a host name is a bucket depends on the buckets that there
// are, so it could mean another object than the one that was decided on.
func (h *Handler) ServeObject(w http.ResponseWriter, r *http.Request, about auth.Objects, body *sigv4.Body) {
	rt := route{operation: about.Operation, bucket: about.Bucket, key: about.Key, query: r.URL.Query()}
	c := &call{Handler: h, route: rt, w: w, r: r, body: body}
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

func (c *call) serve() error {
	serve, ok := operations[c.operation]
	if !ok {
		return refuse("NotImplemented", "The built-in store does not have %s.", c.operation)
	}
	if err := c.checkHeaders(); err != nil {
		return err
	}
	if c.bucket != "" && c.operation != "CreateBucket" {
		b, err := c.store.Bucket(c.bucket)
		if err != nil {
			return err
		}
		if b.Account != c.account(c.r.Context()) {
			return refuse("AccessDenied", "The bucket is another account's.")
		}
	}
	return serve(c)
}

// checkHeaders refuses what would change an object in a way that the store can't keep.
func (c *call) checkHeaders() error {
	for name, values := range c.r.Header {
		n := strings.ToLower(name)
		v := strings.Join(values, ",")
		switch {
		case n == "x-amz-acl" && v != "private" && v != "bucket-owner-full-control",
			strings.HasPrefix(n, "x-amz-grant-"):
			return refuse("NotImplemented", "The built-in store has no access control lists, so %s can't be obeyed; policies decide who may read.", n)
		case strings.HasPrefix(n, "x-amz-server-side-encryption"), strings.HasPrefix(n, "x-amz-object-lock"), n == "x-amz-tagging", n == "x-amz-website-redirect-location":
			return refuse("NotImplemented", "The built-in store can't do what %s asks for; leave it out.", n)
		}
	}
	return nil
}

// Read reads the body with patience for a slow client and none for a silent one.
func (c *call) Read(p []byte) (int, error) {
	deadline := http.NewResponseController(c.w)
	// Not every ResponseWriter of a test has deadlines.
	if err := deadline.SetReadDeadline(time.Now().Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := c.body.Read(p)
	if errors.Is(err, io.EOF) {
		// What comes now may take its time. After any other end the deadline stays: the HTTP server waits for the rest of the body.
		if err := deadline.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return n, err
		}
	}
	return n, err
}

// subresource is the part of a query that chooses another operation than the plain one.
func subresource(q url.Values) string {
	for _, name := range subresources {
		if q.Has(name) {
			return name
		}
	}
	return ""
}
