package sigv4

import (
	"encoding/hex"
	"net"
	"testing"
)

// Chunker signs the chunks of a body as a client does.
func Chunker(v Verified) func(kind, hashes string) string {
	previous := v.Signature
	return func(kind, hashes string) string {
		text := kind + "\n" + v.At.UTC().Format(timeFormat) + "\n" + v.scope() + "\n" + previous + "\n" + hashes
		previous = hex.EncodeToString(mac(v.key, text))
		return previous
	}
}

// DialAndWrite sends raw bytes and waits for any answer.
func DialAndWrite(t *testing.T, address string, raw []byte) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := c.Write(raw); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}
