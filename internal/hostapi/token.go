package hostapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"crossfade/internal/deploy"
)

// token is the content of a HostCommandIdentifier: which command of which target this is, and which handing-out of it.
type token struct {
	deployment string
	target     string
	attempt    int
	delivery   int64
	event      deploy.EventName // empty in those of an earlier server
}

// The versions of identifiers. The earlier one is still read: a script may run on while its server is upgraded.
const (
	tokenVersion        = "2"
	tokenVersionNoEvent = "1"
)

// seal makes an identifier that only this server can have made, for this host only.
func (t token) seal(key []byte, host string) string {
	body := strings.Join([]string{tokenVersion, t.deployment, base64.RawURLEncoding.EncodeToString([]byte(t.target)), strconv.Itoa(t.attempt), strconv.FormatInt(t.delivery, 10), string(t.event)}, ".")
	return body + "." + base64.RawURLEncoding.EncodeToString(tokenMAC(key, host, body))
}

func tokenMAC(key []byte, host, body string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(strconv.Itoa(len(host)) + ":" + host + body))
	return m.Sum(nil)
}

// openToken reads an identifier that seal made for the same host. ok is false for anything else.
func openToken(key []byte, host, s string) (t token, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return token{}, false
	}
	mac, err := base64.RawURLEncoding.DecodeString(s[i+1:])
	if err != nil || !hmac.Equal(mac, tokenMAC(key, host, s[:i])) {
		return token{}, false
	}
	parts := strings.Split(s[:i], ".")
	switch {
	case len(parts) == 6 && parts[0] == tokenVersion:
		t.event = deploy.EventName(parts[5])
	case len(parts) != 5 || parts[0] != tokenVersionNoEvent:
		return token{}, false
	}
	target, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return token{}, false
	}
	attempt, err := strconv.Atoi(parts[3])
	if err != nil {
		return token{}, false
	}
	delivery, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil {
		return token{}, false
	}
	t.deployment, t.target, t.attempt, t.delivery = parts[1], string(target), attempt, delivery
	return t, true
}
