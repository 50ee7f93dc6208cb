package sigv4_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"crossfade/internal/sigv4"
)

// TestAQueryMeansWhatWasSigned holds that nobody can take a parameter away from a signed request by writing it so that the signature stays the same and
// readers pass it over: a list of one prefix would become one of everything.
func TestAQueryMeansWhatWasSigned(t *testing.T) {
	t.Parallel()
	for signed, sent := range map[string]string{
		"list-type=2&prefix=team%3Ba%2F":  "list-type=2&prefix=team;a%2F",
		"list-type=2&prefix=100%25zz%2F":  "list-type=2&prefix=100%zz%2F",
		"list-type=2&prefix%3B=a":         "list-type=2&prefix;=a",
		"list-type=2&prefix=team%3Dx%2Fy": "",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h/b?"+signed, nil)
		sigv4.Sign(r, sigv4.Credential{AccessKeyID: keyID, SecretAccessKey: secret}, "us-east-1", "s3", sigv4.UnsignedPayload, now)
		if _, err := verifier(now).Verify(t.Context(), r, nil); err != nil {
			t.Errorf("%s as it was signed: %v", signed, err)
		}
		if sent == "" {
			continue
		}
		r.URL = &url.URL{Scheme: "http", Host: "h", Path: "/b", RawQuery: sent}
		var refused *sigv4.Error
		if _, err := verifier(now).Verify(t.Context(), r, nil); !errors.As(err, &refused) {
			t.Errorf("%s, sent as %s: %v; readers see %v", signed, sent, err, r.URL.Query())
		}
	}
}

// TestPresignedForAges holds that no number of seconds runs over.
func TestPresignedForAges(t *testing.T) {
	t.Parallel()
	for _, seconds := range []string{"604801", "9223372037", "18446744074", "9223372036854775807", "-1", "0"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://h/b?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+keyID+
			"%2F20260506%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260506T070809Z&X-Amz-Expires="+seconds+"&X-Amz-SignedHeaders=host&X-Amz-Signature="+
			"0000000000000000000000000000000000000000000000000000000000000000", nil)
		if c, err := sigv4.Parse(r); err == nil {
			t.Errorf("%s seconds: %s", seconds, c.Expires)
		}
	}
}
