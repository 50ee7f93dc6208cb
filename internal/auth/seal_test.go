package auth_test

import (
	"bytes"
	"strings"
	"testing"

	"crossfade/internal/auth"
)

func TestASealedSecretOpensOnlyAsWhatItWas(t *testing.T) {
	t.Parallel()
	sealer := func(keyFile, kind string) *auth.Sealer {
		t.Helper()
		s, err := auth.NewSealer([]byte(keyFile), kind)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	file := strings.Repeat("k", auth.KeySize)
	s := sealer(file, "tokens")
	sealed := s.Seal("owner", "secret")
	if bytes.Contains(sealed, []byte("secret")) {
		t.Errorf("the secret can be read in %q", sealed)
	}
	if secret, err := sealer(file, "tokens").Open("owner", sealed); err != nil || secret != "secret" {
		t.Errorf("got %q, %v", secret, err)
	}
	for name, open := range map[string]func() (string, error){
		"another owner": func() (string, error) { return s.Open("other", sealed) },
		"another kind":  func() (string, error) { return sealer(file, "keys").Open("owner", sealed) },
		"another key file": func() (string, error) {
			return sealer(strings.Repeat("x", auth.KeySize), "tokens").Open("owner", sealed)
		},
		"nothing": func() (string, error) { return s.Open("owner", nil) },
	} {
		if secret, err := open(); err == nil || secret != "" {
			t.Errorf("%s: got %q, %v", name, secret, err)
		}
	}
}
