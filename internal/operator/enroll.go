package operator

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"crossfade/internal/auth"
	"crossfade/internal/join"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// hostRole is the role of which the identities of enrolled hosts are sessions. Nobody else's are.
const hostRole = "crossfade-host"

// sessionOf is a new identity for a host. No two enrolments share one, so that what an earlier host of the name still holds is nobody's any more,
// from the moment at which the name is another's. The name of a session has the characters of an instance's and may be shorter.
func sessionOf(account, name string) (arn, enrolment string) {
	id := make([]byte, 6)
	rand.Read(id) // never fails
	enrolment = strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id))
	readable := strings.ReplaceAll(name, "@", "-")
	readable = readable[:min(len(readable), 64-1-len(enrolment))]
	return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s@%s", account, hostRole, readable, enrolment), enrolment
}

func tagsOf(tags map[string]string) []control.Tag {
	var out []control.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, control.Tag{Key: new(key), Value: new(tags[key])})
	}
	return out
}

// enrolment is a host that is about to be.
type enrolment struct {
	account, name string
	arn           string // of its identity
	tags          []control.Tag
	replace       bool
}

// EnrollHost makes a host of the caller, who has a join token, and gives it its first session.
func (s *Service) EnrollHost(ctx context.Context, in *join.EnrollHostInput) (*join.EnrollHostOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("enrol a host without a caller")
	}
	token, err := s.Joining.Tokens.JoinToken(ctx, caller.Account, caller.AccessKeyID)
	switch {
	case caller.Kind != auth.Join || errors.Is(err, store.ErrNotFound):
		return nil, wire.Errorf(JoinTokenEnded, "The join token is none, or was revoked; ask for a new one.")
	case err != nil:
		return nil, err
	case !s.Joining.Now().Before(token.ExpiresAt):
		return nil, wire.Errorf(JoinTokenEnded, "The join token has expired; ask for a new one.")
	}
	e, err := allowed(token, in)
	if err != nil {
		return nil, err
	}
	p := auth.Principal{Account: caller.Account, Kind: auth.Host}
	p.ARN, p.Enrolment = sessionOf(caller.Account, e.name)
	e.arn = p.ARN
	session, err := s.issue(p)
	if err != nil {
		return nil, err
	}
	arn, err := s.enrol(ctx, token, e)
	if err != nil {
		return nil, err
	}
	out := &join.EnrollHostOutput{Name: &e.name, ARN: arn, IAMSessionARN: &e.arn, Region: &s.Region, Session: session}
	if s.Joining.Signers != "" {
		out.SignerCertificates = &s.Joining.Signers
	}
	return out, nil
}

// allowed is what the host asks for, if the token allows it.
func allowed(token store.JoinToken, in *join.EnrollHostInput) (enrolment, error) {
	e := enrolment{account: token.Account, name: token.Name, replace: token.Replace}
	if in.Name != nil && *in.Name != "" {
		e.name = *in.Name
	}
	switch {
	case e.name == "":
		return e, wire.Errorf(control.InstanceNameRequiredException, "The join token names no host; give the host a name.")
	case token.Name != "" && e.name != token.Name:
		return e, wire.Errorf(JoinTokenRefuses, "The join token is for the host %s only.", token.Name)
	case len(in.Tags) > 0 && !token.OwnTags:
		return e, wire.Errorf(JoinTokenRefuses, "The join token lets the host bring no tags; make it with --own-tags, or with the tags.")
	}
	tags := maps.Clone(token.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	for i, t := range in.Tags {
		if t.Key == nil || t.Value == nil {
			return e, wire.Errorf(control.InvalidTagException, "tags[%d] has no Key or no Value.", i)
		}
		if v, ok := token.Tags[*t.Key]; ok && v != *t.Value {
			return e, wire.Errorf(JoinTokenRefuses, "The join token sets the tag %q already.", *t.Key)
		}
		tags[*t.Key] = *t.Value
	}
	e.tags = tagsOf(tags)
	return e, nil
}

// enrol takes one use of the token and makes the host, or gives the use back. One enrolment runs at a time, so that two that replace the same host
// don't take each other's half-done work for an earlier host.
func (s *Service) enrol(ctx context.Context, token store.JoinToken, e enrolment) (instanceARN *string, err error) {
	s.enrolling.Lock()
	defer s.enrolling.Unlock()
	_, err = s.Joining.Tokens.UseJoinToken(ctx, token.Account, token.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, wire.Errorf(JoinTokenEnded, "The join token was revoked; ask for a new one.")
	case errors.Is(err, store.ErrLimit):
		return nil, wire.Errorf(JoinTokenEnded, "The join token has been used; ask for a new one.")
	case err != nil:
		return nil, err
	}
	instanceARN, err = s.place(ctx, e)
	if err != nil {
		return nil, errors.Join(err, s.Joining.Tokens.ReturnJoinToken(context.WithoutCancel(ctx), token.Account, token.ID))
	}
	return instanceARN, nil
}

// place registers the host, in the place of an earlier one if it may. What it can't finish it takes back.
func (s *Service) place(ctx context.Context, e enrolment) (instanceARN *string, err error) {
	before, err := s.registered(ctx, e.name)
	if err != nil {
		return nil, err
	}
	if before != nil && !e.replace {
		return nil, wire.Errorf(control.InstanceNameAlreadyRegisteredException,
			"A host is already registered under the name %s; remove it, or make a join token with --replace to let this one take its place.", e.name)
	}
	undo := []func(context.Context) error{}
	defer func() {
		if err == nil {
			return
		}
		// A caller that has gone away must not leave half a host.
		for _, step := range slices.Backward(undo) {
			err = errors.Join(err, step(context.WithoutCancel(ctx)))
		}
	}()
	deregister := func(ctx context.Context) error {
		return s.Instances.DeregisterOnPremisesInstance(ctx, &control.DeregisterOnPremisesInstanceInput{InstanceName: &e.name})
	}
	if before != nil {
		undo = append(undo, func(ctx context.Context) error { return s.restore(ctx, before) })
		if err := deregister(ctx); err != nil {
			return nil, err
		}
	}
	err = s.Instances.RegisterOnPremisesInstance(ctx, &control.RegisterOnPremisesInstanceInput{InstanceName: &e.name, IamSessionArn: &e.arn})
	if err != nil {
		return nil, err
	}
	undo = append(undo, deregister)
	if err := s.tag(ctx, e.name, e.tags); err != nil {
		return nil, err
	}
	now, err := s.registered(ctx, e.name)
	if err != nil {
		return nil, err
	}
	if now == nil {
		return nil, fmt.Errorf("enrol host %s: it was taken away at once", e.name)
	}
	// Last, because it can't be taken back: an earlier host of the name may have a key of its own.
	if err := s.deleteKeys(ctx, e.account, userOf(e.account, e.name)); err != nil {
		return nil, err
	}
	return now.InstanceArn, nil
}

// registered is the instance that has the name now, or nil.
func (s *Service) registered(ctx context.Context, name string) (*control.InstanceInfo, error) {
	out, err := s.Instances.GetOnPremisesInstance(ctx, &control.GetOnPremisesInstanceInput{InstanceName: &name})
	switch {
	case hasCode(err, control.InstanceNotRegisteredException):
		return nil, nil
	case err != nil:
		return nil, err
	case out.InstanceInfo.DeregisterTime != nil:
		return nil, nil
	}
	return out.InstanceInfo, nil
}

// restore registers again what was deregistered for another's sake.
func (s *Service) restore(ctx context.Context, i *control.InstanceInfo) error {
	err := s.Instances.RegisterOnPremisesInstance(ctx, &control.RegisterOnPremisesInstanceInput{
		InstanceName: i.InstanceName, IamUserArn: i.IamUserArn, IamSessionArn: i.IamSessionArn,
	})
	if err == nil {
		err = s.tag(ctx, *i.InstanceName, i.Tags)
	}
	if err != nil {
		return fmt.Errorf("register the earlier host again: %w", err)
	}
	return nil
}

func (s *Service) tag(ctx context.Context, name string, tags []control.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	return s.Instances.AddTagsToOnPremisesInstances(ctx, &control.AddTagsToOnPremisesInstancesInput{InstanceNames: []string{name}, Tags: tags})
}

func (s *Service) issue(p auth.Principal) (*join.Session, error) {
	lifetime, renewable := s.Joining.Lifetime, s.Joining.Renewable
	if lifetime <= 0 {
		lifetime = defaultLifetime
	}
	if renewable <= 0 {
		renewable = defaultRenewable
	}
	made, err := s.Joining.Sessions.Issue(p, lifetime, renewable)
	if err != nil {
		return nil, err
	}
	return &join.Session{
		AccessKeyID: &made.AccessKeyID, SecretAccessKey: &made.SecretAccessKey, SessionToken: &made.SessionToken,
		ExpiresAt: wire.At(made.ExpiresAt), RenewUntil: wire.At(made.RenewUntil),
	}, nil
}

// RenewHostCredentials gives an enrolled host its next session, for as long as it is registered under the identity of its enrolment.
func (s *Service) RenewHostCredentials(ctx context.Context, _ *join.RenewHostCredentialsInput) (*join.RenewHostCredentialsOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("renew credentials without a caller")
	}
	if caller.Kind != auth.Host || caller.Enrolment == "" {
		return nil, wire.Errorf(HostNotEnrolled, "%s is no enrolled host: only their credentials are renewed.", caller.ARN)
	}
	i, err := s.Joining.Hosts.InstanceByHost(ctx, caller.ARN)
	if errors.Is(err, store.ErrNotFound) || err == nil && (i.Account != caller.Account || !strings.HasSuffix(caller.ARN, "@"+caller.Enrolment)) {
		return nil, wire.Errorf(HostNotEnrolled, "The host %s was removed or replaced; enrol it again with a new join token.", caller.ARN)
	}
	if err != nil {
		return nil, err
	}
	session, err := s.issue(caller.Principal)
	if err != nil {
		return nil, err
	}
	return &join.RenewHostCredentialsOutput{Session: session}, nil
}
