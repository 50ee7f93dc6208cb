package operator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"crossfade/internal/api"
	"crossfade/internal/auth"
	"crossfade/internal/eventlog"
	"crossfade/internal/fleet"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// Instances is the part of the control API that registers instances.
type Instances interface {
	RegisterOnPremisesInstance(ctx context.Context, in *control.RegisterOnPremisesInstanceInput) error
	RegisterEC2Host(ctx context.Context, name, identity string) error
	AddTagsToOnPremisesInstances(ctx context.Context, in *control.AddTagsToOnPremisesInstancesInput) error
	GetOnPremisesInstance(ctx context.Context, in *control.GetOnPremisesInstanceInput) (*control.GetOnPremisesInstanceOutput, error)
	DeregisterOnPremisesInstance(ctx context.Context, in *control.DeregisterOnPremisesInstanceInput) error
}

// Keys gives out access keys.
type Keys interface {
	Create(ctx context.Context, p auth.Principal) (sigv4.Credential, error)
	List(ctx context.Context, account, arn string) ([]auth.Record, error)
	Delete(ctx context.Context, accessKeyID string) error
}

// Tokens keeps GitHub tokens of the caller's account.
type Tokens interface {
	AddGitHubAccountToken(ctx context.Context, name, token string) error
}

// Service carries the operations out. All members are required but Fleets and Proxies: without them there are none.
type Service struct {
	Instances Instances
	Keys      Keys
	Tokens    Tokens
	Plans     Plans
	Bundles   Bundles
	Fleets    fleet.Sizes
	Joining   Joining
	Logs      eventlog.Logs
	Proxies   Proxies
	Cleaning  Cleaning
	Region    string

	enrolling sync.Mutex // held while an enrolment changes what is registered
}

// Describe returns the description of the service.
func Describe(s *Service) wire.Service {
	return wire.Service{
		Name: "Crossfade", TargetPrefixes: []string{targetPrefix}, SigningNames: []string{SigningName},
		Status: func(wire.Code) int { return http.StatusBadRequest },
		Operations: append(slices.Concat(fleetOperations(s), joinOperations(s), logOperations(s), retentionOperations(s), proxyOperations(s)),
			wire.Op(addHost, s.AddHost,
				control.InstanceNameRequiredException, control.InvalidInstanceNameException, control.InstanceNameAlreadyRegisteredException,
				control.IamUserArnAlreadyRegisteredException, control.InvalidIamUserArnException,
				control.TagRequiredException, control.InvalidTagException, control.TagLimitExceededException, control.InstanceLimitExceededException,
				control.InstanceNotRegisteredException),
			wire.Op(planDeployment, s.PlanDeployment, planErrors()...),
			wire.Void(removeHost, s.RemoveHost, control.InstanceNameRequiredException, control.InvalidInstanceNameException),
			wire.Void(addToken, s.AddGitHubToken,
				control.GitHubAccountTokenNameRequiredException, control.InvalidGitHubAccountTokenNameException,
				control.InvalidGitHubAccountTokenException, api.GitHubAccountTokenLimitExceeded),
		),
	}
}

// AddGitHubToken keeps a token for reading repositories.
func (s *Service) AddGitHubToken(ctx context.Context, in *AddGitHubTokenInput) error {
	var name, token string
	if in.Name != nil {
		name = *in.Name
	}
	if in.Token != nil {
		token = *in.Token
	}
	return s.Tokens.AddGitHubAccountToken(ctx, name, token)
}

// userOf is the identity of a host. A name may have characters that an ARN may not.
func userOf(account, name string) string { return auth.UserARN(account, "host/"+url.PathEscape(name)) }

// isEC2 reports whether an identity is that of an EC2 instance. Keys of users are not a host's to take along: they may be used elsewhere.
func isEC2(identity string) bool {
	parts := strings.SplitN(identity, ":", 6)
	return len(parts) == 6 && parts[2] == "ec2"
}

// AddHost registers an instance under an identity of its own, tags it, and gives it the only access key of that identity.
func (s *Service) AddHost(ctx context.Context, in *AddHostInput) (*AddHostOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("add a host without a caller")
	}
	user := userOf(caller.Account, *in.Name)
	var err error
	if in.Identity != nil && *in.Identity != "" {
		user = *in.Identity
		err = s.Instances.RegisterEC2Host(ctx, *in.Name, user)
	} else {
		err = s.Instances.RegisterOnPremisesInstance(ctx, &control.RegisterOnPremisesInstanceInput{InstanceName: in.Name, IamUserArn: &user})
	}
	if err != nil {
		return nil, err
	}
	out, err := s.equip(ctx, caller.Account, user, in)
	if err != nil {
		undo := s.RemoveHost(context.WithoutCancel(ctx), &RemoveHostInput{Name: in.Name})
		if undo != nil {
			return nil, errors.Join(err, undo)
		}
		return nil, err
	}
	return out, nil
}

// equip does what is left to do once an instance is registered.
func (s *Service) equip(ctx context.Context, account, user string, in *AddHostInput) (*AddHostOutput, error) {
	if len(in.Tags) > 0 {
		err := s.Instances.AddTagsToOnPremisesInstances(ctx, &control.AddTagsToOnPremisesInstancesInput{InstanceNames: []string{*in.Name}, Tags: in.Tags})
		if err != nil {
			return nil, err
		}
	}
	// An earlier host of the name may have left keys; its machine must not speak for the new one.
	if err := s.deleteKeys(ctx, account, user); err != nil {
		return nil, err
	}
	key, err := s.Keys.Create(ctx, auth.Principal{ARN: user, Account: account, Kind: auth.Host})
	if err != nil {
		return nil, fmt.Errorf("make the key of host %s: %w", *in.Name, err)
	}
	registered, err := s.Instances.GetOnPremisesInstance(ctx, &control.GetOnPremisesInstanceInput{InstanceName: in.Name})
	if err != nil {
		return nil, err
	}
	return &AddHostOutput{
		Name: in.Name, ARN: registered.InstanceInfo.InstanceArn, IAMUserARN: &user,
		AccessKeyID: &key.AccessKeyID, SecretAccessKey: &key.SecretAccessKey, Region: &s.Region,
	}, nil
}

// RemoveHost takes the keys away, then the registration. An unknown host is no error.
func (s *Service) RemoveHost(ctx context.Context, in *RemoveHostInput) error {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return errors.New("remove a host without a caller")
	}
	users := []string{userOf(caller.Account, *in.Name)}
	// A host with the identity of an EC2 instance has its keys under that one.
	registered, err := s.Instances.GetOnPremisesInstance(ctx, &control.GetOnPremisesInstanceInput{InstanceName: in.Name})
	var refused *wire.Error
	switch {
	case errors.As(err, &refused):
	case err != nil:
		return err
	case registered.InstanceInfo.IamUserArn != nil && isEC2(*registered.InstanceInfo.IamUserArn):
		users = append(users, *registered.InstanceInfo.IamUserArn)
	}
	for _, user := range users {
		if err := s.deleteKeys(ctx, caller.Account, user); err != nil {
			return err
		}
	}
	return s.Instances.DeregisterOnPremisesInstance(ctx, &control.DeregisterOnPremisesInstanceInput{InstanceName: in.Name})
}

func (s *Service) deleteKeys(ctx context.Context, account, user string) error {
	keys, err := s.Keys.List(ctx, account, user)
	if err != nil {
		return fmt.Errorf("list the keys of %s: %w", user, err)
	}
	for _, k := range keys {
		if err := s.Keys.Delete(ctx, k.AccessKeyID); err != nil && !errors.Is(err, auth.ErrNoKey) {
			return fmt.Errorf("delete a key of %s: %w", user, err)
		}
	}
	return nil
}
