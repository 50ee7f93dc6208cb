package api_test

import (
	"errors"
	"testing"

	"crossfade/internal/auth"
	"crossfade/internal/wire"
	"crossfade/internal/wire/control"
)

// TestAnEC2InstanceAsHost holds what the operator may register that the control API may not.
func TestAnEC2InstanceAsHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := auth.WithCaller(t.Context(), auth.Caller{Principal: auth.Principal{ARN: auth.RootARN(w.account), Account: w.account, Kind: auth.Root}})
	const identity = "arn:aws:ec2:eu-west-1:999999999999:instance/i-0123456789abcdef0"
	register := func(name, identity string) wire.Code {
		err := w.api.RegisterEC2Host(ctx, name, identity)
		var e *wire.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if e == nil {
			return ""
		}
		return e.Code
	}
	for _, c := range []struct {
		name, identity string
		want           wire.Code
	}{
		{"web-1", identity, ""},
		{"web-2", identity, control.IamUserArnAlreadyRegisteredException},
		{"web-2", "arn:aws:iam::999999999999:user/web", control.InvalidIamUserArnException},
		{"web-2", identity + "/", control.InvalidIamUserArnException},
		{"i-0123456789abcdef0", "arn:aws:ec2:eu-west-1:999999999999:instance/i-00000000000000000", control.InvalidInstanceNameException},
	} {
		if got := register(c.name, c.identity); got != c.want {
			t.Errorf("%s as %s: %q, want %q", c.name, c.identity, got, c.want)
		}
	}
	i, err := w.store.InstanceByHost(ctx, identity)
	if err != nil || i.Name != "web-1" {
		t.Errorf("the host is %+v, %v", i, err)
	}
}
