package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/auth"
	"crossfade/internal/sigv4"
)

// shelf keeps records in memory and counts reads.
type shelf struct {
	mu    sync.Mutex
	keys  map[string]auth.Record
	reads int
	count int64 // of changes
	asked int   // how often for them
}

func (s *shelf) Changes(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.count, nil
}

func (s *shelf) PutKey(_ context.Context, r auth.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]auth.Record{}
	}
	s.keys[r.AccessKeyID] = r
	s.count++
	return nil
}

func (s *shelf) Key(_ context.Context, id string) (auth.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	r, ok := s.keys[id]
	if !ok {
		return r, auth.ErrNoKey
	}
	return r, nil
}

func (s *shelf) Keys(_ context.Context, account, arn string) ([]auth.Record, error) {
	var out []auth.Record
	for _, r := range s.keys {
		if r.Principal.Account == account && (arn == "" || arn == r.Principal.ARN) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (s *shelf) DeleteKey(_ context.Context, id string) error {
	if _, ok := s.keys[id]; !ok {
		return auth.ErrNoKey
	}
	s.count++
	delete(s.keys, id)
	return nil
}

func newKeys(t *testing.T, s *shelf, now func() time.Time) *auth.Keys {
	t.Helper()
	k, err := auth.NewKeys(s, bytes.Repeat([]byte{7}, auth.KeySize), now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSecretsAreSealedAtRest(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	k := newKeys(t, s, time.Now)
	c, err := k.Create(t.Context(), auth.Principal{ARN: "arn:aws:iam::1:user/a", Account: "1", Kind: auth.Operator})
	if err != nil {
		t.Fatal(err)
	}
	r := s.keys[c.AccessKeyID]
	if bytes.Contains(r.SealedSecret, []byte(c.SecretAccessKey)) || strings.Contains(fmt.Sprintf("%+v", r), c.SecretAccessKey) {
		t.Error("the record shows the secret")
	}
	if got, err := k.Secret(t.Context(), c.AccessKeyID, ""); err != nil || got != c.SecretAccessKey {
		t.Errorf("opened %q, %v", got, err)
	}
	// A sealed secret moved to another key does not open.
	r.AccessKeyID = "AKIDOTHER"
	if err := s.PutKey(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Secret(t.Context(), "AKIDOTHER", ""); err == nil || errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("a moved secret: %v", err)
	}
	other, err := auth.NewKeys(s, bytes.Repeat([]byte{8}, auth.KeySize), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Secret(t.Context(), c.AccessKeyID, ""); err == nil || !strings.Contains(err.Error(), "another key file") {
		t.Errorf("under another key file: %v", err)
	}
}

func TestKeysComeAndGo(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &shelf{}
	k := newKeys(t, s, func() time.Time { return now })
	p := auth.Principal{ARN: "arn:aws:iam::1:user/a", Account: "1", Kind: auth.Host}
	c := sigv4.Credential{AccessKeyID: "AKIDA", SecretAccessKey: "s3cr3t-s3cr3t"}
	if err := k.Put(t.Context(), c, p, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := k.Secret(t.Context(), "AKIDA", ""); err != nil {
			t.Fatal(err)
		}
	}
	if s.reads != 1 {
		t.Errorf("ten look-ups read the store %d times", s.reads)
	}
	if _, err := k.Secret(t.Context(), "AKIDA", "token"); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("with a session token: %v", err)
	}
	if got, err := k.Principal(t.Context(), "AKIDA", ""); err != nil || got != p {
		t.Errorf("principal %+v %v", got, err)
	}
	now = now.Add(time.Hour)
	if _, err := k.Secret(t.Context(), "AKIDA", ""); !errors.Is(err, sigv4.ErrExpiredKey) {
		t.Errorf("after its time: %v", err)
	}
	if err := k.Delete(t.Context(), "AKIDA"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Secret(t.Context(), "AKIDA", ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("after its deletion: %v", err)
	}
}

func TestEnsureRoot(t *testing.T) {
	t.Parallel()
	k := newKeys(t, &shelf{}, time.Now)
	made, err := k.EnsureRoot(t.Context(), "1", sigv4.Credential{})
	if err != nil || made.SecretAccessKey == "" {
		t.Fatalf("at the first start: %+v %v", made, err)
	}
	if again, err := k.EnsureRoot(t.Context(), "1", sigv4.Credential{}); err != nil || again != (sigv4.Credential{}) {
		t.Errorf("at the second start: %+v %v", again, err)
	}
	given := sigv4.Credential{AccessKeyID: "root", SecretAccessKey: "a-long-secret"}
	if _, err := k.EnsureRoot(t.Context(), "1", given); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Secret(t.Context(), "root", ""); err != nil || got != given.SecretAccessKey {
		t.Errorf("the given root key: %q %v", got, err)
	}
	if _, err := k.Secret(t.Context(), made.AccessKeyID, ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("the root key before it: %v", err)
	}
	if _, err := k.EnsureRoot(t.Context(), "1", sigv4.Credential{AccessKeyID: "only-the-id"}); err == nil {
		t.Error("half a root key was accepted")
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	first, err := auth.OpenKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	second, err := auth.OpenKeyFile(path)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("opened again: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.OpenKeyFile(path); err == nil || !strings.Contains(err.Error(), "0640") {
		t.Errorf("a file that others read: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.OpenKeyFile(path); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("a short file: %v", err)
	}
}
