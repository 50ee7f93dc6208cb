package sigv4_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"crossfade/internal/sigv4"
)

// The example that the S3 documentation gives for an upload in signed chunks:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleSeed   = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
)

var exampleChunks = []struct {
	size      int
	signature string
}{
	{65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
	{1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
	{0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
}

type exampleKeys struct{}

func (exampleKeys) Secret(_ context.Context, id, _ string) (string, error) {
	if id != exampleKey {
		return "", sigv4.ErrUnknownKey
	}
	return exampleSecret, nil
}

func TestPublishedChunks(t *testing.T) {
	t.Parallel()
	var body bytes.Buffer
	for _, c := range exampleChunks {
		body.WriteString(strconv.FormatInt(int64(c.size), 16) + ";chunk-signature=" + c.signature + "\r\n" + strings.Repeat("a", c.size) + "\r\n")
	}
	at := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	v := &sigv4.Verifier{Region: "us-east-1", Services: []string{"s3"}, Keys: exampleKeys{}, Now: func() time.Time { return at }}
	r := httptest.NewRequest(http.MethodPut, "https://s3.amazonaws.com/examplebucket/chunkObject.txt", nil)
	r.ContentLength = int64(body.Len())
	for name, value := range map[string]string{
		"X-Amz-Date": "20130524T000000Z", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "X-Amz-Content-Sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
		"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "66560",
		"Authorization": "AWS4-HMAC-SHA256 Credential=" + exampleKey + "/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=" + exampleSeed,
	} {
		r.Header.Set(name, value)
	}
	verified, err := v.Verify(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(verified.Body(bytes.NewReader(body.Bytes())))
	if err != nil || len(got) != 66560 {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	// Every byte counts: of the content, of a size, of a signature, and that all chunks are there.
	for _, i := range []int{0, 100, 40_000, body.Len() - 80, body.Len() - 10} {
		spoilt := bytes.Clone(body.Bytes())
		spoilt[i] ^= 1
		if _, err := io.ReadAll(verified.Body(bytes.NewReader(spoilt))); err == nil {
			t.Errorf("byte %d was changed unnoticed", i)
		}
	}
	last := strings.LastIndex(body.String(), "0;chunk-signature=")
	if _, err := io.ReadAll(verified.Body(strings.NewReader(body.String()[:last]))); err == nil {
		t.Error("the last chunk was left out unnoticed")
	}
}

// TestPresignedSignsEveryHeader holds that nobody can add a header that S3 obeys to a URL that another signed.
func TestPresignedSignsEveryHeader(t *testing.T) {
	t.Parallel()
	req, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:8470/b/k?X-Amz-Expires=600", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Meta-Signed", "yes")
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true; o.DisableHeaderHoisting = true })
	url, header, err := signer.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, req, sigv4.UnsignedPayload, "s3", "us-east-1", now)
	if err != nil {
		t.Fatal(err)
	}
	for added, ok := range map[string]bool{"": true, "Content-Type": true, "X-Amz-Copy-Source": false, "X-Amz-Meta-Other": false, "X-Amz-Acl": false} {
		r := httptest.NewRequest(http.MethodPut, url, nil)
		r.Header = header.Clone()
		if added != "" {
			r.Header.Set(added, "x")
		}
		if _, err := verifier(now).Verify(t.Context(), r, nil); (err == nil) != ok {
			t.Errorf("with %q: %v", added, err)
		}
	}
}

// TestDocumentedSampleWithFewerHeaders holds the sample in its other form, and the order of what it is refused for: the key before the scope,
// the scope before the clock.
func TestDocumentedSampleWithFewerHeaders(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{"AKIAI44QH8DHBEXAMPLE": sigv4.InvalidSignature, "AKIDNOBODY": sigv4.UnrecognizedClient} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Host = "codedeploy.us-east-1.amazonaws.com"
		r.Header.Set("X-Amz-Target", "CodeDeploy_20141006.ContinueDeployment")
		r.Header.Set("X-Amz-Date", "20170412T195720Z")
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20160707/us-east-1/codedeploy/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="+strings.Repeat("0f", 32))
		if _, err := sigv4.Parse(r); err != nil {
			t.Errorf("the sample is well formed: %v", err)
		}
		_, err := verifier(now).Verify(t.Context(), r, nil)
		if code(err) != want || want == sigv4.InvalidSignature && !strings.Contains(err.Error(), "20160707 is not 20170412") {
			t.Errorf("%s: refused with %v", key, err)
		}
	}
}
