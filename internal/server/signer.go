package server

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"crossfade/internal/authority"
	"crossfade/internal/envelope"
	"crossfade/internal/safefile"
)

// signerRenewal is how long before its end the signer is replaced, at the next start.
const signerRenewal = 2 * 365 * 24 * time.Hour

// openSigner reads the signer of deployment specifications, or has one issued. Certificate and key are one file, so that a crash can't part them. A
// self-signed one, which an earlier server made, is kept: agents may have been told to trust it and nothing else.
func openSigner(path string, now time.Time, ca *authority.Authority) (*envelope.Signer, error) {
	content, err := os.ReadFile(path)
	if err == nil {
		_, key := pem.Decode(content)
		signer, err := envelope.ParseSigner(content, key)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w; restore it, or remove it to have a new one made", path, err)
		}
		if now.Before(signer.Certificate().NotAfter.Add(-signerRenewal)) {
			return signer, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the signer of deployment specifications: %w", err)
	}
	signer, err := envelope.NewIssuedSigner(now, ca.Certificate(), ca.Key())
	if err != nil {
		return nil, err
	}
	key, err := signer.KeyPEM()
	if err != nil {
		return nil, err
	}
	if err := safefile.Write(path, 0o600, append(signer.CertificatePEM(), key...)); err != nil {
		return nil, fmt.Errorf("keep the signer of deployment specifications: %w", err)
	}
	return signer, nil
}

// signerRoots are the certificates to which that of the signer leads.
func signerRoots(signer *envelope.Signer, ca *authority.Authority) []byte {
	if signer.Certificate().CheckSignatureFrom(ca.Certificate()) == nil {
		return ca.PEM()
	}
	return signer.CertificatePEM()
}
