package sigv4_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"crossfade/internal/sigv4"
)

var now = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

type keys struct{}

func (keys) Secret(_ context.Context, id, _ string) (string, error) {
	switch id {
	case keyID, "AKIAI44QH8DHBEXAMPLE":
		return secret, nil
	case "AKIDEXPIRED":
		return "", sigv4.ErrExpiredKey
	default:
		return "", sigv4.ErrUnknownKey
	}
}

func verifier(at time.Time) *sigv4.Verifier {
	return &sigv4.Verifier{Region: "us-east-1", Services: []string{"codedeploy", "s3"}, Keys: keys{}, Now: func() time.Time { return at }}
}

// sdkSigned is a request signed by the public SDK's own signer and sent over a real connection.
func sdkSigned(t *testing.T, service, method, url string, body []byte, hash string) (*http.Request, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if service == "s3" {
		req.Header.Set("X-Amz-Content-Sha256", hash)
	} else {
		req.Header.Set("X-Amz-Target", "CodeDeploy_20141006.GetDeployment")
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err := signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, req, hash, service, "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	return receive(t, req)
}

// receive is the request as a server sees it.
func receive(t *testing.T, req *http.Request) (*http.Request, []byte) {
	t.Helper()
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got := make(chan *http.Request, 1)
	body := make(chan []byte, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- r.Clone(context.Background())
		body <- b
	}))
	defer srv.Close()
	sigv4.DialAndWrite(t, srv.Listener.Addr().String(), wire.Bytes())
	return <-got, <-body
}

func TestAcceptsThePublicSigner(t *testing.T) {
	t.Parallel()
	body := []byte(`{"deploymentId":"d-AB1CDEF23"}`)
	tests := []struct{ name, service, method, url, hash string }{
		{"codedeploy", "codedeploy", "POST", "http://127.0.0.1:8470/", sigv4.Hash(body)},
		{"s3 hashed", "s3", "PUT", "http://127.0.0.1:8470/bucket/a%20key/with+plus/ä?x-id=PutObject", sigv4.Hash(body)},
		{"s3 unsigned payload", "s3", "PUT", "http://127.0.0.1:8470/b/k", sigv4.UnsignedPayload},
		{"s3 query", "s3", "GET", "http://127.0.0.1:8470/b?prefix=a%2Fb&list-type=2&delimiter=%2F&empty=", sigv4.Hash(body)},
		{"s3 virtual host", "s3", "PUT", "http://bucket.localhost:8470/k", sigv4.Hash(body)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, got := sdkSigned(t, tt.service, tt.method, tt.url, body, tt.hash)
			c, err := verifier(now).Verify(t.Context(), r, got)
			if err != nil {
				t.Fatal(err)
			}
			if c.AccessKeyID != keyID || c.Service != tt.service {
				t.Errorf("claim %+v", c)
			}
		})
	}
}

func TestAcceptsPresigned(t *testing.T) {
	t.Parallel()
	req, err := http.NewRequest("GET", "http://127.0.0.1:8470/b/some%20key?X-Amz-Expires=600", nil)
	if err != nil {
		t.Fatal(err)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	url, _, err := signer.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, req, sigv4.UnsignedPayload, "s3", "us-east-1", now)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]string{now: "", now.Add(10 * time.Minute): "", now.Add(601 * time.Second): "Signature expired", now.Add(-6 * time.Minute): "Signature not yet current"} {
		r := httptest.NewRequest("GET", url, nil)
		_, err := verifier(at).Verify(t.Context(), r, nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("at %s: %v, want %q", at, err, want)
		}
	}
	other := httptest.NewRequest("GET", strings.ReplaceAll(url, "%2Fs3%2F", "%2Fcodedeploy%2F"), nil)
	if _, err := verifier(now).Verify(t.Context(), other, nil); code(err) != sigv4.MissingAuthenticationToken {
		t.Errorf("a presigned call of another service: %v", err)
	}
}

func code(err error) string {
	var e *sigv4.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// TestRefusals holds which refusal each fault gets.
func TestRefusals(t *testing.T) {
	t.Parallel()
	body := []byte(`{}`)
	tests := []struct {
		name   string
		at     time.Time
		change func(*http.Request)
		body   string
		code   string
		say    string
	}{
		{"untouched", now, func(*http.Request) {}, "{}", "", ""},
		{"no signature", now, func(r *http.Request) { r.Header.Del("Authorization") }, "{}", sigv4.MissingAuthenticationToken, "sign it"},
		{"another algorithm", now, edit("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5"), "{}", sigv4.IncompleteSignature, "must begin with"},
		{"no signed headers", now, edit("SignedHeaders=", "Nothing="), "{}", sigv4.IncompleteSignature, "SignedHeaders is missing"},
		{"host not signed", now, edit("host;", ""), "{}", sigv4.IncompleteSignature, "lacks host"},
		{"date not signed", now, edit("x-amz-date;", ""), "{}", sigv4.IncompleteSignature, "lacks x-amz-date"},
		{"target not signed", now, edit(";x-amz-target", ""), "{}", sigv4.InvalidSignature, "not signed"},
		{"short scope", now, edit("/aws4_request", ""), "{}", sigv4.IncompleteSignature, "Credential"},
		{"no date", now, func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "{}", sigv4.IncompleteSignature, "X-Amz-Date"},
		{"unknown key", now, edit(keyID, "AKIDNOBODY"), "{}", sigv4.UnrecognizedClient, "AKIDNOBODY"},
		{"expired key", now, edit(keyID, "AKIDEXPIRED"), "{}", sigv4.ExpiredToken, "expired"},
		{"another service", now, edit("/codedeploy/", "/ec2/"), "{}", sigv4.InvalidSignature, "scoped to one of the services"},
		{"another region", now, edit("us-east-1", "eu-west-1"), "{}", sigv4.InvalidSignature, "region us-east-1"},
		{"another day", now, edit("20260506", "20260505"), "{}", sigv4.InvalidSignature, "Date in Credential scope"},
		{"five minutes late", now.Add(5 * time.Minute), func(*http.Request) {}, "{}", "", ""},
		{"later", now.Add(5*time.Minute + time.Second), func(*http.Request) {}, "{}", sigv4.InvalidSignature, "Signature expired:"},
		{"too early", now.Add(-5*time.Minute - time.Second), func(*http.Request) {}, "{}", sigv4.InvalidSignature, "Signature not yet current:"},
		{"another body", now, func(*http.Request) {}, "{ }", sigv4.InvalidSignature, "does not match"},
		{"another body hash", now, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sigv4.Hash([]byte("x"))) }, "{}", sigv4.InvalidSignature, "x-amz-content-sha256"},
		{"unsigned body outside s3", now, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", sigv4.UnsignedPayload) }, "{}", sigv4.InvalidSignature, "x-amz-content-sha256"},
		{"another target", now, func(r *http.Request) { r.Header.Set("X-Amz-Target", "CodeDeploy_20141006.StopDeployment") }, "{}", sigv4.InvalidSignature, "does not match"},
		{"another signature", now, func(r *http.Request) {
			h := r.Header.Get("Authorization")
			r.Header.Set("Authorization", h[:len(h)-64]+strings.Repeat("0", 64))
		}, "{}", sigv4.InvalidSignature, "does not match"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := sdkSigned(t, "codedeploy", "POST", "http://127.0.0.1:8470/", body, sigv4.Hash(body))
			tt.change(r)
			_, err := verifier(tt.at).Verify(t.Context(), r, []byte(tt.body))
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if code(err) != tt.code || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("got %v, want %s saying %q", err, tt.code, tt.say)
			}
			if strings.Contains(fmt.Sprint(err), secret) {
				t.Error("the refusal shows the secret")
			}
		})
	}
}

func edit(from, to string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), from, to))
	}
}

// TestDocumentedSample parses the sample request that the public reference shows for ContinueDeployment: well formed, and refused because its
// scope names another day than its date.
func TestDocumentedSample(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"deploymentId": "d-A1B2C3111"}`))
	r.Host = "codedeploy.us-east-1.amazonaws.com"
	r.Header.Set("X-Amz-Target", "CodeDeploy_20141006.ContinueDeployment")
	r.Header.Set("X-Amz-Date", "20170412T195720Z")
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAI44QH8DHBEXAMPLE/20160707/us-east-1/codedeploy/aws4_request, SignedHeaders=accept;content-type;host;user-agent;x-amz-date;x-amz-target, Signature="+strings.Repeat("a1", 32))
	c, err := sigv4.Parse(r)
	if err != nil {
		t.Fatalf("the sample is well formed: %v", err)
	}
	if c.AccessKeyID != "AKIAI44QH8DHBEXAMPLE" || c.Date != "20160707" || c.Service != "codedeploy" || !c.At.Equal(time.Date(2017, 4, 12, 19, 57, 20, 0, time.UTC)) {
		t.Errorf("parsed %+v", c)
	}
	_, err = verifier(c.At).Verify(t.Context(), r, []byte(`{"deploymentId": "d-A1B2C3111"}`))
	if code(err) != sigv4.InvalidSignature || !strings.Contains(err.Error(), "20160707 is not 20170412") {
		t.Errorf("refused with %v", err)
	}
}

// TestSignIsAccepted holds that what Sign makes, Verify accepts, also with a session token.
func TestSignIsAccepted(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "a-token"} {
		body := []byte(`{"a":1}`)
		req, err := http.NewRequest("POST", "http://127.0.0.1:1/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Amz-Target", "CodeDeploy_20141006.ListApplications")
		sigv4.Sign(req, sigv4.Credential{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: token}, "us-east-1", "codedeploy", sigv4.Hash(body), now)
		r, got := receive(t, req)
		if c, err := verifier(now).Verify(t.Context(), r, got); err != nil || c.SessionToken != token {
			t.Errorf("token %q: %+v %v", token, c, err)
		}
	}
}

// TestBody reads every form of an S3 body, whole and spoilt.
func TestBody(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789"), 20_000)
	for _, form := range []string{"hashed", sigv4.UnsignedPayload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			hash := form
			if form == "hashed" {
				hash = sigv4.Hash(content)
			}
			r, _ := sdkSigned(t, "s3", "PUT", "http://127.0.0.1:1/b/k", nil, hash)
			v, err := verifier(now).Verify(t.Context(), r, nil)
			if err != nil {
				t.Fatal(err)
			}
			sent := encode(v, form, content)
			b := v.Body(bytes.NewReader(sent))
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("read %d of %d bytes, %v", len(got), len(content), err)
			}
			if strings.HasSuffix(form, "TRAILER") && b.Trailer().Get("x-amz-checksum-crc32") != "AAAAAA==" {
				t.Errorf("trailer %v", b.Trailer())
			}
			if form == sigv4.UnsignedPayload {
				return
			}
			cut := bytes.NewReader(sent[:len(sent)*2/3])
			if _, err := io.ReadAll(v.Body(cut)); err == nil {
				t.Error("a body cut short was accepted")
			}
			spoilt := bytes.Replace(sent, []byte("0123"), []byte("x123"), 1)
			if _, err := io.ReadAll(v.Body(bytes.NewReader(spoilt))); err == nil && form != "STREAMING-UNSIGNED-PAYLOAD-TRAILER" {
				t.Error("a changed body was accepted")
			}
		})
	}
}

// encode is the client's side of aws-chunked.
func encode(v sigv4.Verified, form string, content []byte) []byte {
	if !strings.HasPrefix(form, "STREAMING-") {
		return content
	}
	var b bytes.Buffer
	c := sigv4.Chunker(v)
	for chunk := content; ; {
		n := min(len(chunk), 64<<10)
		piece := chunk[:n]
		chunk = chunk[n:]
		fmt.Fprintf(&b, "%x", n)
		if strings.Contains(form, "HMAC") {
			fmt.Fprintf(&b, ";chunk-signature=%s", c("AWS4-HMAC-SHA256-PAYLOAD", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"+sigv4.Hash(piece)))
		}
		b.WriteString("\r\n")
		if n == 0 {
			break
		}
		b.Write(piece)
		b.WriteString("\r\n")
	}
	if strings.HasSuffix(form, "TRAILER") {
		line := "x-amz-checksum-crc32:AAAAAA==\n"
		b.WriteString("x-amz-checksum-crc32:AAAAAA==\r\n")
		if strings.Contains(form, "HMAC") {
			b.WriteString("x-amz-trailer-signature:" + c("AWS4-HMAC-SHA256-TRAILER", sigv4.Hash([]byte(line))) + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=A/20160707/us-east-1/codedeploy/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("a1", 32), "20170412T195720Z", "")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20160707%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20170412T195720Z&X-Amz-Expires=5&X-Amz-SignedHeaders=host&X-Amz-Signature="+hex.EncodeToString(make([]byte, 32)))
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r := httptest.NewRequest("POST", "/", nil)
		r.URL.RawQuery = query
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.Header.Set("X-Amz-Date", date)
		c, err := sigv4.Parse(r)
		var e *sigv4.Error
		if err != nil && (!errors.As(err, &e) || e.Message == "") {
			t.Errorf("refused with %v", err)
		}
		if err == nil && (c.AccessKeyID == "" || len(c.Signature) != 64 || c.At.IsZero()) {
			t.Errorf("accepted %+v", c)
		}
		if _, err := verifier(now).Verify(t.Context(), r, nil); err == nil {
			t.Error("a made-up signature was accepted")
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), true)
	f.Add([]byte("5;chunk-signature="+strings.Repeat("a", 64)+"\r\nhello\r\n0\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, sent []byte, unsigned bool) {
		v := sigv4.Verified{Claim: sigv4.Claim{ContentSHA256: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", At: now}}
		if unsigned {
			v.ContentSHA256 = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		}
		got, err := io.ReadAll(v.Body(bytes.NewReader(sent)))
		if len(got) > len(sent) {
			t.Errorf("%d bytes came out of %d", len(got), len(sent))
		}
		if err == nil && !unsigned && len(got) > 0 {
			t.Error("unsigned chunks were accepted as signed ones")
		}
	})
}
