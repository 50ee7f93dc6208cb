package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"crossfade/internal/auth"
	"crossfade/internal/awsjson"
	"crossfade/internal/awsquery"
	"crossfade/internal/iam"
	"crossfade/internal/policy"
	"crossfade/internal/wire"
	wireiam "crossfade/internal/wire/iam"
	wirests "crossfade/internal/wire/sts"
)

// globalRegion is what SDKs sign calls of IAM and of STS's global endpoint for, wherever they send them.
const globalRegion = "us-east-1"

// openIdentity makes IAM and STS, with the roles of the configuration.
func openIdentity(o Options, database *database, keys *auth.Keys) (*iam.Service, error) {
	roles := make([]iam.Role, len(o.Config.Identity.Roles))
	for i, r := range o.Config.Identity.Roles {
		role := iam.Role{Name: r.Name, Trust: r.Trust, MaxDuration: r.MaxDuration}
		if role.MaxDuration == 0 {
			role.MaxDuration = iam.DefaultDuration
		}
		for _, p := range r.Policies {
			d, err := policy.Parse([]byte(p.Document))
			if err != nil {
				return nil, fmt.Errorf("read policy %q of role %q: %w", p.Name, r.Name, err)
			}
			role.Policies = append(role.Policies, policy.Named{Name: p.Name, Document: d})
		}
		roles[i] = role
	}
	return iam.New(iam.Config{Store: database, Keys: keys, Account: o.Config.Account, Roles: roles, Now: o.Now, Alone: database.sharing == nil}), nil
}

// identityCodec speaks the protocol of IAM and STS.
func identityCodec(identity *iam.Service, decide *auth.Authorizer, log *slog.Logger) (*awsquery.Handler, error) {
	return awsquery.New(awsquery.Config{
		Services:  []wire.Service{wireiam.Describe(identity), wirests.Describe(identity)},
		Log:       log.With("part", "identity"),
		Authorize: authorizeIdentity(identity, decide),
	})
}

// authorizeIdentity asks IAM and STS which permission a call needs.
func authorizeIdentity(identity *iam.Service, decide *auth.Authorizer) authorizer {
	return func(ctx context.Context, route awsjson.Route, in wire.Input) error {
		caller, ok := auth.FromContext(ctx)
		if !ok {
			return errors.New("authorize a call without a caller")
		}
		// A host or a join token has no permission there, and is not to learn from a refusal which users there are.
		needed := auth.Access{Service: route.Service.SigningNames[0], Operation: route.Op.Name, Resource: "*"}
		if caller.Kind != auth.Host && caller.Kind != auth.Join {
			var err error
			if needed, err = identity.Access(ctx, route.Op.Name, in); err != nil {
				return err
			}
		}
		return denied(decide.Authorize(ctx, needed))
	}
}
