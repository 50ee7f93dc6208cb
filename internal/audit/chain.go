package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// chainLength is that of a chain value in hex.
const chainLength = 2 * sha256.Size

const chainMember = `,"chain":"`

// seal makes a line of a value: its JSON with the chain value as the last member.
func seal(previous string, value any) (line []byte, chain string, err error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, "", fmt.Errorf("encode an audit line: %w", err)
	}
	chain = next(previous, body)
	line = append(body[:len(body)-1], chainMember+chain+"\"}\n"...)
	return line, chain, nil
}

func next(previous string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(previous)) // a hash's Write never fails
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// open takes a line apart, without its line end. ok is false for one that is not of this form.
func open(line []byte) (body []byte, chain string, ok bool) {
	tail := len(chainMember) + chainLength + len(`"}`)
	at := len(line) - tail
	if at < 1 || line[0] != '{' || !bytes.HasPrefix(line[at:], []byte(chainMember)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return nil, "", false
	}
	chain = string(line[at+len(chainMember) : len(line)-len(`"}`)])
	body = append(bytes.Clone(line[:at]), '}')
	return body, chain, json.Valid(body)
}
