// Package sigv4 verifies and makes AWS Signature Version 4 signatures, for every service: in the Authorization header, for S3 also in the query,
// and over chunked S3 bodies.
//
// [Parse] reads what a request claims, and judges form only. [Verifier] judges the claim against a key, the clock and the bytes. [Sign] makes
// what Verifier accepts. The package knows no operation, keeps no keys, and compares in constant time. Everything is safe for concurrent use.
package sigv4

import "fmt"

// The codes of refusals, as JSON services answer them. S3 has names of its own for the same things; see S3Code.
const (
	MissingAuthenticationToken = "MissingAuthenticationTokenException"
	IncompleteSignature        = "IncompleteSignatureException"
	UnrecognizedClient         = "UnrecognizedClientException"
	ExpiredToken               = "ExpiredTokenException"
	InvalidSignature           = "InvalidSignatureException"
)

// Error is a refusal. The zero S3Code means AccessDenied.
type Error struct {
	Code    string
	S3Code  string // SignatureDoesNotMatch, InvalidAccessKeyId, RequestTimeTooSkewed …
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(code, s3, format string, args ...any) *Error {
	return &Error{Code: code, S3Code: s3, Message: fmt.Sprintf(format, args...)}
}

// ServiceS3 signs differently from all others: its path is encoded once, and its body need not be hashed.
const ServiceS3 = "s3"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
)

// What x-amz-content-sha256 may say in place of a hash, for S3 only.
const (
	UnsignedPayload          = "UNSIGNED-PAYLOAD"
	streamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)
