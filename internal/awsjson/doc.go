// Package awsjson serves operations over the awsJson1_1 protocol: POST, X-Amz-Target names the operation, a JSON object in, a JSON object
// or nothing out, errors as {"__type","message"}.
//
// It owns the codec (strict decoding by type, encoding, the common errors and their HTTP codes, the request id on every answer) and the
// order of checks from the parse on: parse, authorisation, the model's constraints, the operation. It knows no operation and no service:
// those are described by wire.Service. It never authenticates, limits, or reads a body by itself except in ServeHTTP; that is the edge's
// business, which calls Lookup before and Serve after authentication.
//
// A Handler is safe for concurrent use and owns no goroutine.
package awsjson
