package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Credential is an access key.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // of a temporary key
}

// Hash is the payload hash of a body.
func Hash(body []byte) string {
	sum := sha256.Sum256(body)
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return string(text[:])
}

// Sign signs a request in its Authorization header: the host, every x-amz header, the content type, and the payload hash (see Hash and
// UnsignedPayload). Nothing that is signed may change afterwards.
func Sign(r *http.Request, cred Credential, region, service, payloadHash string, at time.Time) {
	c := Claim{AccessKeyID: cred.AccessKeyID, Date: at.UTC().Format(dateFormat), Region: region, Service: service, At: at}
	r.Header.Set("X-Amz-Date", at.UTC().Format(timeFormat))
	if cred.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", cred.SessionToken)
	}
	if service == ServiceS3 {
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	}
	c.SignedHeaders = []string{"host"}
	for name := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") || n == "content-type" {
			c.SignedHeaders = append(c.SignedHeaders, n)
		}
	}
	slices.Sort(c.SignedHeaders)
	path, _ := canonicalPaths(r.URL, service)
	signature := sign(signingKey(cred.SecretAccessKey, c), r, c, path, payloadHash)
	r.Header.Set("Authorization", algorithm+" Credential="+c.AccessKeyID+"/"+c.scope()+", SignedHeaders="+strings.Join(c.SignedHeaders, ";")+", Signature="+hex.EncodeToString(signature[:]))
}
