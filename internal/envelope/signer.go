package envelope

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/smallstep/pkcs7"
)

const (
	blockPKCS7       = "PKCS7"
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"

	// signerLife is long because the certificate only carries the key: hosts trust it by pin, by chain, or by TLS, and it is replaced, not renewed.
	signerLife = 20 * 365 * 24 * time.Hour
	// clockSlack lets hosts whose clocks are behind accept a signer that was just made.
	clockSlack = 48 * time.Hour
)

// Signer signs deployment specifications. Make one with [NewSigner] or [ParseSigner].
type Signer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// NewSigner makes an RSA-2048 key and a self-signed certificate for it, valid from shortly before now.
func NewSigner(now time.Time) (*Signer, error) {
	return newSigner(now, nil, nil)
}

// NewIssuedSigner makes an RSA-2048 key and has its certificate issued by the given authority, so that hosts that know the authority can
// tell its signers from others.
func NewIssuedSigner(now time.Time, ca *x509.Certificate, caKey crypto.Signer) (*Signer, error) {
	if ca == nil || caKey == nil {
		return nil, errors.New("make signer: an issuing authority needs both certificate and key")
	}
	return newSigner(now, ca, caKey)
}

func newSigner(now time.Time, ca *x509.Certificate, caKey crypto.Signer) (*Signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make signer key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make signer serial: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: "crossfade deployment specification signer"},
		NotBefore:    now.Add(-clockSlack).UTC(),
		NotAfter:     now.Add(signerLife).UTC(),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		// S/MIME tools check this purpose when they verify a signed message.
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		BasicConstraintsValid: true,
	}
	parent, signingKey := template, crypto.Signer(key)
	if ca != nil {
		parent, signingKey = ca, caKey
		if ca.NotAfter.Before(template.NotAfter) {
			template.NotAfter = ca.NotAfter
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signingKey)
	if err != nil {
		return nil, fmt.Errorf("make signer certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back signer certificate: %w", err)
	}
	return &Signer{key: key, cert: cert}, nil
}

// ParseSigner reads what [Signer.CertificatePEM] and [Signer.KeyPEM] wrote.
func ParseSigner(certPEM, keyPEM []byte) (*Signer, error) {
	cert, err := ParseCertificate(certPEM)
	if err != nil {
		return nil, fmt.Errorf("parse signer: %w", err)
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil || block.Type != blockKey {
		return nil, fmt.Errorf("parse signer: the key is not a PEM %q block", blockKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse signer key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("parse signer: the key is %T, want RSA, the only kind that the official agents verify", parsed)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("parse signer: the certificate belongs to another key")
	}
	return &Signer{key: key, cert: cert}, nil
}

// ParseCertificate reads the first PEM certificate.
func ParseCertificate(certPEM []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != blockCertificate {
		return nil, fmt.Errorf("the certificate is not a PEM %q block", blockCertificate)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	return cert, nil
}

// Certificate is the signer's certificate, which every envelope carries.
func (s *Signer) Certificate() *x509.Certificate { return s.cert }

// CertificatePEM is the certificate as a PEM block.
func (s *Signer) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: s.cert.Raw})
}

// KeyPEM is the private key as a PKCS#8 PEM block. It is secret: keep it in a file of mode 0600.
func (s *Signer) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		return nil, fmt.Errorf("encode signer key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// Sign wraps the content in a PKCS#7 envelope and returns it as PEM.
func (s *Signer) Sign(content []byte) ([]byte, error) {
	signed, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, fmt.Errorf("wrap content: %w", err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(s.cert, s.key, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("sign content: %w", err)
	}
	der, err := signed.Finish()
	if err != nil {
		return nil, fmt.Errorf("encode signed content: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPKCS7, Bytes: der}), nil
}
