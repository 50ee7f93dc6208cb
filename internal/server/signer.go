package server

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"crossfade/internal/envelope"
)

// openSigner reads the signer of deployment specifications, or makes one. Certificate and key are one file, so that a crash can't part them.
func openSigner(path string, now time.Time) (*envelope.Signer, error) {
	content, err := os.ReadFile(path)
	if err == nil {
		_, key := pem.Decode(content)
		signer, err := envelope.ParseSigner(content, key)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w; restore it, or remove it to have a new one made", path, err)
		}
		return signer, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the signer of deployment specifications: %w", err)
	}
	signer, err := envelope.NewSigner(now)
	if err != nil {
		return nil, err
	}
	key, err := signer.KeyPEM()
	if err != nil {
		return nil, err
	}
	if err := writeSecret(path, append(signer.CertificatePEM(), key...)); err != nil {
		return nil, fmt.Errorf("keep the signer of deployment specifications: %w", err)
	}
	return signer, nil
}

// writeSecret writes a file that only the server's user can read: all of it or nothing, durably.
func writeSecret(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
