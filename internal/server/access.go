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
func authorizeBy(control *api.Service) authorizer {
	return func(ctx context.Context, route awsjson.Route, in wire.Input) error {
		caller, ok := auth.FromContext(ctx)
		if !ok {
			return errors.New("authorize a call without a caller")
		}
		if auth.Unrestricted(caller.Principal) {
			return nil
		}
		service := route.Service.SigningNames[0]
		needed := []api.Access{{Operation: route.Op.Name, Resource: "*"}}
		// A host has no permission of the control API, and is not to learn from it what there is.
		if service == auth.ServiceControl && caller.Kind != auth.Host {
			var err error
			if needed, err = control.Accesses(ctx, route.Op.Name, in); err != nil {
				return err
			}
		}
		for _, n := range needed {
			err := auth.Authorize(caller.Principal, service, n.Operation, n.Resource)
			var denied *auth.DeniedError
			if errors.As(err, &denied) {
				return wire.Errorf(awsjson.AccessDenied, "%s", denied.Error())
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
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
