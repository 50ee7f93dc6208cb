package server

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/authority"
	"crossfade/internal/envelope"
)

// TestTheServersOwnAuthority: who compares the fingerprint can trust what the server shows, the AWS tools trust it by its file, and signers of
// specifications come from it, but what the endpoint speaks TLS with signs none.
func TestTheServersOwnAuthority(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config.TLS.On = true
	s := start(t, o)
	file, fingerprint, ok := s.OwnAuthority()
	if !ok || !strings.HasPrefix(s.Endpoint(), "https://127.0.0.1:") {
		t.Fatalf("%s has no authority of its own", s.Endpoint())
	}
	blind := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(blind.CloseIdleConnections)
	answer, err := blind.Get(s.Endpoint() + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := io.ReadAll(answer.Body)
	if closeErr := answer.Body.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	ca, err := envelope.ParseCertificate(shown)
	if err != nil || authority.Fingerprint(ca) != fingerprint {
		t.Fatalf("/ca.pem shows %s (%v)", shown, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	t.Cleanup(trusting.CloseIdleConnections)
	ready, err := trusting.Get(s.Endpoint() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	if err := ready.Body.Close(); err != nil || ready.ProtoMajor != 2 || ready.StatusCode != http.StatusOK {
		t.Errorf("%s over %s (%v)", ready.Status, ready.Proto, err)
	}
	signer, err := openSigner(filepath.Join(o.Config.Data, signerFile), time.Now(), s.authority)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envelope.Verify(signed, envelope.Trust{Roots: roots}, time.Now()); err != nil {
		t.Errorf("a specification: %v", err)
	}
	if leaf := ready.TLS.PeerCertificates[0]; leaf.IsCA || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || len(leaf.ExtKeyUsage) != 1 {
		t.Errorf("the endpoint's certificate is for %v", leaf.ExtKeyUsage)
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the aws command line is not on this machine, so it was not asked")
	}
	for variable, works := range map[string]bool{"AWS_CA_BUNDLE=" + file: true, "AWS_PAGER=": false} {
		cmd := exec.Command("aws", "deploy", "list-applications", "--endpoint-url", s.Endpoint(), "--region", "us-east-1")
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+testRoot.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+testRoot.SecretAccessKey, variable, "AWS_MAX_ATTEMPTS=1", "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); (err == nil) != works {
			t.Errorf("aws with %s: %v %s", variable, err, out)
		}
	}
}

// TestASignerIsIssuedAgainBeforeItsEnd and a self-signed one, which agents may pin, is kept.
func TestASignerIsIssuedAgainBeforeItsEnd(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	ca, err := authority.Open(dir, now, options(t).Log)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, signerFile)
	open := func(at time.Time) *envelope.Signer {
		t.Helper()
		s, err := openSigner(path, at, ca)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := open(now)
	if !open(now.AddDate(7, 0, 0)).Certificate().Equal(first.Certificate()) {
		t.Error("it was replaced early")
	}
	if open(now.AddDate(9, 0, 0)).Certificate().Equal(first.Certificate()) {
		t.Error("it was not replaced before its end")
	}
	own, err := envelope.NewSigner(now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := own.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(own.CertificatePEM(), key...), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept := open(now); !kept.Certificate().Equal(own.Certificate()) || string(signerRoots(kept, ca)) != string(own.CertificatePEM()) {
		t.Error("the self-signed signer was not kept")
	}
	if string(signerRoots(first, ca)) != string(ca.PEM()) {
		t.Error("an issued signer does not lead to the authority")
	}
}
