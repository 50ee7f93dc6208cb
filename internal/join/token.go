package join

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"unicode"

	"crossfade/internal/sigv4"
)

// Prefix is what every token of this form begins with. A later form gets another number.
const Prefix = "cfj1."

// MaxToken bounds a token, in characters.
const MaxToken = 4096

// Token is what a host needs to enrol: the access key that it signs with, and which server it is for. Whoever has it can enrol in the host's place.
type Token struct {
	AccessKeyID     string `json:"k"`
	SecretAccessKey string `json:"s"`
	Region          string `json:"r"`
	Endpoint        string `json:"e"` // base URL of the server
	// Name is the only name under which a host may enrol; empty: any.
	Name string `json:"n,omitempty"`
	// Authority is the SHA-256 of the certificate (DER) of the authority that the server's certificate comes from, in lower-case hex. Empty: one that the
	// system trusts, or no TLS.
	Authority string `json:"a,omitempty"`
}

// Credential is what the enrolment is signed with.
func (t Token) Credential() sigv4.Credential {
	return sigv4.Credential{AccessKeyID: t.AccessKeyID, SecretAccessKey: t.SecretAccessKey}
}

// String is the token as it is handed over, one word that shells leave alone.
func (t Token) String() string {
	content, err := json.Marshal(t)
	if err != nil {
		panic("join: encode a token: " + err.Error()) // strings can be encoded
	}
	return Prefix + base64.RawURLEncoding.EncodeToString(content)
}

// LogValue keeps the secret out of logs.
func (t Token) LogValue() slog.Value { return slog.StringValue("join token " + t.AccessKeyID) }

// errCut is what a damaged token is answered with: it is most often one that was not copied whole.
var errCut = errors.New("the join token is damaged: copy the whole line that crossfade host token printed")

// ParseToken reads a token; white space around it does not matter. No error repeats any of it.
func ParseToken(text string) (Token, error) {
	text = strings.TrimSpace(text)
	encoded, ok := strings.CutPrefix(text, Prefix)
	switch {
	case text == "":
		return Token{}, errors.New("the join token is empty")
	case !ok && strings.HasPrefix(text, "cfj"):
		return Token{}, errors.New("the join token is of a form that this version does not know: install the version of the server")
	case !ok:
		return Token{}, fmt.Errorf("this is no join token: one begins with %s", Prefix)
	case len(text) > MaxToken:
		return Token{}, fmt.Errorf("the join token is longer than %d characters", MaxToken)
	}
	content, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Token{}, errCut
	}
	var t Token
	if err := json.Unmarshal(content, &t); err != nil {
		return Token{}, errCut
	}
	return t, t.check()
}

func (t Token) check() error {
	for _, v := range []string{t.AccessKeyID, t.SecretAccessKey, t.Region, t.Endpoint} {
		if v == "" || strings.ContainsFunc(v, unprintable) {
			return errCut
		}
	}
	if u, err := url.Parse(t.Endpoint); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return errors.New("the join token names no http or https server: make a new one")
	}
	if t.Authority != "" {
		sum, err := hex.DecodeString(t.Authority)
		if err != nil || len(sum) != 32 || t.Authority != strings.ToLower(t.Authority) {
			return errCut
		}
	}
	return nil
}

// unprintable characters have no place in what goes into headers and files.
func unprintable(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }
