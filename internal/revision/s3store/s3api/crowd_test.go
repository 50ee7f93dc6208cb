package s3api_test

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestCrowd replaces, reads, lists and deletes a few objects from many clients at once, and holds that each reader gets one whole object and its
// own ETag.
func TestCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	contents := map[string]string{}
	for i := range 8 {
		content := strings.Repeat(fmt.Sprint(i), 50_000+i)
		contents[fmt.Sprintf(`"%x"`, md5.Sum([]byte(content)))] = content
	}
	bucket := aws.String("bundles")
	var crowd sync.WaitGroup
	for _, content := range contents {
		c := w.sdk("ROOT")
		crowd.Go(func() {
			for n := range 10 {
				key := aws.String(fmt.Sprint("k", n%2))
				if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(content)}); err != nil {
					t.Error(err)
				}
				get, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
				switch {
				case codeOf(err) == "NoSuchKey": // deleted meanwhile
				case err != nil:
					t.Error(err)
				case read(t, get.Body) != contents[*get.ETag]:
					t.Errorf("the object with ETag %s is another", *get.ETag)
				}
				if list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket}); err != nil || len(list.Contents) > 2 {
					t.Errorf("list: %v %v", list, err)
				}
				if n%5 == 4 {
					if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	crowd.Wait()
}

// endless is a body of a length that nobody holds in memory.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	clear(p[:n])
	return int(n), nil
}

// TestStreams holds that an object passes through in pieces, both ways: 64 MiB need no half of that in memory,
// client and all. It runs alone, because it
// measures what the whole process allocates.
func TestStreams(t *testing.T) {
	w := newWorld(t, true)
	c := w.sdk("ROOT", s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware), func(o *s3.Options) {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k"), Body: &endless{size}, ContentLength: aws.Int64(size)}); err != nil {
		t.Fatal(err)
	}
	get, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k"), ChecksumMode: "ENABLED"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, get.Body)
	if err != nil || n != size {
		t.Errorf("%d bytes came back, %v", n, err)
	}
	if err := get.Body.Close(); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size/2 {
		t.Errorf("%d bytes were allocated for an object of %d", got, size)
	}
}

// TestRefusesBodiesInVain holds that a client learns why its body is refused: without sending it if it asks first and waits, as boto3 does, and
// although it goes on sending if it does not ask, or asks without waiting, as the SDK for Go does.
func TestRefusesBodiesInVain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		size        int
		asks, waits bool
	}{{"asks and waits", 12 << 20, true, true}, {"asks", 6 << 20, true, false}, {"does not ask", 6 << 20, false, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, false)
			w.http.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
			var sent atomic.Int64
			count := func(o *s3.Options) {
				if !tt.asks {
					o.ContinueHeaderThresholdBytes = -1
				}
				o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
					if tt.waits {
						// net/http waits only for requests that say which version they are of, and those of the SDK don't.
						r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
					}
					r.Body = counted{r.Body, &sent}
					return w.http.Do(r)
				})
			}
			if _, err := w.sdk("ROOT").PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: aws.String("there"), Body: strings.NewReader("x")}); err != nil {
				t.Fatal(err)
			}
			for want, in := range map[string]*s3.PutObjectInput{
				"NoSuchBucket":       {Bucket: aws.String("no-such-bucket"), Key: aws.String("k")},
				"KeyTooLongError":    {Key: aws.String(strings.Repeat("k", 1025))},
				"PreconditionFailed": {Key: aws.String("there"), IfNoneMatch: aws.String("*")},
				"MetadataTooLarge":   {Key: aws.String("k"), Metadata: map[string]string{"m": strings.Repeat("v", 3000)}},
			} {
				if in.Body = bytes.NewReader(make([]byte, tt.size)); in.Bucket == nil {
					in.Bucket = aws.String("bundles")
				}
				if _, err := w.sdk("ROOT", count).PutObject(t.Context(), in); codeOf(err) != want {
					t.Errorf("%v, want %s", err, want)
				}
			}
			if tt.waits && sent.Load() != 0 {
				t.Errorf("%d bytes were sent for nothing", sent.Load())
			}
		})
	}
}

// counted is a body whose bytes are counted when they are sent.
type counted struct {
	io.ReadCloser
	sent *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sent.Add(int64(n))
	return n, err
}
