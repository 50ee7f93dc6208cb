package awsjson

import (
	"net/http"

	"crossfade/internal/wire"
)

// The common errors: they are in no model, and every operation may answer with them. Names and HTTP codes follow the habit of the services
// that speak this protocol; SDKs key on the name.
const (
	MissingAuthenticationToken wire.Code = "MissingAuthenticationTokenException"
	IncompleteSignature        wire.Code = "IncompleteSignatureException"
	UnrecognizedClient         wire.Code = "UnrecognizedClientException"
	ExpiredToken               wire.Code = "ExpiredTokenException"
	InvalidSignature           wire.Code = "InvalidSignatureException"
	AccessDenied               wire.Code = "AccessDeniedException"
	UnknownOperation           wire.Code = "UnknownOperationException"
	Serialization              wire.Code = "SerializationException"
	Validation                 wire.Code = "ValidationException"
	Throttling                 wire.Code = "ThrottlingException"
	RequestEntityTooLarge      wire.Code = "RequestEntityTooLargeException"
	InternalFailure            wire.Code = "InternalFailure"
	ServiceUnavailable         wire.Code = "ServiceUnavailable"
)

// commonStatus returns the HTTP status of a common error, or false when the code is none.
func commonStatus(code wire.Code) (int, bool) {
	switch code {
	case MissingAuthenticationToken, IncompleteSignature, UnrecognizedClient, ExpiredToken, InvalidSignature, AccessDenied,
		UnknownOperation, Serialization, Validation, Throttling:
		return http.StatusBadRequest, true
	case RequestEntityTooLarge:
		return http.StatusRequestEntityTooLarge, true
	case InternalFailure:
		return http.StatusInternalServerError, true
	case ServiceUnavailable:
		return http.StatusServiceUnavailable, true
	}
	return 0, false
}
