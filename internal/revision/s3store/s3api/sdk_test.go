package s3api_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"crossfade/internal/revision"
	"crossfade/internal/revision/s3store"
)

func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestObjectsThroughTheSDK follows objects through their life, over HTTP (signed bodies) and over TLS (aws-chunked bodies with a checksum in the
// trailer), path style and virtual-host style.
func TestObjectsThroughTheSDK(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		for _, style := range []string{"path", "a configured host", "any host"} {
			t.Run(fmt.Sprintf("tls=%v, %s", tls, style), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, tls)
				c := w.sdk("ROOT", func(o *s3.Options) {
					host := map[string]string{"a configured host": "crossfade.example", "any host": "deploy.internal"}[style]
					if host != "" {
						o.BaseEndpoint, o.UsePathStyle = aws.String(strings.Split(w.url, ":")[0]+"://"+host), false
					}
				})
				if tls {
					w.http.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true // any name, one certificate
				}
				life(t, c)
			})
		}
	}
}

func life(t *testing.T, c *s3.Client) {
	ctx := t.Context()
	key := "apps/web & more/ä+b%20c.zip"
	content := strings.Repeat("0123456789", 1000)
	etag := fmt.Sprintf(`"%x"`, md5.Sum([]byte(content)))
	put, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("bundles"), Key: &key, Body: strings.NewReader(content), ContentType: aws.String("application/zip"),
		Metadata: map[string]string{"commit": "abc"},
	})
	if err != nil || aws.ToString(put.ETag) != etag {
		t.Fatalf("put: %v, ETag %s, want %s", err, aws.ToString(put.ETag), etag)
	}
	head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("bundles"), Key: &key})
	if err != nil || *head.ContentLength != 10_000 || *head.ETag != etag || *head.ContentType != "application/zip" || head.Metadata["commit"] != "abc" {
		t.Errorf("head: %+v %v", head, err)
	}
	get, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: &key, ChecksumMode: types.ChecksumModeEnabled, VersionId: aws.String("null")})
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if got := read(t, get.Body); got != content || *get.ETag != etag {
		t.Errorf("got %d bytes, ETag %s", len(got), *get.ETag)
	}
	for header, want := range map[string]string{"bytes=0-4": "01234", "bytes=9998-": "89", "bytes=-3": "789", "bytes=9999-20000": "9"} {
		part, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: &key, Range: &header})
		if err != nil {
			t.Errorf("%s: %v", header, err)
			continue
		}
		if got := read(t, part.Body); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	for want, in := range map[string]*s3.GetObjectInput{
		"InvalidRange":       {Range: aws.String("bytes=10000-")},
		"PreconditionFailed": {IfMatch: aws.String(`"another"`)},
		"NotModified":        {IfNoneMatch: put.ETag},
		"NoSuchVersion":      {VersionId: aws.String("3")},
		"NoSuchKey":          {Key: aws.String("none")},
		"NoSuchBucket":       {Bucket: aws.String("no-such-bucket")},
	} {
		if in.Bucket == nil {
			in.Bucket = aws.String("bundles")
		}
		if in.Key == nil {
			in.Key = &key
		}
		_, err := c.GetObject(ctx, in)
		// In virtual-host style a bucket that is not there is no bucket at all on a host that nobody configured.
		if codeOf(err) != want && !(want == "NoSuchBucket" && codeOf(err) == "NoSuchBucket") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: &key, Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")}); codeOf(err) != "PreconditionFailed" {
		t.Errorf("put where something is: %v", err)
	}
	if _, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String("bundles"), Key: aws.String("copy"), CopySource: aws.String("bundles/" + strings.ReplaceAll(strings.ReplaceAll(key, "%", "%25"), "+", "%2B"))}); err != nil {
		t.Errorf("copy: %v", err)
	}
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("bundles"), Delimiter: aws.String("/")})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].Key != "copy" || len(list.CommonPrefixes) != 1 || *list.CommonPrefixes[0].Prefix != "apps/" {
		t.Errorf("list: %+v %v", list, err)
	}
	if list, err := c.ListObjects(ctx, &s3.ListObjectsInput{Bucket: aws.String("bundles"), Prefix: aws.String("apps/")}); err != nil || len(list.Contents) != 1 || *list.Contents[0].ETag != etag {
		t.Errorf("list, version 1: %+v %v", list, err)
	}
	gone, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String("bundles"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: &key}, {Key: aws.String("none")}}}})
	if err != nil || len(gone.Deleted) != 2 || len(gone.Errors) != 0 {
		t.Errorf("delete many: %+v %v", gone, err)
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("bundles"), Key: aws.String("copy")}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("bundles")}); err != nil || len(list.Contents) != 0 {
		t.Errorf("list at the end: %+v %v", list, err)
	}
	if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: aws.String("empty"), Body: strings.NewReader("")}); err != nil {
		t.Errorf("put nothing: %v", err)
	}
}

// TestUploadInPartsThroughTheSDK holds that the SDK's own uploader and downloader work, with the ETag that S3 gives to such objects wherever it
// is shown.
func TestUploadInPartsThroughTheSDK(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", tls), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tls)
			c := w.sdk("ROOT")
			content := make([]byte, 20<<20)
			random := rand.NewChaCha8([32]byte{1})
			if _, err := random.Read(content); err != nil {
				t.Fatal(err)
			}
			var sums []byte
			for part := range bytesIn(content, 5<<20) {
				sum := md5.Sum(part)
				sums = append(sums, sum[:]...)
			}
			want := fmt.Sprintf(`"%x-4"`, md5.Sum(sums))
			//lint:ignore SA1019 most programs still use it; its successor has a test of its own
			up, err := manager.NewUploader(c).Upload(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: aws.String("large"), Body: bytes.NewReader(content)}) //nolint:staticcheck // deprecated, and what most programs still use
			if err != nil || *up.ETag != want {
				t.Fatalf("upload: %v, ETag %v, want %s", err, up, want)
			}
			head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("bundles"), Key: aws.String("large")})
			if err != nil || *head.ETag != want {
				t.Errorf("head: %v %v", head, err)
			}
			got := manager.NewWriteAtBuffer(make([]byte, len(content)))
			//lint:ignore SA1019 most programs still use it
			if _, err := manager.NewDownloader(c).Download(t.Context(), got, &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("large")}); err != nil || !bytes.Equal(got.Bytes(), content) { //nolint:staticcheck // the same
				t.Errorf("downloaded %d bytes, %v", len(got.Bytes()), err)
			}
			// The checksum of the whole, which the SDK compares.
			whole, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("large"), ChecksumMode: types.ChecksumModeEnabled})
			if err != nil || aws.ToString(whole.ChecksumCRC32) == "" {
				t.Fatalf("get with its checksum: %v", err)
			}
			if read(t, whole.Body) != string(content) {
				t.Error("another content")
			}
			if _, err := w.store.Stat(t.Context(), revision.Location{Bucket: "bundles", Key: "large", ETag: want}); err != nil {
				t.Errorf("as a revision: %v", err)
			}
		})
	}
}

func bytesIn(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

func TestUploadsAreListedAndAborted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.sdk("ROOT")
	var ids []string
	for _, key := range []string{"a", "a", "b"} {
		u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("bundles"), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *u.UploadId)
	}
	for n := range int32(3) {
		if _, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String("bundles"), Key: aws.String("b"), UploadId: &ids[2], PartNumber: aws.Int32(n + 1), Body: strings.NewReader("part")}); err != nil {
			t.Fatal(err)
		}
	}
	parts := s3.NewListPartsPaginator(c, &s3.ListPartsInput{Bucket: aws.String("bundles"), Key: aws.String("b"), UploadId: &ids[2], MaxParts: aws.Int32(2)})
	n := 0
	for parts.HasMorePages() {
		page, err := parts.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Parts)
	}
	if n != 3 {
		t.Errorf("listed %d parts", n)
	}
	for _, most := range []int32{1, 2, 10} {
		var got []string
		pages := s3.NewListMultipartUploadsPaginator(c, &s3.ListMultipartUploadsInput{Bucket: aws.String("bundles"), MaxUploads: &most})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range page.Uploads {
				got = append(got, *u.UploadId)
			}
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("by %d: %v, want %v", most, got, ids)
		}
	}
	if _, err := c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String("bundles"), Key: aws.String("b"), UploadId: &ids[2]}); err != nil {
		t.Error(err)
	}
	_, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String("bundles"), Key: aws.String("b"), UploadId: &ids[2], PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	if codeOf(err) != "NoSuchUpload" {
		t.Errorf("a part after the abort: %v", err)
	}
}

// TestListingPages holds that the SDK's paginator sees every key once, in order.
func TestListingPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("k%02d\x01&<ä", i)
		if i%5 == 0 {
			key = fmt.Sprintf("k%02d/x", i)
		}
		want = append(want, strings.TrimSuffix(key, "x"))
		if _, err := w.store.Put(t.Context(), "bundles", key, nil, s3store.Condition{}, s3store.Content{Body: strings.NewReader(""), Length: 0}); err != nil {
			t.Fatal(err)
		}
	}
	c := w.sdk("ROOT")
	var got []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String("bundles"), MaxKeys: aws.Int32(1), Delimiter: aws.String("/"), EncodingType: types.EncodingTypeUrl})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, unescape(t, *o.Key))
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, unescape(t, *p.Prefix))
		}
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestBucketsThroughTheSDK(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.sdk("ROOT")
	here := &types.CreateBucketConfiguration{LocationConstraint: region}
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("more.bundles"), CreateBucketConfiguration: here}); err != nil {
		t.Fatal(err)
	}
	for want, in := range map[string]*s3.CreateBucketInput{
		"BucketAlreadyOwnedByYou":            {Bucket: aws.String("bundles")},
		"InvalidBucketName":                  {Bucket: aws.String("Bundles")},
		"IllegalLocationConstraintException": {Bucket: aws.String("elsewhere"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}},
	} {
		if _, err := c.CreateBucket(t.Context(), in); codeOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	list, err := c.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(list.Buckets) != 2 || *list.Buckets[0].Name != "bundles" || time.Since(*list.Buckets[1].CreationDate) > time.Hour {
		t.Errorf("buckets %+v %v", list, err)
	}
	if l, err := c.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: aws.String("bundles")}); err != nil || l.LocationConstraint != region {
		t.Errorf("location %+v %v", l, err)
	}
	if v, err := c.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String("bundles")}); err != nil || v.Status != "" {
		t.Errorf("versioning %+v %v", v, err)
	}
	if _, err := c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("none")}); codeOf(err) != "NotFound" {
		t.Errorf("head: %v", err)
	}
	if _, err := c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("more.bundles")}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := c.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("bundles"), Policy: aws.String("{}")}); codeOf(err) != "NotImplemented" {
		t.Errorf("a policy: %v", err)
	}
}

// TestWhoMay holds that hosts only read, that accounts don't see each other's buckets, and that what the store can't keep is refused.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	put := func(c *s3.Client, in s3.PutObjectInput) error {
		in.Bucket, in.Key, in.Body = aws.String("bundles"), aws.String("k"), strings.NewReader("x")
		_, err := c.PutObject(t.Context(), &in)
		return err
	}
	if err := put(w.sdk("ROOT"), s3.PutObjectInput{}); err != nil {
		t.Fatal(err)
	}
	host, other := w.sdk("HOST"), w.sdk("OTHER")
	if get, err := host.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k")}); err != nil || read(t, get.Body) != "x" {
		t.Errorf("a host reads: %v", err)
	}
	_, listed := host.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("bundles")})
	_, read := other.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k")})
	_, copied := other.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("bundles"), Key: aws.String("c"), CopySource: aws.String("bundles/k")})
	for what, err := range map[string]error{
		"a host writes": put(host, s3.PutObjectInput{}), "a host lists": listed, "another account reads": read, "another account copies": copied,
		"another account writes": put(other, s3.PutObjectInput{}),
	} {
		if codeOf(err) != "AccessDenied" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if codeOf(put(w.sdk("NOBODY"), s3.PutObjectInput{})) != "InvalidAccessKeyId" {
		t.Error("an unknown key writes")
	}
	for _, in := range []s3.PutObjectInput{
		{ACL: types.ObjectCannedACLPublicRead}, {ServerSideEncryption: types.ServerSideEncryptionAes256}, {Tagging: aws.String("a=b")},
	} {
		if err := put(w.sdk("ROOT"), in); codeOf(err) != "NotImplemented" {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

// TestPresigned holds that URLs signed by the SDK read and write, for their time and for what they were signed for.
func TestPresigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	p := s3.NewPresignClient(w.sdk("ROOT"))
	put, err := p.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: aws.String("a b")})
	if err != nil {
		t.Fatal(err)
	}
	send := func(method, url, body string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := w.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, read(t, res.Body)
	}
	if status, body := send("PUT", put.URL, "hello"); status != 200 {
		t.Fatalf("put: %d %s", status, body)
	}
	get, err := p.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("a b")})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := send("GET", get.URL, ""); status != 200 || body != "hello" {
		t.Errorf("get: %d %s", status, body)
	}
	for what, try := range map[string]func() (int, string){
		"another method": func() (int, string) { return send("DELETE", get.URL, "") },
		"another key":    func() (int, string) { return send("GET", strings.Replace(get.URL, "a%20b", "c", 1), "") },
		"another time": func() (int, string) {
			return send("GET", strings.Replace(get.URL, "Expires=900", "Expires=901", 1), "")
		},
		"copying instead":   func() (int, string) { return send("PUT", put.URL, "", "X-Amz-Copy-Source", "/bundles/a%20b") },
		"metadata on top":   func() (int, string) { return send("PUT", put.URL, "x", "X-Amz-Meta-Commit", "forged") },
		"a listing instead": func() (int, string) { return send("GET", strings.Replace(get.URL, "/a%20b", "", 1), "") },
	} {
		if status, body := try(); status != 403 {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
}

// TestSpoiltBodies holds that a body that is not what was signed or announced changes nothing.
func TestSpoiltBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	c := w.sdk("ROOT")
	put := func(c *s3.Client, in s3.PutObjectInput) error {
		in.Bucket, in.Key = aws.String("bundles"), aws.String("k")
		_, err := c.PutObject(t.Context(), &in)
		return err
	}
	if err := put(c, s3.PutObjectInput{Body: strings.NewReader("first")}); err != nil {
		t.Fatal(err)
	}
	spoil := func(o *s3.Options) {
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(b, []byte("second"), []byte("sec0nd"), 1)))
			return w.http.Do(r)
		})
	}
	for what, err := range map[string]error{
		"a spoilt chunk":    put(w.sdk("ROOT", spoil), s3.PutObjectInput{Body: strings.NewReader("second")}),
		"a wrong MD5":       put(c, s3.PutObjectInput{Body: strings.NewReader("second"), ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg==")}),
		"no MD5":            put(c, s3.PutObjectInput{Body: strings.NewReader("second"), ContentMD5: aws.String("x")}),
		"a wrong checksum":  put(c, s3.PutObjectInput{Body: strings.NewReader("second"), ChecksumSHA256: aws.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")}),
		"a checksum of CRC": put(c, s3.PutObjectInput{Body: strings.NewReader("second"), ChecksumCRC32C: aws.String("AAAAAA==")}),
		"a spoilt plain one": put(w.sdk("ROOT", spoil, func(o *s3.Options) {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.BaseEndpoint = aws.String(w.url)
		}), s3.PutObjectInput{Body: strings.NewReader("second"), ContentMD5: aws.String("qfD3dQ3vs0bqm0eThZ+VJg==")}),
	} {
		if code := codeOf(err); code != "BadDigest" && code != "InvalidDigest" && code != "XAmzContentSHA256Mismatch" {
			t.Errorf("%s: %v", what, err)
		}
	}
	get, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k")})
	if err != nil || read(t, get.Body) != "first" {
		t.Errorf("afterwards: %v", err)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }
