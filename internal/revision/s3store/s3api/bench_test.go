package s3api_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// BenchmarkObjects brings and fetches objects through the edge with the public SDK: signatures verified, checksums compared, durable.
func BenchmarkObjects(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 20} {
		w := newWorld(b, false)
		c := w.sdk("ROOT")
		content := make([]byte, size)
		b.Run(fmt.Sprintf("put/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := c.PutObject(b.Context(), &s3.PutObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k"), Body: bytes.NewReader(content)}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("get/%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				get, err := c.GetObject(b.Context(), &s3.GetObjectInput{Bucket: aws.String("bundles"), Key: aws.String("k"), ChecksumMode: "ENABLED"})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, get.Body); err != nil {
					b.Fatal(err)
				}
				if err := get.Body.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
