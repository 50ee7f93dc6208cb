package server

import (
	"context"
	"errors"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/hostapi"
	"crossfade/internal/wire"
)

// authorizer decides whether the caller of a context may run an operation.
type authorizer func(ctx context.Context, route awsjson.Route, in wire.Input) error

// authorizeBy asks the control API which permissions its calls need; other services need one for the operation.
func authorizeBy(control *api.Service, decide *auth.Authorizer) authorizer {
	return func(ctx context.Context, route awsjson.Route, in wire.Input) error {
		caller, ok := auth.FromContext(ctx)
		if !ok {
			return errors.New("authorize a call without a caller")
		}
		service := route.Service.SigningNames[0]
		// The scope tells the plain agents' protocol from the one that policies decide.
		needed := []auth.Access{{Service: caller.Service, Operation: route.Op.Name, Resource: "*"}}
		// A host has no permission of the control API, and is not to learn from it what there is. What those who may do everything read need not
		// be looked up; what they change is for the audit log.
		quick := caller.Kind == auth.Host || auth.Unrestricted(caller.Principal) && auth.Reads(route.Op.Name)
		if service == auth.ServiceControl && !quick {
			accesses, err := control.Accesses(ctx, route.Op.Name, in)
			if err != nil {
				return err
			}
			needed = needed[:0]
			for _, a := range accesses {
				needed = append(needed, auth.Access{Service: service, Operation: a.Operation, Resource: a.Resource, Keys: a.Keys})
			}
		}
		return denied(decide.Authorize(ctx, needed...))
	}
}

// denied makes a refusal the modelled error.
func denied(err error) error {
	var refused *auth.DeniedError
	if errors.As(err, &refused) {
		return wire.Errorf(awsjson.AccessDenied, "%s", refused.Error())
	}
	return err
}

// explain answers broken constraints as the service of the operation does.
func explain(route awsjson.Route, v wire.Violation) error {
	if route.Service.SigningNames[0] == auth.ServiceControl {
		return api.Explain(route, v)
	}
	return wire.Errorf(awsjson.Validation, "%s.", v)
}

// controlCaller is who calls the control API. The edge lets nobody through who isn't known.
func controlCaller(ctx context.Context) api.Caller {
	c, _ := auth.FromContext(ctx)
	return api.Caller{Account: c.Account, ARN: c.ARN}
}

func hostCaller(ctx context.Context) (hostapi.Caller, bool) {
	c, ok := auth.FromContext(ctx)
	return hostapi.Caller{ARN: c.ARN, Address: c.Address}, ok
}
