package s3api_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"crossfade/internal/revision/s3store"
)

func noise(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.NewChaCha8([32]byte{byte(n)}).Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// writerAt is a buffer that is written in any order.
type writerAt []byte

func (w writerAt) WriteAt(p []byte, at int64) (int, error) {
	if n := copy(w[at:], p); n < len(p) {
		return n, io.ErrShortWrite
	}
	return len(p), nil
}

// TestTransferManager holds that the SDK's transfer manager brings objects of one and of several parts, and fetches them by parts and by ranges.
func TestTransferManager(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		w := newWorld(t, tls)
		for _, size := range []int{0, 1, 5 << 20, 20<<20 + 7} {
			t.Run(fmt.Sprintf("tls=%v, %d bytes", tls, size), func(t *testing.T) {
				t.Parallel()
				content, key := noise(t, size), fmt.Sprint("of ", size)
				for _, how := range []tmtypes.GetObjectType{tmtypes.GetObjectParts, tmtypes.GetObjectRanges} {
					m := transfermanager.New(w.sdk("ROOT"), func(o *transfermanager.Options) {
						o.GetObjectType, o.PartSizeBytes, o.MultipartUploadThreshold = how, 5<<20, 6<<20
					})
					up, err := m.UploadObject(t.Context(), &transfermanager.UploadObjectInput{Bucket: aws.String("bundles"), Key: &key, Body: bytes.NewReader(content)})
					if err != nil {
						t.Fatal(err)
					}
					got := make(writerAt, size)
					down, err := m.DownloadObject(t.Context(), &transfermanager.DownloadObjectInput{Bucket: aws.String("bundles"), Key: &key, WriterAt: got})
					// By ranges, an empty object has no answer that could hold its ETag.
					if err != nil || !bytes.Equal(got, content) || size > 0 && aws.ToString(down.ETag) != aws.ToString(up.ETag) {
						t.Errorf("by %s: %v, another content or ETag", how, err)
					}
				}
			})
		}
	}
}

// TestReadsByPart holds that an object made of parts is read by them, and any other as one part.
func TestReadsByPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.sdk("ROOT")
	large := strings.Repeat("x", s3store.MinPart)
	inParts(t, c, "parts", large, "end")
	for _, key := range []string{"whole", "empty"} {
		body := map[string]string{"whole": "content"}[key]
		if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: &key, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		key          string
		part         int32
		rng          *string
		want, refuse string
		count        int32
		contentRange string
	}{
		{key: "parts", part: 1, want: large, count: 2, contentRange: "bytes 0-5242879/5242883"},
		{key: "parts", part: 2, want: "end", count: 2, contentRange: "bytes 5242880-5242882/5242883"},
		{key: "parts", part: 3, refuse: "InvalidPartNumber"},
		{key: "parts", part: 0, refuse: "InvalidArgument"},
		{key: "parts", part: 10_001, refuse: "InvalidArgument"},
		{key: "parts", part: 1, rng: aws.String("bytes=0-1"), refuse: "InvalidRequest"},
		{key: "whole", part: 1, want: "content", contentRange: "bytes 0-6/7"},
		{key: "whole", part: 2, refuse: "InvalidPartNumber"},
		{key: "empty", part: 1, want: ""},
	} {
		got, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: &tt.key, PartNumber: &tt.part, Range: tt.rng})
		if tt.refuse != "" {
			if codeOf(err) != tt.refuse {
				t.Errorf("part %d of %s: %v, want %s", tt.part, tt.key, err, tt.refuse)
			}
			continue
		}
		if err != nil {
			t.Errorf("part %d of %s: %v", tt.part, tt.key, err)
			continue
		}
		if body := read(t, got.Body); body != tt.want || aws.ToInt32(got.PartsCount) != tt.count || aws.ToString(got.ContentRange) != tt.contentRange {
			t.Errorf("part %d of %s: %d bytes, %d parts, range %q", tt.part, tt.key, len(body), aws.ToInt32(got.PartsCount), aws.ToString(got.ContentRange))
		}
		head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("bundles"), Key: &tt.key, PartNumber: &tt.part})
		if err != nil || aws.ToInt64(head.ContentLength) != int64(len(tt.want)) || aws.ToInt32(head.PartsCount) != tt.count {
			t.Errorf("head of part %d of %s: %+v %v", tt.part, tt.key, head, err)
		}
	}
}

// inParts stores an object as an upload of parts.
func inParts(t *testing.T, c *s3.Client, key string, parts ...string) {
	t.Helper()
	u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("bundles"), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	var done types.CompletedMultipartUpload
	for i, content := range parts {
		number := aws.Int32(int32(i + 1))
		p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: aws.String("bundles"), Key: &key, UploadId: u.UploadId, PartNumber: number, Body: strings.NewReader(content)})
		if err != nil {
			t.Fatal(err)
		}
		done.Parts = append(done.Parts, types.CompletedPart{PartNumber: number, ETag: p.ETag})
	}
	if _, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: aws.String("bundles"), Key: &key, UploadId: u.UploadId, MultipartUpload: &done}); err != nil {
		t.Fatal(err)
	}
}

// TestCopies holds that copies are made as asked, or not at all.
func TestCopies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.sdk("ROOT")
	bucket := aws.String("bundles")
	put, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("a"), Body: strings.NewReader("0123456789"), Metadata: map[string]string{"commit": "abc"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		in   s3.CopyObjectInput
		want string
	}{
		"to itself":                   {s3.CopyObjectInput{Key: aws.String("a")}, "InvalidRequest"},
		"of nothing":                  {s3.CopyObjectInput{CopySource: aws.String("bundles/none")}, "NoSuchKey"},
		"of no bucket":                {s3.CopyObjectInput{CopySource: aws.String("no-such-bucket/a")}, "NoSuchBucket"},
		"of a version":                {s3.CopyObjectInput{CopySource: aws.String("bundles/a?versionId=3")}, "NoSuchVersion"},
		"of another ETag":             {s3.CopyObjectInput{CopySourceIfMatch: aws.String("0123")}, "PreconditionFailed"},
		"of this ETag, excluded":      {s3.CopyObjectInput{CopySourceIfNoneMatch: put.ETag}, "PreconditionFailed"},
		"of what is not that new":     {s3.CopyObjectInput{CopySourceIfModifiedSince: aws.Time(hour(1))}, "PreconditionFailed"},
		"of what is not that old":     {s3.CopyObjectInput{CopySourceIfUnmodifiedSince: aws.Time(hour(-1))}, "PreconditionFailed"},
		"over what must not be there": {s3.CopyObjectInput{Key: aws.String("there"), IfNoneMatch: aws.String("*")}, "PreconditionFailed"},
		"with an unknown directive":   {s3.CopyObjectInput{MetadataDirective: "MERGE"}, "InvalidArgument"},
	} {
		if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("there"), Body: strings.NewReader("there")}); err != nil {
			t.Fatal(err)
		}
		if tt.in.Bucket = bucket; tt.in.Key == nil {
			tt.in.Key = aws.String("b")
		}
		if tt.in.CopySource == nil {
			tt.in.CopySource = aws.String("/bundles/a")
		}
		if _, err := c.CopyObject(t.Context(), &tt.in); codeOf(err) != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		if _, err := w.store.Get("bundles", "b"); err == nil {
			t.Errorf("%s: copied all the same", name)
		}
	}
	if _, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("a"), CopySource: aws.String("bundles/a"), MetadataDirective: "REPLACE", Metadata: map[string]string{"commit": "def"}}); err != nil {
		t.Error(err)
	}
	if head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("a")}); err != nil || head.Metadata["commit"] != "def" || *head.ETag != *put.ETag {
		t.Errorf("with other metadata: %+v %v", head, err)
	}

	u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("parts")})
	if err != nil {
		t.Fatal(err)
	}
	part := func(source string, rng *string) (*s3.UploadPartCopyOutput, error) {
		return c.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{Bucket: bucket, Key: aws.String("parts"), UploadId: u.UploadId, PartNumber: aws.Int32(1), CopySource: &source, CopySourceRange: rng})
	}
	for rng, want := range map[string]string{"bytes=20-30": "InvalidRange", "0-1": "InvalidArgument"} {
		if _, err := part("bundles/a", &rng); codeOf(err) != want {
			t.Errorf("the range %s: %v", rng, err)
		}
	}
	if _, err := part("bundles/none", nil); codeOf(err) != "NoSuchKey" {
		t.Errorf("a part of nothing: %v", err)
	}
	p, err := part("bundles/a", aws.String("bytes=2-5"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: aws.String("parts"), UploadId: u.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: p.CopyPartResult.ETag}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("parts")}); err != nil || read(t, got.Body) != "2345" {
		t.Errorf("made of a copied part: %v", err)
	}
	if tags, err := c.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: bucket, Key: aws.String("parts")}); err != nil || len(tags.TagSet) != 0 {
		t.Errorf("tags: %+v %v", tags, err)
	}
}
