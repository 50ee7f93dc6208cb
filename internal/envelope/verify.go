package envelope

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/smallstep/pkcs7"
)

// maxEnvelope bounds what Verify reads, in bytes: far above any specification, low enough that no nesting of ASN.1 costs much.
const maxEnvelope = 64 << 10

// ErrUntrusted says that an envelope's signature is valid but its signer is not one to trust.
var ErrUntrusted = errors.New("the signer of the deployment specification is not trusted")

// Trust says whose signatures count. The zero value trusts every signer, which leaves authenticity to TLS as the official agents do; the
// signature itself must be valid in any case.
type Trust struct {
	Roots  *x509.CertPool    // when set, the signer must chain to one of these
	Pinned *x509.Certificate // when set, the signer must be exactly this
	// MaxAge is how long ago an envelope may have been signed, so that one that was kept can't be played again for ever. Zero: any time.
	MaxAge time.Duration
}

// Verify checks the PEM envelope and returns the content that was signed. The signature must be valid, made by exactly one signer whose
// certificate is inside, with SHA-256 or stronger over embedded content; the signer must be trusted at the time now.
func Verify(envelope []byte, trust Trust, now time.Time) ([]byte, error) {
	der, err := decodePEM(envelope)
	if err != nil {
		return nil, fmt.Errorf("verify deployment specification: %w", err)
	}
	message, err := parse(der)
	if err != nil {
		return nil, fmt.Errorf("verify deployment specification: parse PKCS7: %w", err)
	}
	if err := checkShape(message); err != nil {
		return nil, fmt.Errorf("verify deployment specification: %w", err)
	}
	if err := message.VerifyWithChainAtTime(nil, now); err != nil {
		return nil, fmt.Errorf("verify deployment specification: the signature is not valid, so the content was changed or damaged on its way: %w", err)
	}
	if err := checkTrust(message, trust, now); err != nil {
		return nil, fmt.Errorf("verify deployment specification: %w", err)
	}
	if err := checkAge(message, trust.MaxAge, now); err != nil {
		return nil, fmt.Errorf("verify deployment specification: %w", err)
	}
	return message.Content, nil
}

func decodePEM(envelope []byte) ([]byte, error) {
	if len(envelope) > maxEnvelope {
		return nil, fmt.Errorf("the envelope is %d bytes, more than the %d allowed", len(envelope), maxEnvelope)
	}
	block, rest := pem.Decode(envelope)
	if block == nil || block.Type != blockPKCS7 {
		return nil, fmt.Errorf("the envelope is not a PEM %q block", blockPKCS7)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("the envelope has data after its PEM block")
	}
	return block.Bytes, nil
}

// parse turns a panic of the PKCS#7 parser on damaged input into an error: the input comes from the network.
func parse(der []byte) (message *pkcs7.PKCS7, err error) {
	defer func() {
		if p := recover(); p != nil {
			message, err = nil, fmt.Errorf("malformed: %v", p)
		}
	}()
	return pkcs7.Parse(der)
}

func checkShape(message *pkcs7.PKCS7) error {
	if len(message.Signers) != 1 {
		return fmt.Errorf("the envelope has %d signers, want exactly one", len(message.Signers))
	}
	signer := message.Signers[0]
	if signer.IssuerAndSerialNumber.SerialNumber == nil {
		return errors.New("the envelope does not say who signed it")
	}
	if len(message.Content) == 0 {
		return errors.New("the envelope has no content inside")
	}
	if !strongDigest(signer.DigestAlgorithm.Algorithm) {
		return fmt.Errorf("the digest algorithm %s is not SHA-256 or stronger", signer.DigestAlgorithm.Algorithm)
	}
	if len(signer.AuthenticatedAttributes) == 0 {
		return nil
	}
	// The library leaves this check of RFC 2315 section 9.2 to its caller.
	var contentType asn1.ObjectIdentifier
	if err := message.UnmarshalSignedAttribute(pkcs7.OIDAttributeContentType, &contentType); err != nil {
		return fmt.Errorf("read the signed content type: %w", err)
	}
	if !contentType.Equal(pkcs7.OIDData) {
		return fmt.Errorf("the signed content type is %s, want plain data", contentType)
	}
	return nil
}

// checkAge believes the time that was signed; an envelope that says none is of any age.
func checkAge(message *pkcs7.PKCS7, most time.Duration, now time.Time) error {
	if most == 0 {
		return nil
	}
	var at time.Time
	if err := message.UnmarshalSignedAttribute(pkcs7.OIDAttributeSigningTime, &at); err != nil {
		return fmt.Errorf("read when it was signed: %w", err)
	}
	if now.Sub(at) > most {
		return fmt.Errorf("it was signed at %s, more than %s ago, and may be an earlier one that somebody sends again: see whether this host's clock is right", at.UTC().Format(time.RFC3339), most)
	}
	return nil
}

func strongDigest(oid asn1.ObjectIdentifier) bool {
	return oid.Equal(pkcs7.OIDDigestAlgorithmSHA256) ||
		oid.Equal(pkcs7.OIDDigestAlgorithmSHA384) ||
		oid.Equal(pkcs7.OIDDigestAlgorithmSHA512)
}

func checkTrust(message *pkcs7.PKCS7, trust Trust, now time.Time) error {
	signer := message.GetOnlySigner()
	if signer == nil {
		return errors.New("the envelope does not carry its signer's certificate")
	}
	if trust.Pinned != nil && !signer.Equal(trust.Pinned) {
		return fmt.Errorf("%w: it is %q with serial %x, which is not the pinned certificate", ErrUntrusted, signer.Subject.CommonName, signer.SerialNumber)
	}
	if trust.Roots == nil {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, c := range message.Certificates {
		intermediates.AddCert(c)
	}
	_, err := signer.Verify(x509.VerifyOptions{
		Roots: trust.Roots, Intermediates: intermediates, CurrentTime: now,
		// The purpose that signers have and TLS servers of the same authority have not.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return nil
}
