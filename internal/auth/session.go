package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"crossfade/internal/sigv4"
)

// Session is temporary credentials. They are stored nowhere: the session token carries them, sealed, so that giving out a million costs nothing
// and any server with the key file can judge them. What a session may do is looked up at each call, so that it ends early with whom it was for.
type Session struct {
	sigv4.Credential // with a SessionToken
	ExpiresAt        time.Time
	// RenewUntil is until when the expired session may still ask for the next one, and for nothing else. Zero: it may not.
	RenewUntil time.Time
}

// sessionContent is what a session token seals. The names are short because every request carries them.
type sessionContent struct {
	Secret     string    `json:"s"`
	Principal  Principal `json:"p"`
	ExpiresAt  time.Time `json:"e"`
	RenewUntil time.Time `json:"r,omitzero"`
}

// tokenOf is a session token with the key that it was given out with.
type tokenOf struct{ accessKeyID, token string }

// maxSessionToken bounds what is opened, in characters.
const maxSessionToken = 4096

// Issue makes temporary credentials for a principal. They hold for the lifetime, and may be renewed for as long as renewable from now; zero:
// they may not.
func (k *Keys) Issue(p Principal, lifetime, renewable time.Duration) (Session, error) {
	if lifetime <= 0 {
		return Session{}, fmt.Errorf("issue a session for %s: its lifetime %s is not above zero", p.ARN, lifetime)
	}
	now := k.now().UTC().Truncate(time.Second)
	made := NewCredential()
	s := Session{
		Credential: sigv4.Credential{AccessKeyID: "ASIA" + made.AccessKeyID[len("AKIA"):], SecretAccessKey: made.SecretAccessKey},
		ExpiresAt:  now.Add(lifetime),
	}
	if renewable > 0 {
		s.RenewUntil = now.Add(renewable)
	}
	content, err := json.Marshal(sessionContent{s.SecretAccessKey, p, s.ExpiresAt, s.RenewUntil})
	if err != nil {
		return Session{}, fmt.Errorf("issue a session for %s: %w", p.ARN, err)
	}
	s.SessionToken = base64.RawStdEncoding.EncodeToString(k.sessions.Seal(s.AccessKeyID, string(content)))
	return s, nil
}

// openSession reads a session token that was issued with the access key id. ErrUnknownKey of package sigv4: it was not. What it says never changes, so
// one that was opened is remembered; whether its time is over is asked each time.
func (k *Keys) openSession(accessKeyID, token string) (sessionContent, error) {
	var content sessionContent
	if len(token) > maxSessionToken {
		return content, sigv4.ErrUnknownKey
	}
	if content, ok := k.tokens.Get(tokenOf{accessKeyID, token}); ok {
		return content, nil
	}
	sealed, err := base64.RawStdEncoding.DecodeString(token)
	if err != nil {
		return content, sigv4.ErrUnknownKey
	}
	plain, err := k.sessions.Open(accessKeyID, sealed)
	if err != nil {
		return content, sigv4.ErrUnknownKey
	}
	if err := json.Unmarshal([]byte(plain), &content); err != nil {
		return content, errors.Join(sigv4.ErrUnknownKey, err)
	}
	k.tokens.Put(tokenOf{strings.Clone(accessKeyID), strings.Clone(token)}, content)
	return content, nil
}

func (k *Keys) sessionSecret(ctx context.Context, accessKeyID, token string) (string, error) {
	content, err := k.openSession(accessKeyID, token)
	if err != nil {
		return "", err
	}
	until := content.ExpiresAt
	if renewing(ctx) && content.RenewUntil.After(until) {
		until = content.RenewUntil
	}
	if !k.now().Before(until) {
		return "", sigv4.ErrExpiredKey
	}
	return content.Secret, nil
}

type renewingKey struct{}

// Renewing marks the context of a call that does nothing but renew a session: it may be signed with an expired one that is still renewable.
func Renewing(ctx context.Context) context.Context {
	return context.WithValue(ctx, renewingKey{}, true)
}

func renewing(ctx context.Context) bool {
	is, _ := ctx.Value(renewingKey{}).(bool)
	return is
}
