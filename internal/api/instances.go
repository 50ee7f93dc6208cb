package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const (
	maxInstanceTags  = 10
	maxInstanceNames = 100 // in one call that changes tags
)

var (
	ec2IDPattern   = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)
	ec2ARNPattern  = regexp.MustCompile(`^arn:[a-z-]+:ec2:[a-z0-9-]+:[0-9]{12}:instance/i-[0-9a-f]{8,17}$`)
	userARNPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^arn:[a-z-]+:iam::[0-9]{12}:user/[\x21-\x7e]{1,512}$`)
	})
	sessionARNPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^arn:[a-z-]+:sts::[0-9]{12}:assumed-role/[\x21-\x2e\x30-\x7e]{1,64}/[\x21-\x2e\x30-\x7e]{2,64}$`)
	})
)

// instanceNames notes bad names of on-premises instances. The form of an EC2 id is reserved.
func (p *problems) instanceNames(member string, names []string) {
	p.names(control.InvalidInstanceNameException, member, names)
	for _, n := range names {
		if ec2IDPattern.MatchString(n) {
			p.add(control.InvalidInstanceNameException, "%s %s has the form of an EC2 instance id, which an on-premises instance may not have.", member, quote(n))
		}
	}
}

func (p *problems) instanceName(v *string) {
	if value(v) == "" {
		return // missing, which the model says
	}
	p.name(control.InvalidInstanceNameException, "instanceName", v)
	if ec2IDPattern.MatchString(*v) {
		p.instanceNames("instanceName", []string{*v})
	}
}

// accountOf is the account in an ARN of the form that has been checked.
func accountOf(arn string) string { return strings.Split(arn, ":")[4] }

// RegisterOnPremisesInstance implements control.Service.
func (s *Service) RegisterOnPremisesInstance(ctx context.Context, in *control.RegisterOnPremisesInstanceInput) error {
	p := s.check("RegisterOnPremisesInstance", in)
	p.instanceName(in.InstanceName)
	account, user, session := s.account(ctx), value(in.IamUserArn), value(in.IamSessionArn)
	switch {
	case user != "" && session != "":
		p.add(control.MultipleIamArnsProvidedException, "iamUserArn and iamSessionArn are both given; give the one that the instance's agent signs with.")
	case user == "" && session == "":
		p.add(control.IamArnRequiredException, "iamUserArn or iamSessionArn is required.")
	case user != "" && !userARNPattern().MatchString(user):
		p.add(control.InvalidIamUserArnException, "iamUserArn %s is not the ARN of a user, as in arn:aws:iam::123456789012:user/web-1.", quote(user))
	case session != "" && !sessionARNPattern().MatchString(session):
		p.add(control.InvalidIamSessionArnException, "iamSessionArn %s is not the ARN of a session, as in arn:aws:sts::123456789012:assumed-role/Hosts/web-1.", quote(session))
	// A host identity is one instance's in the whole store, so an account that could register another's would keep that one's host out.
	case user != "" && accountOf(user) != account:
		p.add(control.InvalidIamUserArnException, "iamUserArn %s is a user of another account than %s; an instance's identity belongs to the account that registers it.", quote(user), account)
	case session != "" && accountOf(session) != account:
		p.add(control.InvalidIamSessionArnException, "iamSessionArn %s is a session of another account than %s; an instance's identity belongs to the account that registers it.", quote(session), account)
	}
	if err := p.err(); err != nil {
		return err
	}
	return s.register(ctx, account, *in.InstanceName, user, session)
}

// RegisterEC2Host registers an instance whose agent takes itself for an EC2 instance: its identity is the instance's ARN. CodeDeploy has no such
// operation, because it finds EC2 instances without registration; the control API of AWS can't say it. The account in the ARN is that of the machine
// and need not be the caller's.
func (s *Service) RegisterEC2Host(ctx context.Context, name, identity string) error {
	p := s.check("RegisterOnPremisesInstance", &control.RegisterOnPremisesInstanceInput{InstanceName: &name})
	p.instanceName(&name)
	if !ec2ARNPattern.MatchString(identity) {
		p.add(control.InvalidIamUserArnException, "The identity %s is not the ARN of an EC2 instance, as in arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0.", quote(identity))
	}
	if err := p.err(); err != nil {
		return err
	}
	return s.register(ctx, s.account(ctx), name, identity, "")
}

// register stores an instance under one of the two identities.
func (s *Service) register(ctx context.Context, account, name, user, session string) error {
	err := s.cfg.Store.RegisterInstance(ctx, deploy.Instance{
		Account: account, Name: name, IAMUserARN: user, IAMSessionARN: session, RegisteredAt: s.now(),
		ARN: fmt.Sprintf("arn:aws:codedeploy:%s:%s:instance/%s_%s", s.cfg.Region, account, name, s.cfg.IDs.Letters(10)),
	})
	var taken *store.ARNTakenError
	switch {
	case errors.As(err, &taken) && user != "":
		return wire.Errorf(control.IamUserArnAlreadyRegisteredException, "The user %s is registered for the instance %s; each instance needs one of its own.", user, taken.Instance)
	case errors.As(err, &taken):
		return wire.Errorf(control.IamSessionArnAlreadyRegisteredException, "The session %s is registered for the instance %s; each instance needs one of its own.", session, taken.Instance)
	case errors.Is(err, store.ErrExists):
		return wire.Errorf(control.InstanceNameAlreadyRegisteredException, "An instance is already registered under the name %s.", name)
	case err != nil:
		return fmt.Errorf("register instance %s: %w", name, err)
	}
	s.changed()
	return nil
}

// DeregisterOnPremisesInstance implements control.Service. Deregistering an unknown instance succeeds.
func (s *Service) DeregisterOnPremisesInstance(ctx context.Context, in *control.DeregisterOnPremisesInstanceInput) error {
	p := s.check("DeregisterOnPremisesInstance", in)
	p.instanceName(in.InstanceName)
	if err := p.err(); err != nil {
		return err
	}
	if err := s.cfg.Store.DeregisterInstance(ctx, s.account(ctx), *in.InstanceName, s.now()); err != nil {
		return fmt.Errorf("deregister instance %s: %w", *in.InstanceName, err)
	}
	return nil
}

func notRegistered(name string) error {
	return wire.Errorf(control.InstanceNotRegisteredException, "No instance is registered under the name %s.", name)
}

// GetOnPremisesInstance implements control.Service. A deregistered instance is shown until its name is used again.
func (s *Service) GetOnPremisesInstance(ctx context.Context, in *control.GetOnPremisesInstanceInput) (*control.GetOnPremisesInstanceOutput, error) {
	p := s.check("GetOnPremisesInstance", in)
	p.instanceName(in.InstanceName)
	if err := p.err(); err != nil {
		return nil, err
	}
	i, err := s.cfg.Store.Instance(ctx, s.account(ctx), *in.InstanceName)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notRegistered(*in.InstanceName)
	}
	if err != nil {
		return nil, fmt.Errorf("read instance %s: %w", *in.InstanceName, err)
	}
	return &control.GetOnPremisesInstanceOutput{InstanceInfo: new(instanceOut(i))}, nil
}

// BatchGetOnPremisesInstances implements control.Service. Unknown names are left out.
func (s *Service) BatchGetOnPremisesInstances(ctx context.Context, in *control.BatchGetOnPremisesInstancesInput) (*control.BatchGetOnPremisesInstancesOutput, error) {
	p := s.check("BatchGetOnPremisesInstances", in)
	p.instanceNames("instanceNames", in.InstanceNames)
	p.atMost(control.BatchLimitExceededException, "instanceNames", len(in.InstanceNames), 25)
	if err := p.err(); err != nil {
		return nil, err
	}
	out := &control.BatchGetOnPremisesInstancesOutput{InstanceInfos: []control.InstanceInfo{}}
	for _, name := range once(in.InstanceNames) {
		i, err := s.cfg.Store.Instance(ctx, s.account(ctx), name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read instance %s: %w", name, err)
		}
		out.InstanceInfos = append(out.InstanceInfos, instanceOut(i))
	}
	return out, nil
}

func instanceOut(i deploy.Instance) control.InstanceInfo {
	return control.InstanceInfo{
		InstanceName: &i.Name, IamUserArn: optional(i.IAMUserARN), IamSessionArn: optional(i.IAMSessionARN), InstanceArn: &i.ARN,
		RegisterTime: wire.At(i.RegisteredAt), DeregisterTime: wire.At(i.DeregisteredAt), Tags: tagsOut(i.Tags),
	}
}

// ListOnPremisesInstances implements control.Service.
func (s *Service) ListOnPremisesInstances(ctx context.Context, in *control.ListOnPremisesInstancesInput) (*control.ListOnPremisesInstancesOutput, error) {
	p := s.check("ListOnPremisesInstances", in)
	f := store.InstanceFilter{
		Registration: string(value(in.RegistrationStatus)),
		Tags:         p.tagFilters(control.InvalidTagFilterException, "tagFilters", onPremFilters(in.TagFilters)),
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	l, err := s.list(ctx, "ListOnPremisesInstances", f)
	if err != nil {
		return nil, err
	}
	page, err := l.page(in.NextToken)
	if err != nil {
		return nil, err
	}
	instances, err := s.cfg.Store.Instances(ctx, l.account, f, page)
	if err != nil {
		return nil, fmt.Errorf("list on-premises instances: %w", err)
	}
	instances, next := cut(l, instances, func(i deploy.Instance) string { return i.Name })
	out := &control.ListOnPremisesInstancesOutput{InstanceNames: make([]string, len(instances)), NextToken: next}
	for n, i := range instances {
		out.InstanceNames[n] = i.Name
	}
	return out, nil
}

// instanceTags notes bad tags of a call that changes tags. On removal a tag without a value means whatever the value is.
func (p *problems) instanceTags(tags []control.Tag, removal bool) {
	const code = control.InvalidTagException
	for i, t := range tags {
		switch {
		case value(t.Key) == "":
			p.add(code, "tags[%d] has no Key.", i)
		case !removal && value(t.Value) == "":
			p.add(code, "tags[%d] has no Value.", i)
		case utf8.RuneCountInString(*t.Key) > maxTagKey || utf8.RuneCountInString(value(t.Value)) > maxTagValue:
			p.add(code, "tags[%d] is too long: a key may have %d characters and a value %d.", i, maxTagKey, maxTagValue)
		}
	}
}

// AddTagsToOnPremisesInstances implements control.Service: all instances get all tags, or none gets any.
func (s *Service) AddTagsToOnPremisesInstances(ctx context.Context, in *control.AddTagsToOnPremisesInstancesInput) error {
	p := s.check("AddTagsToOnPremisesInstances", in)
	return s.changeTags(ctx, p, in.InstanceNames, in.Tags, false, func(i *deploy.Instance) error {
		for _, t := range in.Tags {
			i.Tags[*t.Key] = *t.Value
		}
		if len(i.Tags) > maxInstanceTags {
			return wire.Errorf(control.TagLimitExceededException, "The instance %s would have %d tags, and may have %d.", i.Name, len(i.Tags), maxInstanceTags)
		}
		return nil
	})
}

// RemoveTagsFromOnPremisesInstances implements control.Service.
func (s *Service) RemoveTagsFromOnPremisesInstances(ctx context.Context, in *control.RemoveTagsFromOnPremisesInstancesInput) error {
	p := s.check("RemoveTagsFromOnPremisesInstances", in)
	return s.changeTags(ctx, p, in.InstanceNames, in.Tags, true, func(i *deploy.Instance) error {
		for _, t := range in.Tags {
			if t.Value == nil || i.Tags[*t.Key] == *t.Value {
				delete(i.Tags, *t.Key)
			}
		}
		return nil
	})
}

func (s *Service) changeTags(ctx context.Context, p *problems, names []string, tags []control.Tag, removal bool, change func(*deploy.Instance) error) error {
	p.instanceNames("instanceNames", names)
	p.instanceTags(tags, removal)
	if len(names) > maxInstanceNames {
		p.add(control.InstanceLimitExceededException, "instanceNames has %d names, and at most %d are allowed in one call.", len(names), maxInstanceNames)
	}
	if err := p.err(); err != nil {
		return err
	}
	account := s.account(ctx)
	for _, name := range names {
		// The store says only that one is missing; the caller wants to know which.
		i, err := s.cfg.Store.Instance(ctx, account, name)
		if errors.Is(err, store.ErrNotFound) || err == nil && !i.DeregisteredAt.IsZero() {
			return notRegistered(name)
		}
		if err != nil {
			return fmt.Errorf("read instance %s: %w", name, err)
		}
	}
	// A quota, so after existence.
	if len(tags) > maxInstanceTags {
		return wire.Errorf(control.TagLimitExceededException, "tags has %d tags, and an instance may have %d.", len(tags), maxInstanceTags)
	}
	err := s.cfg.Store.ChangeInstances(ctx, account, once(names), func(i *deploy.Instance) error {
		if i.Tags == nil {
			i.Tags = map[string]string{}
		}
		return change(i)
	})
	var exception *wire.Error
	switch {
	case errors.As(err, &exception):
		return exception
	case errors.Is(err, store.ErrNotFound):
		return notRegistered(names[0]) // deregistered meanwhile
	case err != nil:
		return fmt.Errorf("change the tags of instances: %w", err)
	}
	s.changed()
	return nil
}

func (s *Service) changed() {
	if s.cfg.Changed != nil {
		s.cfg.Changed()
	}
}
