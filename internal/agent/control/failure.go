package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Failure is an answer other than success.
type Failure struct {
	Operation string
	Status    int
	Code      string // the exception's name; may be empty
	Message   string
}

// NewFailure is what an answer other than success, with the given body, says.
func NewFailure(operation string, res *http.Response, body []byte) *Failure {
	f := &Failure{Operation: operation, Status: res.StatusCode}
	var answer struct {
		Type    string `json:"__type"`
		Lower   string `json:"message"`
		Message string `json:"Message"`
	}
	if json.Unmarshal(body, &answer) == nil {
		f.Code, f.Message = answer.Type, answer.Message
		if f.Message == "" {
			f.Message = answer.Lower
		}
	}
	if f.Code == "" {
		f.Code = res.Header.Get("X-Amzn-Errortype")
	}
	if i := strings.LastIndexByte(f.Code, '#'); i >= 0 {
		f.Code = f.Code[i+1:]
	}
	f.Code, _, _ = strings.Cut(f.Code, ":")
	return f
}

func (f *Failure) Error() string {
	text := fmt.Sprintf("%s answered %d", f.Operation, f.Status)
	if f.Code != "" {
		text += " " + f.Code
	}
	if f.Message != "" {
		text += ": " + f.Message
	}
	switch {
	case f.Status == http.StatusOK:
		text += ": the answer is too large"
	case f.aboutSignature():
		text += ": check the access key of the configuration file, and the clock of this host"
	}
	return text
}

func (f *Failure) aboutSignature() bool {
	for _, code := range []string{"InvalidSignature", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed", "IncompleteSignature", "UnrecognizedClient", "InvalidClientTokenId"} {
		if strings.HasPrefix(f.Code, code) {
			return true
		}
	}
	return f.Status == http.StatusForbidden
}

// brokenOff is an answer of which the rest did not come.
type brokenOff struct {
	operation string
	err       error
}

func (b *brokenOff) Error() string { return fmt.Sprintf("read answer to %s: %v", b.operation, b.err) }
func (b *brokenOff) Unwrap() error { return b.err }

// Final tells whether an error is the server's last word on the very request, so that repeating it is pointless. Refused signatures are
// not: keys and clocks get repaired. What has no exception's name came from something between.
func Final(err error) bool {
	var f *Failure
	if !errors.As(err, &f) || f.Code == "" || f.aboutSignature() || strings.Contains(f.Code, "Throttl") {
		return false
	}
	switch f.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusNotFound:
		return false
	default:
		return f.Status >= 400 && f.Status < 500
	}
}

// Unsupported tells whether an error means that the server does not know what it was asked for, or knows it and refuses this use of it: it will
// not answer otherwise in an hour. Refused signatures and servers that can't answer now are no such errors.
func Unsupported(err error) bool {
	var f *Failure
	if !errors.As(err, &f) || f.aboutSignature() || strings.Contains(f.Code, "Throttl") {
		return false
	}
	switch f.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	case http.StatusNotImplemented:
		return true
	default:
		return f.Status >= 400 && f.Status < 500
	}
}

// Transient tells whether an error is worth repeating the call: the server could not be reached or asks for patience. An answer that makes no
// sense is neither transient nor final.
func Transient(err error) bool {
	var f *Failure
	var network *url.Error
	var broken *brokenOff
	return (errors.As(err, &f) && !Final(err)) || errors.As(err, &network) || errors.As(err, &broken)
}
