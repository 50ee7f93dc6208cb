package envelope

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
)

// The envelope must be good for whoever reads it: besides this package, OpenSSL, the OpenSSL of Ruby, in which the
// official agent is written, and plain Go.

const said = `{"DeploymentId":"d-1"}`

// signedAndTampered returns an envelope, and the same with another content.
func signedAndTampered(t *testing.T) (signer *Signer, good, bad []byte) {
	t.Helper()
	signer = newTestSigner(t)
	good, err := signer.Sign([]byte(said))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(good)
	if block == nil {
		t.Fatal("the envelope is no PEM")
	}
	altered := bytes.Replace(block.Bytes, []byte("d-1"), []byte("d-2"), 1)
	if bytes.Equal(altered, block.Bytes) {
		t.Fatal("the content is not in the envelope")
	}
	return signer, good, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: altered})
}

func TestGoReadsTheEnvelope(t *testing.T) {
	t.Parallel()
	signer, good, bad := signedAndTampered(t)
	open := func(envelope []byte) *pkcs7.PKCS7 {
		block, rest := pem.Decode(envelope)
		if block == nil || len(rest) > 0 {
			t.Fatal("the envelope is not one PEM block")
		}
		message, err := pkcs7.Parse(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return message
	}
	message := open(good)
	if err := message.Verify(); err != nil || string(message.Content) != said {
		t.Errorf("got %q, %v", message.Content, err)
	}
	if by := message.GetOnlySigner(); by == nil || !by.Equal(signer.Certificate()) {
		t.Errorf("signed by %v, want the certificate inside", by)
	}
	if err := open(bad).Verify(); err == nil {
		t.Error("another content was accepted")
	}
}

func TestOpenSSLRefusesAnotherContent(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	_, _, bad := signedAndTampered(t)
	for _, kind := range []string{"smime", "cms"} {
		cmd := exec.Command(openssl, kind, "-verify", "-noverify", "-inform", "PEM")
		cmd.Stdin = bytes.NewReader(bad)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("openssl %s accepts another content: %s", kind, out)
		}
	}
}

// rubyReads does what the official agent does with an envelope, and looks at the result, which the agent does not.
const rubyReads = `
require 'openssl'
pkcs7 = OpenSSL::PKCS7.new(STDIN.read)
ok = pkcs7.verify([], OpenSSL::X509::Store.new, nil, OpenSSL::PKCS7::NOVERIFY)
print ok, ' ', pkcs7.certificates.length, ' ', pkcs7.data
`

func TestRubyReadsTheEnvelope(t *testing.T) {
	t.Parallel()
	ruby, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("ruby is not installed")
	}
	_, good, bad := signedAndTampered(t)
	path := filepath.Join(t.TempDir(), "read.rb")
	if err := os.WriteFile(path, []byte(rubyReads), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		envelope []byte
		want     string
	}{{"the envelope", good, "true 1 " + said}, {"another content", bad, "false 1 "}} {
		cmd := exec.Command(ruby, path)
		cmd.Stdin = bytes.NewReader(c.envelope)
		out, err := cmd.Output()
		if err != nil || !strings.HasPrefix(string(out), c.want) {
			t.Errorf("Ruby says of %s: %q, %v, want %q", c.name, out, err, c.want)
		}
	}
}
