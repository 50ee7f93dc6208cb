package envelope

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
)

var now = time.Now()

func newTestSigner(t testing.TB) *Signer {
	t.Helper()
	s, err := NewSigner(now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsSignedIsVerified(t *testing.T) {
	t.Parallel()
	signer := newTestSigner(t)
	content := []byte(`{"DeploymentId":"d-1"}`)
	signed, err := signer.Sign(content)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(signed, []byte("-----BEGIN PKCS7-----\n")) {
		t.Errorf("the envelope begins %.30q", signed)
	}
	pool := x509.NewCertPool()
	pool.AddCert(signer.Certificate())
	for name, trust := range map[string]Trust{"anyone": {}, "pinned": {Pinned: signer.Certificate()}, "roots": {Roots: pool}} {
		got, err := Verify(signed, trust, now)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("trusting %s: got %q, %v", name, got, err)
		}
	}
}

// TestAnEnvelopeIsNotPlayedAgainForEver holds that one that was kept is refused some day, where that is asked for.
func TestAnEnvelopeIsNotPlayedAgainForEver(t *testing.T) {
	t.Parallel()
	signed, err := newTestSigner(t).Sign([]byte(`{"DeploymentId":"d-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for _, tc := range []struct {
		most, later time.Duration
		ok          bool
	}{{0, 1000 * day, true}, {31 * day, 30 * day, true}, {31 * day, 32 * day, false}} {
		if _, err := Verify(signed, Trust{MaxAge: tc.most}, time.Now().Add(tc.later)); (err == nil) != tc.ok || err != nil && !strings.Contains(err.Error(), "sends again") {
			t.Errorf("%s later, at most %s: %v", tc.later, tc.most, err)
		}
	}
}

func TestSignerSurvivesItsFiles(t *testing.T) {
	t.Parallel()
	signer, other := newTestSigner(t), newTestSigner(t)
	key, err := signer.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSigner(signer.CertificatePEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := again.Sign([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(signed, Trust{Pinned: signer.Certificate()}, now); err != nil {
		t.Error(err)
	}
	if _, err := ParseSigner(other.CertificatePEM(), key); err == nil || !strings.Contains(err.Error(), "belongs to another key") {
		t.Errorf("a foreign certificate gave %v", err)
	}
	if _, err := ParseSigner([]byte("junk"), key); err == nil {
		t.Error("junk passed as a certificate")
	}
}

func TestStrangersAreNotTrusted(t *testing.T) {
	t.Parallel()
	signer, stranger := newTestSigner(t), newTestSigner(t)
	signed, err := stranger.Sign([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(signer.Certificate())
	for name, trust := range map[string]Trust{"pinned": {Pinned: signer.Certificate()}, "roots": {Roots: pool}} {
		if _, err := Verify(signed, trust, now); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%s: got %v, want ErrUntrusted", name, err)
		}
	}
}

func TestIssuedSignerChainsToItsAuthority(t *testing.T) {
	t.Parallel()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := NewIssuedSigner(now, ca, caKey)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	if _, err := Verify(signed, Trust{Roots: pool}, now); err != nil {
		t.Error(err)
	}
	if _, err := Verify(signed, Trust{Roots: pool}, now.Add(2*time.Hour)); !errors.Is(err, ErrUntrusted) {
		t.Errorf("after the authority expired: %v, want ErrUntrusted", err)
	}
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	signer := newTestSigner(t)
	signed, err := signer.Sign([]byte(`{"DeploymentId":"d-1"}`))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(signed)
	altered := bytes.Replace(block.Bytes, []byte("d-1"), []byte("d-2"), 1)
	weak, err := signSHA1(signer, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		envelope []byte
		want     string
	}{
		"altered content": {pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: altered}), "signature is not valid"},
		"cut short":       {pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: block.Bytes[:len(block.Bytes)/2]}), "parse PKCS7"},
		"no PEM":          {block.Bytes, "not a PEM"},
		"other block":     {signer.CertificatePEM(), "not a PEM"},
		"empty":           {nil, "not a PEM"},
		"data behind":     {append(bytes.Clone(signed), "more"...), "data after"},
		"too large":       {bytes.Repeat([]byte("x"), maxEnvelope+1), "more than"},
		"SHA-1":           {weak, "SHA-256 or stronger"},
	} {
		if _, err := Verify(tc.envelope, Trust{}, now); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func signSHA1(s *Signer, content []byte) ([]byte, error) {
	signed, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, err
	}
	if err := signed.AddSigner(s.cert, s.key, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, err
	}
	der, err := signed.Finish()
	return pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}), err
}

func TestASpecificationFitsThePayloadLimit(t *testing.T) {
	t.Parallel()
	spec := validSpecification()
	spec.ApplicationName = strings.Repeat("a", 100)
	spec.DeploymentGroupName = strings.Repeat("g", 100)
	spec.Revision.S3Revision.Key = strings.Repeat("k", 1024)
	spec.GitHubAccessToken = strings.Repeat("t", 100)
	content, err := spec.Encode()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := newTestSigner(t).Sign(content)
	if err != nil {
		t.Fatal(err)
	}
	if len(signed) > MaxPayload {
		t.Errorf("a large specification becomes %d characters, want at most %d", len(signed), MaxPayload)
	}
}

func TestOpenSSLAcceptsTheEnvelope(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	signer := newTestSigner(t)
	content := []byte("{\"DeploymentId\":\"d-1\"}\n")
	signed, err := signer.Sign(content)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in, ca := filepath.Join(dir, "in.pem"), filepath.Join(dir, "ca.pem")
	for path, data := range map[string][]byte{in: signed, ca: signer.CertificatePEM()} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"smime", "-verify", "-noverify"}, {"smime", "-verify", "-CAfile", ca},
		{"cms", "-verify", "-noverify", "-binary"}, {"cms", "-verify", "-CAfile", ca, "-binary"},
	} {
		cmd := exec.Command(openssl, append(args, "-inform", "PEM", "-in", in)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || !bytes.Equal(out, content) {
			t.Errorf("openssl %v: %v, content %q, %s", args, err, out, stderr.String())
		}
	}
}

func TestOpenSSLEnvelopeIsAccepted(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	signer := newTestSigner(t)
	key, err := signer.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string][]byte{"cert": signer.CertificatePEM(), "key": key, "in": []byte("hello")}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, extra := range [][]string{nil, {"-noattr"}} {
		args := append([]string{"smime", "-sign", "-nodetach", "-binary", "-md", "sha256", "-signer", "cert", "-inkey", "key", "-in", "in", "-outform", "PEM"}, extra...)
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		signed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Verify(signed, Trust{Pinned: signer.Certificate()}, now)
		if err != nil || string(got) != "hello" {
			t.Errorf("openssl %v: got %q, %v", extra, got, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	signer := newTestSigner(f)
	signed, err := signer.Sign([]byte(`{"DeploymentId":"d-1"}`))
	if err != nil {
		f.Fatal(err)
	}
	block, _ := pem.Decode(signed)
	f.Add(block.Bytes)
	f.Add([]byte{0x30, 0x80, 0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		content, err := Verify(pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}), Trust{Pinned: signer.Certificate()}, now)
		if err == nil && string(content) != `{"DeploymentId":"d-1"}` {
			t.Errorf("content %q was never signed", content)
		}
	})
}
