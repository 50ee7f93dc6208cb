// Package api is the control plane: what each operation of the control API means, one file per resource.
//
// It implements the generated control.Service over the store and the engine's door. It owns the checks that the API documents (formats,
// combinations, limits), the order in which they are reported, the mapping of every refusal to an exception that the operation declares,
// and the opaque next tokens. It never moves a deployment itself: that is an event for the engine. Authentication and authorisation come
// before it; it learns the caller from the context through Config.Caller.
//
// Format problems are collected, not returned at the first one, because the model's constraints and the semantic checks interleave in the
// documented order: precedence in problems.go is that order, violations.go maps the model's constraints, refusals.go the engine's refusals.
//
// A Service is safe for concurrent use and owns no goroutine.
package api
