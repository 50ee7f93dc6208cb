package auth_test

import (
	"errors"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/sigv4"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	k := newKeys(t, &shelf{}, func() time.Time { return now })
	p := auth.Principal{ARN: "arn:aws:sts::1:assumed-role/crossfade-host/web-1", Account: "1", Kind: auth.Host, Enrolment: "7"}
	s, err := k.Issue(p, time.Hour, 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := k.Issue(p, time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, renewal := t.Context(), auth.Renewing(t.Context())
	if got, err := k.Secret(ctx, s.AccessKeyID, s.SessionToken); err != nil || got != s.SecretAccessKey {
		t.Errorf("opened %q, %v", got, err)
	}
	if got, err := k.Principal(ctx, s.AccessKeyID, s.SessionToken); err != nil || got != p {
		t.Errorf("principal %+v, %v", got, err)
	}
	for name, try := range map[string][2]string{
		"without the token":     {s.AccessKeyID, ""},
		"another session's":     {s.AccessKeyID, other.SessionToken},
		"a cut token":           {s.AccessKeyID, s.SessionToken[:20]},
		"a token of other text": {s.AccessKeyID, "not base64!"},
	} {
		if _, err := k.Secret(renewal, try[0], try[1]); !errors.Is(err, sigv4.ErrUnknownKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	now = now.Add(time.Hour)
	if _, err := k.Secret(ctx, s.AccessKeyID, s.SessionToken); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := k.Secret(renewal, s.AccessKeyID, s.SessionToken); err != nil {
		t.Errorf("a renewal after its time: %v", err)
	}
	if _, err := k.Secret(renewal, other.AccessKeyID, other.SessionToken); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("a renewal of what can't be renewed: %v", err)
	}
	now = now.Add(30 * 24 * time.Hour)
	if _, err := k.Secret(renewal, s.AccessKeyID, s.SessionToken); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("a renewal after all its time: %v", err)
	}
	if _, err := k.Issue(p, 0, 0); err == nil {
		t.Error("a session without a lifetime was issued")
	}
}
