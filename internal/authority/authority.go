// Package authority is a server's own certificate authority: it makes the CA at the first start, issues the certificates that the endpoint speaks
// TLS with, and renews all of them in time, so that nobody need buy, copy or remember one.
//
// It owns the CA's two files, what names a certificate is for, and when it is renewed. Certificates of the operator's own are [Files]. It serves
// nothing and knows no protocol but X.509. The CA also issues the certificate of the signer of deployment specifications (package envelope), which
// has another purpose: a stolen TLS key signs no specification, and the other way round. Everything is safe for concurrent use and starts no
// goroutine: what must be renewed is renewed by the handshake that finds it old.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"crossfade/internal/safefile"
)

// The files of the CA in the data directory.
const (
	CertificateFile = "ca.pem"
	KeyFile         = "ca.key" // of mode 0600
)

const (
	life = 10 * 365 * 24 * time.Hour
	// renewBefore is how long before its end the CA's certificate is renewed, with the same key: whoever trusts the earlier one has until its end to
	// learn the later one.
	renewBefore = 2 * 365 * 24 * time.Hour
	// clockSlack lets machines whose clocks are behind accept a certificate that was just made.
	clockSlack = 48 * time.Hour
)

// Authority is a CA.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Open reads the CA in a directory, or makes one. A damaged or half missing CA is refused: a new one would lock out everybody who trusts it.
func Open(directory string, now time.Time, log *slog.Logger) (*Authority, error) {
	a, err := read(directory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(directory, now)
	case err != nil:
		return nil, fmt.Errorf("open the certificate authority in %s: %w; restore both files from a backup, or remove both to have a new one made, which every client must then trust anew", directory, err)
	case now.After(a.cert.NotAfter.Add(-renewBefore)):
		log.Warn("the certificate of the server's own authority nears its end and was renewed; clients that trust the earlier one must learn the new one by then",
			"file", filepath.Join(directory, CertificateFile), "end", a.cert.NotAfter)
		return a.renew(directory, now)
	}
	return a, nil
}

// read answers fs.ErrNotExist only when there is neither file: the certificate is written last, so a key alone is what a crash in the first start
// leaves, and a certificate alone has lost its key.
func read(directory string) (*Authority, error) {
	keyPath := filepath.Join(directory, KeyFile)
	certPEM, err := os.ReadFile(filepath.Join(directory, CertificateFile))
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(keyPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New(KeyFile + " is missing")
	}
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(keyPath); err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s has mode %04o, so others than its owner can read it: set 0600 if nobody did", KeyFile, info.Mode().Perm())
	}
	cert, err := parseCertificate(certPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", CertificateFile, err)
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil {
		return nil, errors.New(KeyFile + " is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", KeyFile, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s is a key that can't sign", KeyFile)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) || !cert.IsCA {
		return nil, fmt.Errorf("%s does not belong to %s", KeyFile, CertificateFile)
	}
	return &Authority{cert, key}, nil
}

func parseCertificate(content []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(content)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it is no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

func create(directory string, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the authority's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the authority's key: %w", err)
	}
	if err := safefile.Write(filepath.Join(directory, KeyFile), 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, fmt.Errorf("keep the authority's key: %w", err)
	}
	// The subject tells the authorities of several servers apart.
	id := make([]byte, 4)
	rand.Read(id) // never fails
	a := &Authority{key: key, cert: &x509.Certificate{Subject: pkix.Name{CommonName: "Crossfade CA " + hex.EncodeToString(id)}}}
	return a.renew(directory, now)
}

// renew writes a new certificate for the same key and name.
func (a *Authority) renew(directory string, now time.Time) (*Authority, error) {
	template := &x509.Certificate{
		Subject: a.cert.Subject, NotBefore: now.Add(-clockSlack).UTC(), NotAfter: now.Add(life).UTC(),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
	}
	cert, err := issue(template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("make the authority's certificate: %w", err)
	}
	renewed := &Authority{cert, a.key}
	if err := safefile.Write(filepath.Join(directory, CertificateFile), 0o644, renewed.PEM()); err != nil {
		return nil, fmt.Errorf("keep the authority's certificate: %w", err)
	}
	return renewed, nil
}

func issue(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Certificate is the CA's own.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Key signs what the CA issues.
func (a *Authority) Key() crypto.Signer { return a.key }

// PEM is the CA's certificate as clients want it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Fingerprint is the SHA-256 of the CA's certificate in lower-case hex, by which people and join tokens know it.
func (a *Authority) Fingerprint() string { return Fingerprint(a.cert) }

// Fingerprint is the SHA-256 of a certificate in lower-case hex.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}
