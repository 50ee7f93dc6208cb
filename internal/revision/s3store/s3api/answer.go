package s3api

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"crossfade/internal/revision/s3store"
	"crossfade/internal/sigv4"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// timestamp is how S3 writes times in XML.
const timestamp = "2006-01-02T15:04:05.000Z"

func refuse(code s3store.Code, format string, args ...any) *s3store.Error {
	return &s3store.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// statuses are the HTTP statuses of codes; all others are 400.
var statuses = map[string]int{
	"NotModified":  http.StatusNotModified,
	"AccessDenied": http.StatusForbidden, "InvalidAccessKeyId": http.StatusForbidden, "SignatureDoesNotMatch": http.StatusForbidden,
	"RequestTimeTooSkewed": http.StatusForbidden,
	"NoSuchBucket":         http.StatusNotFound, "NoSuchKey": http.StatusNotFound, "NoSuchUpload": http.StatusNotFound, "NoSuchVersion": http.StatusNotFound,
	"MethodNotAllowed":    http.StatusMethodNotAllowed,
	"BucketAlreadyExists": http.StatusConflict, "BucketAlreadyOwnedByYou": http.StatusConflict, "BucketNotEmpty": http.StatusConflict,
	"MissingContentLength": http.StatusLengthRequired,
	"PreconditionFailed":   http.StatusPreconditionFailed,
	"InvalidRange":         http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber": http.StatusRequestedRangeNotSatisfiable,
	"InternalError":      http.StatusInternalServerError,
	"NotImplemented":     http.StatusNotImplemented,
	"ServiceUnavailable": http.StatusServiceUnavailable, "SlowDown": http.StatusServiceUnavailable,
	"InsufficientCapacity": http.StatusInsufficientStorage,
}

// Refuse answers with an error in S3's form.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, code, message string) {
	status, ok := statuses[code]
	if !ok {
		status = http.StatusBadRequest
	}
	h.swallow(w, r)
	id := w.Header().Get("X-Amzn-Requestid")
	w.Header().Set("X-Amz-Request-Id", id)
	if status == http.StatusNotModified || r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	h.write(w, r, status, struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
	}{Code: code, Message: message, Resource: r.URL.Path, RequestID: id})
}

// How much of a body in vain is taken, and for how long. The AWS tools send parts of up to 8 MiB.
const (
	maxSwallowed = 8 << 20
	swallowTime  = 5 * time.Second
)

// swallow takes what is left of the body: a client that is still sending it would see a broken connection and not the refusal. One that asks
// before it sends much is spared the sending; with little, its word is not trusted, because the SDK for Go asks and does not wait.
func (h *Handler) swallow(w http.ResponseWriter, r *http.Request) {
	asks := strings.EqualFold(r.Header.Get("Expect"), "100-continue")
	if r.Body == nil || r.ContentLength == 0 || asks && r.ContentLength > maxSwallowed {
		return
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(swallowTime)); err != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, r.Body, maxSwallowed); err != nil && !errors.Is(err, io.EOF) {
		h.log.DebugContext(r.Context(), "the body of a refused request could not be read", "path", r.URL.Path, "error", err)
	}
}

// fail answers for an error of an operation.
func (c *call) fail(err error) {
	var refused *s3store.Error
	var signature *sigv4.Error
	var network net.Error
	switch {
	case errors.As(err, &refused):
		c.Refuse(c.w, c.r, string(refused.Code), refused.Message)
	case errors.As(err, &signature):
		code := signature.S3Code
		if code == "" {
			code = "AccessDenied"
		}
		c.Refuse(c.w, c.r, code, signature.Message)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded), c.r.Context().Err() != nil, errors.As(err, &network):
		c.Refuse(c.w, c.r, string(s3store.IncompleteBody), "The body did not arrive to its end.")
	default:
		id := c.w.Header().Get("X-Amzn-Requestid")
		c.log.ErrorContext(c.r.Context(), "an S3 operation went wrong", "operation", c.operation, "bucket", c.bucket, "key", c.key, "requestId", id, "error", err)
		c.Refuse(c.w, c.r, "InternalError", "An unexpected fault happened; the server's log names it under request id "+id+".")
	}
}

// answer sends XML with status 200.
func (c *call) answer(v any) error {
	c.w.Header().Set("X-Amz-Request-Id", c.w.Header().Get("X-Amzn-Requestid"))
	c.write(c.w, c.r, http.StatusOK, v)
	return nil
}

// done answers without a body.
func (c *call) done(status int) error {
	c.w.Header().Set("X-Amz-Request-Id", c.w.Header().Get("X-Amzn-Requestid"))
	c.w.WriteHeader(status)
	return nil
}

func (h *Handler) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		h.log.ErrorContext(r.Context(), "an answer could not be encoded", "path", r.URL.Path, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(xml.Header)+len(text)))
	w.WriteHeader(status)
	if _, err := w.Write(append([]byte(xml.Header), text...)); err != nil {
		// The caller is gone; the operation has happened all the same.
		h.log.DebugContext(r.Context(), "an answer could not be written", "path", r.URL.Path, "error", err)
	}
}
