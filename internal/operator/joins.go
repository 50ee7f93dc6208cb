package operator

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"crossfade/internal/auth"
	"crossfade/internal/deploy"
	"crossfade/internal/join"
	"crossfade/internal/sigv4"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

const (
	createJoinToken = "CreateJoinToken"
	listJoinTokens  = "ListJoinTokens"
	revokeJoinToken = "RevokeJoinToken"
)

// Exceptions of tokens with which hosts enrol.
const (
	InvalidJoinToken       wire.Code = "InvalidJoinTokenException"
	JoinTokenLimitExceeded wire.Code = "JoinTokenLimitExceededException"
	JoinTokenDoesNotExist  wire.Code = "JoinTokenDoesNotExistException"
	JoinTokenEnded         wire.Code = "JoinTokenEndedException"
	JoinTokenRefuses       wire.Code = "JoinTokenRefusesException"
	HostNotEnrolled        wire.Code = "HostNotEnrolledException"
)

// The limits of tokens. An ended one is listed for a while, so that one can see what became of it.
const (
	maxJoinTokens   = 1000
	maxJoinUses     = 1000
	maxJoinLife     = 30 * 24 * time.Hour
	defaultJoinLife = time.Hour
	minJoinLife     = time.Minute
	keepEndedJoin   = 7 * 24 * time.Hour
	maxHostTags     = 10
	maxHostTagKey   = 128
	maxHostTagValue = 256
)

// Hosts finds whom a host identity is registered for.
type Hosts interface {
	InstanceByHost(ctx context.Context, host string) (deploy.Instance, error)
}

// Sessions gives out the access keys of tokens and the sessions of hosts.
type Sessions interface {
	Put(ctx context.Context, c sigv4.Credential, p auth.Principal, expires time.Time) error
	Delete(ctx context.Context, accessKeyID string) error
	Issue(p auth.Principal, lifetime, renewable time.Duration) (auth.Session, error)
}

// Joining is how hosts enrol. All members but the authority, the signers and the durations are required.
type Joining struct {
	Tokens   store.JoinTokens
	Hosts    Hosts
	Sessions Sessions
	Now      func() time.Time
	// Endpoint is where tokens send hosts.
	Endpoint string
	// Authority is the SHA-256 of the certificate from which the server's own comes, in lower-case hex; empty: one that systems trust, or no TLS. The
	// server shows that certificate at /ca.pem.
	Authority string
	// Signers are the PEM certificates to which those of signers of deployment specifications lead.
	Signers string
	// Lifetime is how long a session of a host holds, default an hour; Renewable is how long it may be renewed, default 30 days.
	Lifetime, Renewable time.Duration
}

const (
	defaultLifetime  = time.Hour
	defaultRenewable = 30 * 24 * time.Hour
)

// CreateJoinTokenInput says what a token allows. Without a name, the host chooses one.
type CreateJoinTokenInput struct {
	Name      *string       `json:"name,omitzero"`
	Tags      []control.Tag `json:"tags,omitzero"`
	OwnTags   *bool         `json:"ownTags,omitzero"` // the host may bring tags of its own
	Replace   *bool         `json:"replace,omitzero"` // the host may take the place of the one that has its name
	Uses      *int64        `json:"uses,omitzero"`    // default 1
	ExpiresIn *int64        `json:"expiresInSeconds,omitzero"`
}

// CreateJoinTokenOutput is the token. It is shown here and never again.
type CreateJoinTokenOutput struct {
	ID        *string    `json:"id,omitzero"`
	Token     *string    `json:"token,omitzero"`
	ExpiresAt *wire.Time `json:"expiresAt,omitzero"`
}

// ListJoinTokensInput asks for the account's tokens.
type ListJoinTokensInput struct{}

// ListJoinTokensOutput is the tokens by id, without their secrets.
type ListJoinTokensOutput struct {
	Tokens []JoinTokenInfo `json:"tokens"`
}

// JoinTokenInfo is a token without its secret.
type JoinTokenInfo struct {
	ID        string        `json:"id"`
	Name      string        `json:"name,omitempty"` // empty: any
	Tags      []control.Tag `json:"tags,omitempty"`
	OwnTags   bool          `json:"ownTags,omitempty"`
	Replace   bool          `json:"replace,omitempty"`
	Uses      int           `json:"uses"`
	Used      int           `json:"used"`
	CreatedBy string        `json:"createdBy"`
	CreatedAt *wire.Time    `json:"createdAt"`
	ExpiresAt *wire.Time    `json:"expiresAt"`
	State     string        `json:"state"` // open, used or expired
}

// RevokeJoinTokenInput names a token.
type RevokeJoinTokenInput struct {
	ID *string `json:"id,omitzero"`
}

// Validate implements wire.Input.
func (*CreateJoinTokenInput) Validate() []wire.Violation { return nil }

// Validate implements wire.Input.
func (*ListJoinTokensInput) Validate() []wire.Violation { return nil }

// Validate implements wire.Input.
func (in *RevokeJoinTokenInput) Validate() []wire.Violation {
	if in.ID != nil && *in.ID != "" {
		return nil
	}
	return []wire.Violation{{Path: "id", Shape: "JoinTokenId", Member: "id", Rule: wire.Required, Detail: "name the join token by the id that the list shows"}}
}

func joinOperations(s *Service) []wire.Operation {
	return []wire.Operation{
		wire.Op(createJoinToken, s.CreateJoinToken, InvalidJoinToken, JoinTokenLimitExceeded, control.InvalidInstanceNameException),
		wire.Op(listJoinTokens, s.ListJoinTokens),
		wire.Void(revokeJoinToken, s.RevokeJoinToken, JoinTokenDoesNotExist),
		wire.Op(auth.EnrollHost, s.EnrollHost, JoinTokenEnded, JoinTokenRefuses,
			control.InstanceNameRequiredException, control.InvalidInstanceNameException, control.InstanceNameAlreadyRegisteredException,
			control.IamSessionArnAlreadyRegisteredException, control.InvalidIamSessionArnException, control.TagRequiredException,
			control.InvalidTagException, control.TagLimitExceededException, control.InstanceLimitExceededException, control.InstanceNotRegisteredException),
		wire.Op(auth.RenewHostCredentials, s.RenewHostCredentials, HostNotEnrolled),
	}
}

// CreateJoinToken makes a token with which hosts enrol.
func (s *Service) CreateJoinToken(ctx context.Context, in *CreateJoinTokenInput) (*CreateJoinTokenOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("create a join token without a caller")
	}
	t, err := s.joinTokenOf(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.forgetEnded(ctx, caller.Account, t.CreatedAt); err != nil {
		return nil, err
	}
	c := auth.NewCredential()
	t.Account, t.ID, t.CreatedBy = caller.Account, c.AccessKeyID, caller.ARN
	switch err := s.Joining.Tokens.CreateJoinToken(ctx, t, maxJoinTokens); {
	case errors.Is(err, store.ErrLimit):
		return nil, wire.Errorf(JoinTokenLimitExceeded, "There are %d join tokens already; revoke those that are not needed.", maxJoinTokens)
	case err != nil:
		return nil, err
	}
	p := auth.Principal{ARN: fmt.Sprintf("arn:aws:crossfade:%s:%s:join-token/%s", s.Region, t.Account, t.ID), Account: t.Account, Kind: auth.Join}
	if err := s.Joining.Sessions.Put(ctx, c, p, t.ExpiresAt); err != nil {
		return nil, errors.Join(err, s.Joining.Tokens.DeleteJoinToken(context.WithoutCancel(ctx), t.Account, t.ID))
	}
	token := join.Token{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, Region: s.Region, Endpoint: s.Joining.Endpoint, Name: t.Name,
		Authority: s.Joining.Authority,
	}
	return &CreateJoinTokenOutput{ID: &t.ID, Token: new(token.String()), ExpiresAt: wire.At(t.ExpiresAt)}, nil
}

// joinTokenOf checks what a token is to allow.
func (s *Service) joinTokenOf(ctx context.Context, in *CreateJoinTokenInput) (store.JoinToken, error) {
	now := s.Joining.Now().UTC()
	t := store.JoinToken{Uses: 1, CreatedAt: now, ExpiresAt: now.Add(defaultJoinLife)}
	refuse := func(format string, args ...any) (store.JoinToken, error) {
		return t, wire.Errorf(InvalidJoinToken, format, args...)
	}
	if in.OwnTags != nil {
		t.OwnTags = *in.OwnTags
	}
	if in.Replace != nil {
		t.Replace = *in.Replace
	}
	if in.ExpiresIn != nil {
		if *in.ExpiresIn < int64(minJoinLife/time.Second) || *in.ExpiresIn > int64(maxJoinLife/time.Second) {
			return refuse("A join token can't expire in %d seconds; it lives from %d seconds to 30 days.", *in.ExpiresIn, minJoinLife/time.Second)
		}
		t.ExpiresAt = now.Add(time.Duration(*in.ExpiresIn) * time.Second)
	}
	if in.Uses != nil {
		if *in.Uses < 1 || *in.Uses > maxJoinUses {
			return refuse("A join token can't be for %d hosts; it is for 1 to %d.", *in.Uses, maxJoinUses)
		}
		t.Uses = int(*in.Uses)
	}
	if in.Name != nil && *in.Name != "" {
		t.Name = *in.Name
		if t.Uses > 1 && !t.Replace {
			return refuse("A join token for %d hosts can't say the name of each: leave the name to the hosts.", t.Uses)
		}
		// Whether a name may be an instance's is the control API's to say.
		_, err := s.Instances.GetOnPremisesInstance(ctx, &control.GetOnPremisesInstanceInput{InstanceName: in.Name})
		if err != nil && !hasCode(err, control.InstanceNotRegisteredException) {
			return t, err
		}
	}
	if len(in.Tags) > maxHostTags {
		return refuse("A host has at most %d tags, and the join token has %d.", maxHostTags, len(in.Tags))
	}
	t.Tags = map[string]string{}
	for i, g := range in.Tags {
		if g.Key == nil || g.Value == nil || *g.Key == "" || *g.Value == "" || utf8.RuneCountInString(*g.Key) > maxHostTagKey || utf8.RuneCountInString(*g.Value) > maxHostTagValue {
			return refuse("tags[%d] needs a Key of 1 to %d characters and a Value of 1 to %d.", i, maxHostTagKey, maxHostTagValue)
		}
		t.Tags[*g.Key] = *g.Value
	}
	return t, nil
}

func hasCode(err error, code wire.Code) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == code
}

// forgetEnded deletes the tokens that ended long ago.
func (s *Service) forgetEnded(ctx context.Context, account string, now time.Time) error {
	all, err := s.Joining.Tokens.JoinTokens(ctx, account, store.Page{})
	if err != nil {
		return err
	}
	for _, t := range all {
		if now.Sub(t.ExpiresAt) < keepEndedJoin {
			continue
		}
		if err := s.deleteJoinToken(ctx, account, t.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// deleteJoinToken deletes the token first: its key alone can do nothing.
func (s *Service) deleteJoinToken(ctx context.Context, account, id string) error {
	if err := s.Joining.Tokens.DeleteJoinToken(ctx, account, id); err != nil {
		return err
	}
	if err := s.Joining.Sessions.Delete(ctx, id); err != nil && !errors.Is(err, auth.ErrNoKey) {
		return err
	}
	return nil
}

// ListJoinTokens lists the tokens of the caller's account, with those that ended in the last days.
func (s *Service) ListJoinTokens(ctx context.Context, _ *ListJoinTokensInput) (*ListJoinTokensOutput, error) {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return nil, errors.New("list join tokens without a caller")
	}
	all, err := s.Joining.Tokens.JoinTokens(ctx, caller.Account, store.Page{})
	if err != nil {
		return nil, err
	}
	out := &ListJoinTokensOutput{Tokens: []JoinTokenInfo{}}
	for _, t := range all {
		i := JoinTokenInfo{
			ID: t.ID, Name: t.Name, Tags: tagsOf(t.Tags), OwnTags: t.OwnTags, Replace: t.Replace, Uses: t.Uses, Used: t.Used, CreatedBy: t.CreatedBy,
			CreatedAt: wire.At(t.CreatedAt), ExpiresAt: wire.At(t.ExpiresAt), State: "open",
		}
		switch {
		case t.Used >= t.Uses:
			i.State = "used"
		case !s.Joining.Now().Before(t.ExpiresAt):
			i.State = "expired"
		}
		out.Tokens = append(out.Tokens, i)
	}
	return out, nil
}

// RevokeJoinToken ends a token at once. Hosts that enrolled with it stay.
func (s *Service) RevokeJoinToken(ctx context.Context, in *RevokeJoinTokenInput) error {
	caller, ok := auth.FromContext(ctx)
	if !ok {
		return errors.New("revoke a join token without a caller")
	}
	err := s.deleteJoinToken(ctx, caller.Account, *in.ID)
	if errors.Is(err, store.ErrNotFound) {
		return wire.Errorf(JoinTokenDoesNotExist, "There is no join token %q; crossfade host tokens lists those that there are.", *in.ID)
	}
	return err
}
