package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"crossfade/internal/safefile"
)

// KeySize is the length of a key file, in bytes.
const KeySize = 32

// OpenKeyFile reads the key file at the path, or makes one of mode 0600. A file that others may read is refused: what was sealed under it is
// no secret any more.
func OpenKeyFile(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKeyFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("key file %s has mode %04o, so others than its owner can read it: set 0600 and give out new access keys", path, info.Mode().Perm())
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("key file %s has %d bytes, not %d: restore it from a backup, because the secrets in the store can't be opened without it", path, len(key), KeySize)
	}
	return key, nil
}

func makeKeyFile(path string) ([]byte, error) {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails
	if err := safefile.Write(path, 0o600, key); err != nil {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	return key, nil
}

// Derive makes a key for one purpose from the key file, so that no two purposes share one.
func Derive(key []byte, purpose string) ([]byte, error) {
	k, err := hkdf.Key(sha256.New, key, nil, "crossfade "+purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return k, nil
}

// Sealer encrypts secrets of one kind with AES-256-GCM, each bound to its owner's name, so that one that is moved to another owner does not
// open. It is safe for concurrent use.
type Sealer struct {
	aead cipher.AEAD
	kind string
}

// NewSealer returns the sealer of a kind of secrets, as in "access key secrets", under the key file's content. Each kind has a key of its own.
func NewSealer(keyFile []byte, kind string) (*Sealer, error) {
	k, err := Derive(keyFile, kind)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("set up encryption: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("set up encryption: %w", err)
	}
	return &Sealer{aead, kind}, nil
}

// Seal encrypts the secret of an owner.
func (s *Sealer) Seal(owner, secret string) []byte {
	return s.aead.Seal(nil, nil, []byte(secret), []byte(owner))
}

// Open decrypts what Seal made for the same owner.
func (s *Sealer) Open(owner string, sealed []byte) (string, error) {
	secret, err := s.aead.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return "", fmt.Errorf("open the secret of %s, one of the %s: it was sealed under another key file: %w", owner, s.kind, err)
	}
	return string(secret), nil
}
