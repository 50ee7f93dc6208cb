package awsquery

import (
	"net/http"

	"crossfade/internal/awsjson"
	"crossfade/internal/wire"
)

// The common errors: they are in no model, and every operation may answer with them. Names and HTTP codes are those of AWS's "common errors" of
// IAM and STS; SDKs key on the name.
const (
	MissingAuthenticationToken wire.Code = "MissingAuthenticationToken"
	IncompleteSignature        wire.Code = "IncompleteSignature"
	InvalidClientTokenID       wire.Code = "InvalidClientTokenId"
	ExpiredToken               wire.Code = "ExpiredToken"
	SignatureDoesNotMatch      wire.Code = "SignatureDoesNotMatch"
	AccessDenied               wire.Code = "AccessDenied"
	MissingAction              wire.Code = "MissingAction"
	InvalidAction              wire.Code = "InvalidAction"
	MalformedInput             wire.Code = "MalformedInput"
	ValidationError            wire.Code = "ValidationError"
	Throttling                 wire.Code = "Throttling"
)

// common returns the name of a common error in this protocol, given here or by one of the JSON protocol's names, and its HTTP status.
func common(code wire.Code) (name wire.Code, status int, ok bool) {
	switch code {
	case MissingAuthenticationToken, awsjson.MissingAuthenticationToken:
		return MissingAuthenticationToken, http.StatusForbidden, true
	case IncompleteSignature, awsjson.IncompleteSignature:
		return IncompleteSignature, http.StatusBadRequest, true
	case InvalidClientTokenID, awsjson.UnrecognizedClient:
		return InvalidClientTokenID, http.StatusForbidden, true
	case ExpiredToken, awsjson.ExpiredToken:
		return ExpiredToken, http.StatusForbidden, true
	case SignatureDoesNotMatch, awsjson.InvalidSignature:
		return SignatureDoesNotMatch, http.StatusForbidden, true
	case AccessDenied, awsjson.AccessDenied:
		return AccessDenied, http.StatusForbidden, true
	case MissingAction:
		return MissingAction, http.StatusBadRequest, true
	case InvalidAction, awsjson.UnknownOperation:
		return InvalidAction, http.StatusBadRequest, true
	case MalformedInput, awsjson.Serialization:
		return MalformedInput, http.StatusBadRequest, true
	case ValidationError, awsjson.Validation:
		return ValidationError, http.StatusBadRequest, true
	case Throttling, awsjson.Throttling:
		return Throttling, http.StatusBadRequest, true
	case awsjson.RequestEntityTooLarge:
		return awsjson.RequestEntityTooLarge, http.StatusRequestEntityTooLarge, true
	case awsjson.InternalFailure:
		return awsjson.InternalFailure, http.StatusInternalServerError, true
	case awsjson.ServiceUnavailable:
		return awsjson.ServiceUnavailable, http.StatusServiceUnavailable, true
	}
	return "", 0, false
}
