// Package awsquery serves operations over the awsQuery protocol: a form names Action, Version and the input's members by their paths
// (Tags.member.1.Key), an XML document answers, errors are an ErrorResponse with Type, Code and Message.
//
// It owns the codec (strict decoding by type, encoding, the common errors under the names and HTTP codes of this protocol) and the order of checks
// from the parse on: parse, authorisation, the model's constraints, the operation. It knows no operation and no service: those are described by
// wire.Service. It never authenticates, limits, or reads a body; that is the edge's business, which calls Parse and Lookup before and Serve after
// authentication. Routes, outcomes and request ids are those of package awsjson, so that one authorizer and one audit line serve both protocols.
//
// A Handler is safe for concurrent use and owns no goroutine.
package awsquery
