package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"crossfade/internal/recent"
)

// Window is how far X-Amz-Date may be from the server's clock, either way.
const Window = 5 * time.Minute

// ErrUnknownKey is what a Keys answers for an access key that there is not.
var ErrUnknownKey = errors.New("unknown access key")

// ErrExpiredKey is what a Keys answers for a key whose time is over.
var ErrExpiredKey = errors.New("expired access key")

// Keys finds the secret of an access key: ErrUnknownKey, ErrExpiredKey, or any other error when it can't be told.
type Keys interface {
	Secret(ctx context.Context, accessKeyID, sessionToken string) (secret string, err error)
}

// Verifier judges signatures. All members are required but those that say otherwise.
type Verifier struct {
	Region string
	// OtherRegions are those that a service's requests may be signed for beside Region, by signing name: SDKs sign for a global service as if it were
	// in us-east-1, wherever the endpoint is. May be nil.
	OtherRegions map[string][]string
	// QueryServices are the services beside S3 whose requests may be signed in the query. May be nil.
	QueryServices []string
	// Services are the signing names that the endpoint answers to.
	Services []string
	Keys     Keys
	Now      func() time.Time

	cache keyCache
}

// Verified is a claim that holds, and what is needed to judge the chunks of a streamed body.
type Verified struct {
	Claim
	key []byte
}

// Verify judges a request. For S3 the body is judged while it is read (see Body); for all others it is given here, whole. The error is an
// *Error, or what Keys could not tell.
//
// The order is: form, key, scope, clock, body, signature. So the sample request of the documentation, whose scope names another day than its
// X-Amz-Date, is refused for its scope once its key is known.
func (v *Verifier) Verify(ctx context.Context, r *http.Request, body []byte) (Verified, error) {
	c, err := Parse(r)
	refused := Verified{Claim: c}
	if err != nil {
		return refused, err
	}
	// What can't be read is passed over by those who read parameters one by one, and would be signed as something else.
	if !readable(r.URL.RawQuery) {
		return refused, refuse(IncompleteSignature, "InvalidURI", "The query can't be read: encode %%, ; and what is no letter or digit as %%XX.")
	}
	if c.Presigned && c.Service != ServiceS3 && !slices.Contains(v.QueryServices, c.Service) {
		return refused, refuse(MissingAuthenticationToken, "AccessDenied", "Requests to %q may not be signed in the query; send the signature in the Authorization header.", clip(c.Service))
	}
	secret, err := v.Keys.Secret(ctx, c.AccessKeyID, c.SessionToken)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return refused, refuse(UnrecognizedClient, "InvalidAccessKeyId", "The access key %q, or its session token, is not known here.", clip(c.AccessKeyID))
	case errors.Is(err, ErrExpiredKey):
		return refused, refuse(ExpiredToken, "ExpiredToken", "The access key %q has expired; get a new one.", clip(c.AccessKeyID))
	case err != nil:
		return refused, err
	}
	if err := v.checkScope(c); err != nil {
		return refused, err
	}
	if err := v.checkClock(c); err != nil {
		return refused, err
	}
	hash, err := payloadHash(c, body)
	if err != nil {
		return refused, err
	}
	if err := checkSigned(r, c); err != nil {
		return refused, err
	}
	key := v.cache.key(secret, c)
	var got [sha256.Size]byte
	if n, err := hex.Decode(got[:], []byte(c.Signature)); err != nil || n != len(got) {
		return refused, incomplete("Signature is not hexadecimal")
	}
	path, other := canonicalPaths(r.URL, c.Service)
	want := sign(key, r, c, path, hash)
	holds := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	if !holds && other != "" {
		want = sign(key, r, c, other, hash)
		holds = subtle.ConstantTimeCompare(got[:], want[:]) == 1
	}
	if holds {
		return Verified{Claim: c, key: key}, nil
	}
	return refused, refuse(InvalidSignature, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
}

// readable reports whether all of a query can be read.
func readable(query string) bool {
	if query == "" {
		return true
	}
	_, err := url.ParseQuery(query)
	return err == nil
}

func (v *Verifier) checkScope(c Claim) error {
	wrong := func(format string, args ...any) error {
		return refuse(InvalidSignature, "AuthorizationHeaderMalformed", format, args...)
	}
	switch {
	case !slices.Contains(v.Services, c.Service):
		return wrong("Credential should be scoped to one of the services %s, not %q.", strings.Join(v.Services, ", "), clip(c.Service))
	case c.Region != v.Region && !slices.Contains(v.OtherRegions[c.Service], c.Region):
		return wrong("Credential should be scoped to region %s, not %q.", v.Region, clip(c.Region))
	case !onDay(c.At, c.Date):
		return wrong("Date in Credential scope does not match the date of the request: %s is not %s.", c.Date, c.At.UTC().Format(dateFormat))
	}
	return nil
}

// onDay reports whether a time is on the day of a scope.
func onDay(at time.Time, date string) bool {
	var room [len(dateFormat)]byte
	return string(at.UTC().AppendFormat(room[:0], dateFormat)) == date
}

func (v *Verifier) checkClock(c Claim) error {
	now := v.Now().UTC()
	at := c.At.UTC()
	latest := at.Add(Window)
	if c.Presigned {
		latest = at.Add(c.Expires)
	}
	say := func(t time.Time) string { return t.UTC().Format(timeFormat) }
	switch {
	case at.After(now.Add(Window)):
		return refuse(InvalidSignature, "RequestTimeTooSkewed", "Signature not yet current: %s is still later than %s (%s + 5 min.); set the clock.", say(at), say(now.Add(Window)), say(now))
	case now.After(latest) && c.Presigned:
		return refuse(InvalidSignature, "AccessDenied", "Signature expired: the presigned URL held until %s, and it is %s.", say(latest), say(now))
	case now.After(latest):
		return refuse(InvalidSignature, "RequestTimeTooSkewed", "Signature expired: %s is now earlier than %s (%s - 5 min.); set the clock.", say(at), say(now.Add(-Window)), say(now))
	}
	return nil
}

// payloadHash is the hash that the canonical request names. Outside S3 it is always the body's own.
func payloadHash(c Claim, body []byte) (string, error) {
	if c.Service != ServiceS3 {
		hash := Hash(body)
		if c.ContentSHA256 != "" && c.ContentSHA256 != hash {
			return "", refuse(InvalidSignature, "XAmzContentSHA256Mismatch", "The x-amz-content-sha256 header is not the SHA-256 of the body.")
		}
		return hash, nil
	}
	switch h := c.ContentSHA256; {
	case h == "" && c.Presigned:
		return UnsignedPayload, nil
	case h == "":
		return "", refuse(IncompleteSignature, "MissingSecurityHeader", "S3 requests need an x-amz-content-sha256 header.")
	case h == UnsignedPayload, h == streamingSigned, h == streamingSignedTrailer, h == streamingUnsignedTrailer:
		return h, nil
	case len(h) == 64 && strings.Trim(h, "0123456789abcdef") == "":
		return h, nil
	default:
		return "", refuse(IncompleteSignature, "InvalidArgument", "x-amz-content-sha256 %q is neither a SHA-256 nor a known marker.", clip(h))
	}
}

// checkSigned refuses a request whose meaning could be changed without breaking its signature: every x-amz header counts, so it must be signed.
// That holds for presigned URLs all the more: whoever was handed one to write an object must not make it copy another, or forge metadata. The
// hash of the body needs no signature of its own, because the canonical request names it.
func checkSigned(r *http.Request, c Claim) error {
	const amz, target = "x-amz-", "x-amz-target"
	for name := range r.Header {
		if len(name) < len(amz) || !strings.EqualFold(name[:len(amz)], amz) || c.Service != ServiceS3 && len(name) != len(target) {
			continue
		}
		n := strings.ToLower(name)
		if c.Service == ServiceS3 && n != "x-amz-content-sha256" && !slices.Contains(c.SignedHeaders, n) {
			return refuse(InvalidSignature, "AccessDenied", "There were headers present in the request which were not signed: %s.", n)
		}
		if n == target && !slices.Contains(c.SignedHeaders, n) {
			return refuse(InvalidSignature, "AccessDenied", "The header x-amz-target is not signed; a request must sign which operation it calls.")
		}
	}
	return nil
}

// keyCache remembers derived keys: deriving costs four hashes, and a key serves a day.
type keyCache struct {
	once sync.Once
	keys *recent.Map[derived, []byte]
}

// derived is what a key is derived from.
type derived struct{ secret, date, region, service string }

// maxCachedKeys bounds the cache: twice the hosts of a large fleet.
const maxCachedKeys = 20_000

func (k *keyCache) key(secret string, c Claim) []byte {
	k.once.Do(func() { k.keys = recent.New[derived, []byte](maxCachedKeys) })
	from := derived{secret, c.Date, c.Region, c.Service}
	if key, ok := k.keys.Get(from); ok {
		return key
	}
	key := signingKey(secret, c)
	// What the claim says is part of the request's header, all of which would stay.
	k.keys.Put(derived{strings.Clone(secret), strings.Clone(c.Date), strings.Clone(c.Region), strings.Clone(c.Service)}, key)
	return key
}
