package join_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"crossfade/internal/join"
)

func whole() join.Token {
	return join.Token{
		AccessKeyID: "AKIAQ", SecretAccessKey: "a+secret/of=it", Region: "eu-test-1", Endpoint: "https://deploy.example.com:8470", Name: "web 1",
		Authority: strings.Repeat("0123456789abcdef", 4),
	}
}

func TestATokenIsOneWord(t *testing.T) {
	t.Parallel()
	text := whole().String()
	if !strings.HasPrefix(text, "cfj1.") || strings.ContainsAny(text, " \t\n'\"\\$&|;<>()*?#~=%+/") {
		t.Errorf("the token is %q", text)
	}
	got, err := join.ParseToken(" \n" + text + "\r\n")
	if err != nil || got != whole() {
		t.Errorf("read %+v, %v", got, err)
	}
	if wrapped, err := join.ParseToken(text[:40] + "\n" + text[40:]); err != nil || wrapped != whole() {
		t.Errorf("a token that a terminal wrapped is read as %+v, %v", wrapped, err)
	}
	if c := got.Credential(); c.AccessKeyID != "AKIAQ" || c.SecretAccessKey != "a+secret/of=it" || c.SessionToken != "" {
		t.Errorf("the credential is %+v", c)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", got)
	if strings.Contains(log.String(), "a+secret") || !strings.Contains(log.String(), "join token AKIAQ") {
		t.Errorf("logged as %s", &log)
	}
}

func TestDamagedTokensAreRefused(t *testing.T) {
	t.Parallel()
	made := func(json string) string { return "cfj1." + base64.RawURLEncoding.EncodeToString([]byte(json)) }
	with := func(change func(*join.Token)) string {
		w := whole()
		change(&w)
		return w.String()
	}
	text := whole().String()
	for name, c := range map[string]struct{ text, want string }{
		"none":                {" \n", "is empty"},
		"another secret":      {"AKIAIOSFODNN7EXAMPLE", "no join token: one begins with cfj1."},
		"of a later version":  {"cfj2.abc", "a form that this version does not know"},
		"cut":                 {text[:len(text)/2], "is damaged: copy the whole line"},
		"no base64":           {"cfj1.***", "is damaged"},
		"too long":            {made(`{"k":"` + strings.Repeat("x", join.MaxToken) + `"}`), "longer than 4096"},
		"no JSON":             {made("hello"), "is damaged"},
		"without a key":       {with(func(w *join.Token) { w.AccessKeyID = "" }), "is damaged"},
		"a header in the key": {with(func(w *join.Token) { w.AccessKeyID = "A\r\nX: y" }), "is damaged"},
		"without a server":    {with(func(w *join.Token) { w.Endpoint = "deploy.example.com" }), "names no http or https server"},
		"of another scheme":   {with(func(w *join.Token) { w.Endpoint = "file:///etc/passwd" }), "names no http or https server"},
		"of a user":           {with(func(w *join.Token) { w.Endpoint = "https://a:b@c" }), "names no http or https server"},
		"half a fingerprint":  {with(func(w *join.Token) { w.Authority = "abcd" }), "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := join.ParseToken(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v, want %s", err, c.want)
			}
		})
	}
}

// FuzzParseToken holds that reading ends without a panic, that what is accepted is written as it was read, and that no error tells the secret.
func FuzzParseToken(f *testing.F) {
	f.Add(whole().String())
	f.Add("cfj1.e30")
	f.Add("cfj1.")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := join.ParseToken(text)
		if err != nil {
			return
		}
		again, err := join.ParseToken(got.String())
		if err != nil || again != got {
			t.Errorf("%q is read as %s, and that as %s, %v", text, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", again), err)
		}
	})
}
