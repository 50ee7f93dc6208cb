package s3api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"crossfade/internal/revision/s3store"
)

func hour(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }

// TestChecksums holds that each checksum is verified where it is sent, before the body or after it, and comes back on reading, for the SDK to
// compare. Over HTTP the SDK sends it before, over TLS after the body.
func TestChecksums(t *testing.T) {
	t.Parallel()
	const content = "the content of a bundle"
	for _, tls := range []bool{false, true} {
		w := newWorld(t, tls)
		c := w.sdk("ROOT")
		for _, a := range s3store.Algorithms() {
			t.Run(fmt.Sprintf("tls=%v, %s", tls, a), func(t *testing.T) {
				t.Parallel()
				bucket, key := aws.String("bundles"), aws.String("with "+string(a))
				want := s3store.SumsOf(a, []byte(content)).Checksum.Value
				put, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader(content), ChecksumAlgorithm: types.ChecksumAlgorithm(a)})
				if err != nil {
					t.Fatal(err)
				}
				head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled})
				if err != nil {
					t.Fatal(err)
				}
				get, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled})
				if err != nil || read(t, get.Body) != content {
					t.Fatal(err)
				}
				quiet, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
				if err != nil {
					t.Fatal(err)
				}
				sums := func(crc32, crc32c, crc64, sha1, sha256 *string) *string {
					return map[s3store.Algorithm]*string{s3store.CRC32: crc32, s3store.CRC32C: crc32c, s3store.CRC64NVME: crc64, s3store.SHA1: sha1, s3store.SHA256: sha256}[a]
				}
				for how, got := range map[string]*string{
					"stored": sums(put.ChecksumCRC32, put.ChecksumCRC32C, put.ChecksumCRC64NVME, put.ChecksumSHA1, put.ChecksumSHA256),
					"seen":   sums(head.ChecksumCRC32, head.ChecksumCRC32C, head.ChecksumCRC64NVME, head.ChecksumSHA1, head.ChecksumSHA256),
					"read":   sums(get.ChecksumCRC32, get.ChecksumCRC32C, get.ChecksumCRC64NVME, get.ChecksumSHA1, get.ChecksumSHA256),
				} {
					if aws.ToString(got) != want {
						t.Errorf("%s with %s, want %s", how, aws.ToString(got), want)
					}
				}
				if got := sums(quiet.ChecksumCRC32, quiet.ChecksumCRC32C, quiet.ChecksumCRC64NVME, quiet.ChecksumSHA1, quiet.ChecksumSHA256); got != nil {
					t.Errorf("unasked: %s", *got)
				}
				wholeOfParts(t, c, a)
			})
		}
	}
}

// wholeOfParts uploads parts with a checksum each, and reads back the checksum of the whole, which is stronger than S3's own of their checksums.
func wholeOfParts(t *testing.T, c *s3.Client, a s3store.Algorithm) {
	t.Helper()
	bucket, key := aws.String("bundles"), aws.String("parts with "+string(a))
	u, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithm(a)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: u.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("part"), ChecksumAlgorithm: types.ChecksumAlgorithm(a)})
	if err != nil {
		t.Fatal(err)
	}
	done := types.CompletedPart{PartNumber: aws.Int32(1), ETag: p.ETag, ChecksumCRC32: p.ChecksumCRC32, ChecksumCRC32C: p.ChecksumCRC32C, ChecksumCRC64NVME: p.ChecksumCRC64NVME, ChecksumSHA1: p.ChecksumSHA1, ChecksumSHA256: p.ChecksumSHA256}
	in := &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: u.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{done}}}
	if _, err := c.CompleteMultipartUpload(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	get, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil || read(t, get.Body) != "part" || get.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("of parts: %+v %v", get, err)
	}
}

// TestWrongChecksumsChangeNothing holds that a checksum that is not the body's is refused for each algorithm.
func TestWrongChecksumsChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	c := w.sdk("ROOT")
	for _, a := range s3store.Algorithms() {
		wrong := aws.String(s3store.SumsOf(a, []byte("another content")).Checksum.Value)
		in := &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k"), Body: strings.NewReader("content")}
		switch a {
		case s3store.CRC32:
			in.ChecksumCRC32 = wrong
		case s3store.CRC32C:
			in.ChecksumCRC32C = wrong
		case s3store.CRC64NVME:
			in.ChecksumCRC64NVME = wrong
		case s3store.SHA1:
			in.ChecksumSHA1 = wrong
		case s3store.SHA256:
			in.ChecksumSHA256 = wrong
		}
		if _, err := c.PutObject(t.Context(), in); codeOf(err) != "BadDigest" {
			t.Errorf("%s: %v", a, err)
		}
	}
	if l, err := w.store.List("bundles", s3store.ListQuery{Max: 1}); err != nil || len(l.Objects) != 0 {
		t.Errorf("stored %+v, %v", l, err)
	}
}
