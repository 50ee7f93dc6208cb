package authority

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, dir string, now time.Time) *Authority {
	t.Helper()
	a, err := Open(dir, now, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// trusts makes a handshake with a server that has the certificate, as a client at the time that trusts the CA.
func trusts(t *testing.T, ca *x509.Certificate, get func(*tls.ClientHelloInfo) (*tls.Certificate, error), name string, now time.Time) (*x509.Certificate, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	near, far := net.Pipe()
	server := tls.Server(far, &tls.Config{GetCertificate: get, MinVersion: tls.VersionTLS12})
	client := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: name, Time: func() time.Time { return now }, MinVersion: tls.VersionTLS12})
	done := make(chan error, 1)
	go func() { done <- server.HandshakeContext(t.Context()) }()
	err := client.HandshakeContext(t.Context())
	if closeErr := near.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	if serverErr := <-done; serverErr != nil && err == nil {
		t.Errorf("the client takes the certificate, but the server says %v", serverErr)
	}
	if closeErr := far.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	if err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}

func TestTheCAIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir, start)
	again := open(t, dir, start.AddDate(5, 0, 0))
	if first.Fingerprint() != again.Fingerprint() || len(first.Fingerprint()) != 64 {
		t.Errorf("fingerprints %s and %s", first.Fingerprint(), again.Fingerprint())
	}
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file has mode %v (%v)", info.Mode(), err)
	}
	block, _ := pem.Decode(first.PEM())
	if cert, err := x509.ParseCertificate(block.Bytes); err != nil || !cert.IsCA || Fingerprint(cert) != first.Fingerprint() {
		t.Errorf("the PEM is of %+v (%v)", cert, err)
	}
	if other := open(t, t.TempDir(), start); other.cert.Subject.CommonName == first.cert.Subject.CommonName {
		t.Error("two authorities have one name")
	}
}

func TestTheCAIsRenewedEarlyWithItsKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir, start)
	late := start.AddDate(8, 1, 0)
	second := open(t, dir, late)
	if first.Fingerprint() == second.Fingerprint() || !second.cert.NotAfter.After(late.AddDate(9, 0, 0)) {
		t.Fatalf("the authority's certificate ends %s", second.cert.NotAfter)
	}
	// Who trusts the earlier certificate trusts what the later one issues.
	s, err := second.Server([]string{"deploy.example.com"}, func() time.Time { return late }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	for _, ca := range []*x509.Certificate{first.cert, second.cert} {
		if _, err := trusts(t, ca, s.Certificate, "deploy.example.com", late); err != nil {
			t.Error(err)
		}
	}
}

func TestADamagedCAIsNotReplaced(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(dir string) error{
		"ca.key is missing":     func(dir string) error { return os.Remove(filepath.Join(dir, KeyFile)) },
		"no PEM certificate":    func(dir string) error { return os.WriteFile(filepath.Join(dir, CertificateFile), []byte("x"), 0o600) },
		"ca.key is not PEM":     func(dir string) error { return os.WriteFile(filepath.Join(dir, KeyFile), []byte("x"), 0o600) },
		"others than its owner": func(dir string) error { return os.Chmod(filepath.Join(dir, KeyFile), 0o644) },
		"does not belong": func(dir string) error {
			other := filepath.Join(dir, "other")
			if err := os.Mkdir(other, 0o700); err != nil {
				return err
			}
			if _, err := Open(other, start, quiet()); err != nil {
				return err
			}
			return os.Rename(filepath.Join(other, KeyFile), filepath.Join(dir, KeyFile))
		},
	} {
		dir := t.TempDir()
		open(t, dir, start)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, start, quiet()); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "backup") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a crash in the first start leaves is no loss.
	dir := t.TempDir()
	open(t, dir, start)
	if err := os.Remove(filepath.Join(dir, CertificateFile)); err != nil {
		t.Fatal(err)
	}
	open(t, dir, start)
}

func TestAServersCertificate(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), start)
	now := start
	s, err := a.Server([]string{"deploy.example.com", "localhost", "127.0.0.1", "::1"}, func() time.Time { return now }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"deploy.example.com": true, "releases.deploy.example.com": true, "localhost": true, "127.0.0.1": true, "::1": true,
		"example.com": false, "a.b.deploy.example.com": false, "127.0.0.2": false,
	} {
		if _, err := trusts(t, a.cert, s.Certificate, name, now); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := trusts(t, open(t, t.TempDir(), start).cert, s.Certificate, "localhost", now); err == nil {
		t.Error("another authority's clients trust it")
	}
	first, err := trusts(t, a.cert, s.Certificate, "localhost", now)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(59 * 24 * time.Hour)
	if same, err := trusts(t, a.cert, s.Certificate, "localhost", now); err != nil || !same.Equal(first) {
		t.Errorf("after 59 days it is another one (%v)", err)
	}
	now = now.Add(2 * 24 * time.Hour)
	second, err := trusts(t, a.cert, s.Certificate, "localhost", now)
	if err != nil || second.Equal(first) || second.NotAfter.Before(now.AddDate(0, 0, 89)) {
		t.Errorf("after 61 days: ends %s (%v)", second.NotAfter, err)
	}
	if slices.Contains(second.ExtKeyUsage, x509.ExtKeyUsageEmailProtection) {
		t.Error("a server's certificate could sign specifications")
	}
}

// TestOpenSSLTrustsIt: the official agent's TLS is OpenSSL's.
func TestOpenSSLTrustsIt(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not on this machine (on Debian: apt install openssl)")
	}
	dir := t.TempDir()
	a := open(t, dir, time.Now())
	s, err := a.Server([]string{"deploy.example.com"}, time.Now, quiet())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := s.Certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf := filepath.Join(dir, "leaf.pem")
	if err := os.WriteFile(leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Leaf.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "releases.deploy.example.com", "-CAfile", filepath.Join(dir, CertificateFile), leaf).CombinedOutput()
	if err != nil {
		t.Errorf("openssl says %s (%v)", out, err)
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir, start)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func(name string, at time.Time) {
		t.Helper()
		s, err := a.Server([]string{name}, func() time.Time { return start }, quiet())
		if err != nil {
			t.Fatal(err)
		}
		made, err := s.Certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: made.Leaf.Raw}, key: {Type: "PRIVATE KEY", Bytes: der}} {
			if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("first.example", start)
	now := start
	f, err := OpenFiles(cert, key, func() time.Time { return now }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	shows := func() string {
		t.Helper()
		c, err := f.Certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.DNSNames[0]
	}
	put("second.example", start.Add(time.Hour))
	if got := shows(); got != "first.example" {
		t.Errorf("the files were looked at at once: %s", got)
	}
	now = now.Add(11 * time.Second)
	if got := shows(); got != "second.example" {
		t.Errorf("after a while it shows %s", got)
	}
	if err := os.WriteFile(cert, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(11 * time.Second)
	if got := shows(); got != "second.example" {
		t.Errorf("with a broken file it shows %s", got)
	}
	put("third.example", start.Add(2*time.Hour))
	now = now.Add(11 * time.Second)
	if got := shows(); got != "third.example" {
		t.Errorf("after the repair it shows %s", got)
	}
	if _, err := OpenFiles(filepath.Join(dir, "nothing"), key, time.Now, quiet()); err == nil {
		t.Error("a missing file was opened")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	addresses := []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("127.0.0.1")}
	const loopback = " localhost 127.0.0.1 ::1"
	for _, tc := range []struct {
		given        []string
		listen, want string
	}{
		{[]string{"Deploy.Example.com."}, "127.0.0.1:8470", "deploy.example.com 127.0.0.1 localhost ::1"},
		{nil, "0.0.0.0:8470", "build-7 10.0.0.7 127.0.0.1 localhost ::1"},
		{nil, "[::]:8470", "build-7 10.0.0.7 127.0.0.1 localhost ::1"},
		{nil, ":8470", "build-7 10.0.0.7 127.0.0.1 localhost ::1"},
		{[]string{"::ffff:192.0.2.1"}, "10.1.1.1:443", "192.0.2.1 10.1.1.1" + loopback},
		{nil, "deploy.internal:443", "deploy.internal" + loopback},
	} {
		if got := strings.Join(Names(tc.given, tc.listen, "build-7", addresses), " "); got != tc.want {
			t.Errorf("%v %s: %s, want %s", tc.given, tc.listen, got, tc.want)
		}
	}
}
