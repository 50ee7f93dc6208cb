package auth

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"crossfade/internal/recent"
	"crossfade/internal/sigv4"
)

// Record is an access key as it is stored.
type Record struct {
	AccessKeyID  string
	SealedSecret []byte
	Principal    Principal
	CreatedAt    time.Time
	ExpiresAt    time.Time // zero: never
	Disabled     bool
}

// ErrNoKey is what a KeyStore answers for an access key that there is not.
var ErrNoKey = errors.New("no such access key")

// KeyStore keeps access keys. Writes are durable when they return.
type KeyStore interface {
	// PutKey adds a key or replaces the one of the same id.
	PutKey(ctx context.Context, r Record) error
	Key(ctx context.Context, accessKeyID string) (Record, error)
	// Keys lists the keys of a principal; an empty ARN lists the account's.
	Keys(ctx context.Context, account, arn string) ([]Record, error)
	// DeleteKey answers ErrNoKey when there is none.
	DeleteKey(ctx context.Context, accessKeyID string) error
	// Changes is a number that grows with every PutKey and DeleteKey, whichever process does it.
	Changes(ctx context.Context) (int64, error)
}

// Keys gives out and looks up access keys.
type Keys struct {
	store    KeyStore
	sealer   *Sealer
	sessions *Sealer
	now      func() time.Time
	alone    bool

	cache  *recent.Map[string, opened]
	tokens *recent.Map[tokenOf, sessionContent]

	mu      sync.Mutex
	changes uint64 // counts forget, so that what was read before a change is not kept after it

	asked    atomic.Pointer[asked]
	asking   chan struct{} // holds one: whoever asks the store, who has what follows
	failed   error         // why it could not be told; nil: it could
	failedAt time.Time
}

// asked is the store's number of changes at a time.
type asked struct {
	changes int64
	at      time.Time
}

type opened struct {
	record  Record // without its SealedSecret
	secret  string
	changes int64 // of the store, before it was read
	at      time.Time
}

const (
	// maxCached bounds the cache of keys, and that of sessions: twice the hosts of a large fleet.
	maxCached = 20_000
	// cacheFor is how long another process's change of a key may go unnoticed.
	cacheFor = time.Second
	// keptFor is how long a key is remembered without reading it again, unless this process is alone: servers of a version before the count of changes
	// don't count theirs, and may be beside this one during an upgrade.
	keptFor = time.Minute
)

var _ sigv4.Keys = (*Keys)(nil)

// NewKeys opens the keys of a store whose secrets are sealed under the key file's content.
func NewKeys(store KeyStore, keyFile []byte, now func() time.Time) (*Keys, error) {
	s, err := NewSealer(keyFile, "access key secrets")
	if err != nil {
		return nil, err
	}
	sessions, err := NewSealer(keyFile, "session tokens")
	if err != nil {
		return nil, err
	}
	return &Keys{
		store: store, sealer: s, sessions: sessions, now: now, cache: recent.New[string, opened](maxCached), tokens: recent.New[tokenOf, sessionContent](maxCached),
		asking: make(chan struct{}, 1),
	}, nil
}

// Alone says that no other process writes to the store: what was read of a key then holds until it is changed here. It must be called before all
// other methods.
func (k *Keys) Alone() { k.alone = true }

// Put adds a key for a principal, or replaces the secret of one. expires may be zero.
func (k *Keys) Put(ctx context.Context, c sigv4.Credential, p Principal, expires time.Time) error {
	r := Record{AccessKeyID: c.AccessKeyID, SealedSecret: k.sealer.Seal(c.AccessKeyID, c.SecretAccessKey), Principal: p, CreatedAt: k.now().UTC(), ExpiresAt: expires}
	defer k.forget(c.AccessKeyID) // also after an error: the store may have kept it all the same
	if err := k.store.PutKey(ctx, r); err != nil {
		return fmt.Errorf("keep access key %s: %w", c.AccessKeyID, err)
	}
	return nil
}

// Create makes a fresh key for a principal. Its secret is returned here and nowhere else.
func (k *Keys) Create(ctx context.Context, p Principal) (sigv4.Credential, error) {
	c := NewCredential()
	return c, k.Put(ctx, c, p, time.Time{})
}

// Delete takes a key away at once.
func (k *Keys) Delete(ctx context.Context, accessKeyID string) error {
	defer k.forget(accessKeyID)
	if err := k.store.DeleteKey(ctx, accessKeyID); err != nil {
		return fmt.Errorf("delete access key %s: %w", accessKeyID, err)
	}
	return nil
}

// List lists the keys of a principal, without their secrets.
func (k *Keys) List(ctx context.Context, account, arn string) ([]Record, error) {
	records, err := k.store.Keys(ctx, account, arn)
	if err != nil {
		return nil, fmt.Errorf("list access keys: %w", err)
	}
	for i := range records {
		records[i].SealedSecret = nil
	}
	return records, nil
}

// EnsureRoot makes the given credential the root's only one, so that giving another takes the old one away. Without one it makes a fresh root key if the account has none yet, and returns it: the only
// time that its secret can be seen. The zero Credential means that there was nothing to make.
func (k *Keys) EnsureRoot(ctx context.Context, account string, given sigv4.Credential) (sigv4.Credential, error) {
	root := Principal{ARN: RootARN(account), Account: account, Kind: Root}
	if given.AccessKeyID != "" || given.SecretAccessKey != "" {
		if len(given.AccessKeyID) < 3 || len(given.SecretAccessKey) < 8 {
			return sigv4.Credential{}, errors.New("the root access key needs an id of at least 3 characters and a secret of at least 8: set both CROSSFADE_ROOT_ACCESS_KEY_ID and CROSSFADE_ROOT_SECRET_ACCESS_KEY")
		}
		return sigv4.Credential{}, k.replaceRoot(ctx, given, root)
	}
	have, err := k.store.Keys(ctx, account, root.ARN)
	if err != nil {
		return sigv4.Credential{}, fmt.Errorf("look for a root access key: %w", err)
	}
	if len(have) > 0 {
		return sigv4.Credential{}, nil
	}
	return k.Create(ctx, root)
}

func (k *Keys) replaceRoot(ctx context.Context, given sigv4.Credential, root Principal) error {
	if err := k.Put(ctx, given, root, time.Time{}); err != nil {
		return err
	}
	have, err := k.store.Keys(ctx, root.Account, root.ARN)
	if err != nil {
		return fmt.Errorf("look for older root access keys: %w", err)
	}
	for _, r := range have {
		if r.AccessKeyID == given.AccessKeyID {
			continue
		}
		if err := k.Delete(ctx, r.AccessKeyID); err != nil {
			return err
		}
	}
	return nil
}

// Secret implements sigv4.Keys.
func (k *Keys) Secret(ctx context.Context, accessKeyID, sessionToken string) (string, error) {
	if sessionToken != "" {
		return k.sessionSecret(ctx, accessKeyID, sessionToken)
	}
	o, err := k.open(ctx, accessKeyID)
	switch {
	case errors.Is(err, ErrNoKey):
		return "", sigv4.ErrUnknownKey
	case err != nil:
		return "", err
	case o.record.Disabled:
		return "", sigv4.ErrUnknownKey
	case !o.record.ExpiresAt.IsZero() && !k.now().Before(o.record.ExpiresAt):
		return "", sigv4.ErrExpiredKey
	}
	return o.secret, nil
}

// Principal is whose key it is. The session token is that of the request, empty for a key that is none of a session.
func (k *Keys) Principal(ctx context.Context, accessKeyID, sessionToken string) (Principal, error) {
	if sessionToken != "" {
		content, err := k.openSession(accessKeyID, sessionToken)
		return content.Principal, err
	}
	o, err := k.open(ctx, accessKeyID)
	return o.record.Principal, err
}

// changed is the store's number of changes, as it was less than cacheFor ago. A store that nobody else writes to is not asked.
func (k *Keys) changed(ctx context.Context, now time.Time) (int64, error) {
	fresh := func() (int64, bool) {
		a := k.asked.Load()
		if a == nil {
			return 0, false
		}
		age := now.Sub(a.at)
		return a.changes, age >= 0 && age < cacheFor
	}
	if n, ok := fresh(); ok || k.alone {
		return n, nil
	}
	select {
	case k.asking <- struct{}{}:
		defer func() { <-k.asking }()
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for the number of changed access keys: %w", ctx.Err())
	}
	if n, ok := fresh(); ok { // somebody else has asked meanwhile
		return n, nil
	}
	// Of a store that does not answer, those who wait in line are told together: each would wait for all before it.
	if k.failed != nil && k.failedAt.After(now) {
		return 0, k.failed
	}
	n, err := k.store.Changes(ctx)
	if err != nil {
		err = fmt.Errorf("ask whether access keys have changed: %w", err)
		if ctx.Err() == nil {
			k.failed, k.failedAt = err, k.now()
		}
		return 0, err
	}
	k.failed = nil
	k.asked.Store(&asked{n, now})
	return n, nil
}

// open looks a key up. A key that there is not is never remembered.
func (k *Keys) open(ctx context.Context, accessKeyID string) (opened, error) {
	now := k.now()
	number, err := k.changed(ctx, now)
	if err != nil {
		return opened{}, err
	}
	if o, ok := k.cache.Get(accessKeyID); ok && o.changes == number && (k.alone || now.Sub(o.at) < keptFor) {
		return o, nil
	}
	k.mu.Lock()
	changes := k.changes
	k.mu.Unlock()
	r, err := k.store.Key(ctx, accessKeyID)
	if err != nil {
		return opened{}, fmt.Errorf("look up access key %q: %w", accessKeyID, err)
	}
	o, err := k.unseal(r, number, now)
	if err != nil {
		return opened{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.changes == changes {
		k.cache.Put(strings.Clone(accessKeyID), o) // the id is part of a request's header
	}
	return o, nil
}

// unseal opens a record that was read after the store had the number of changes.
func (k *Keys) unseal(r Record, number int64, at time.Time) (opened, error) {
	secret, err := k.sealer.Open(r.AccessKeyID, r.SealedSecret)
	r.SealedSecret = nil
	return opened{record: r, secret: secret, changes: number, at: at}, err
}

// Recall reads the account's keys, at most as many as stay remembered, so that a fleet which comes back after a start need not be looked up host by
// host. It is for the start: nothing may change meanwhile.
func (k *Keys) Recall(ctx context.Context, account string) error {
	now := k.now()
	number, err := k.changed(ctx, now)
	if err != nil {
		return err
	}
	records, err := k.store.Keys(ctx, account, "")
	if err != nil {
		return fmt.Errorf("read the access keys: %w", err)
	}
	for _, r := range records[:min(len(records), maxCached/2)] {
		// One that can't be opened is refused when it is used.
		if o, err := k.unseal(r, number, now); err == nil {
			k.cache.Put(r.AccessKeyID, o)
		}
	}
	return nil
}

func (k *Keys) forget(accessKeyID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changes++
	k.cache.Delete(accessKeyID)
}

// NewCredential draws an access key of the form that AWS tools expect.
func NewCredential() sigv4.Credential {
	id, secret := make([]byte, 10), make([]byte, 30)
	rand.Read(id) // never fails
	rand.Read(secret)
	return sigv4.Credential{
		AccessKeyID:     "AKIA" + base32.StdEncoding.EncodeToString(id),
		SecretAccessKey: base64.RawStdEncoding.EncodeToString(secret),
	}
}
