// Package upload puts a bundle into an S3 store, whole or not at all.
//
// It owns how a bundle is cut into parts, and knows from that which eTag the store will give it; so the same bytes are not sent twice. It knows nothing
// of what is in a bundle and registers nothing. [Put] may be called concurrently.
package upload

import (
	"context"
	"crypto/md5" //nolint:gosec // it is what S3 makes eTags of
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// LeastPart is the size of a part, and of what is sent in one piece, in bytes.
	LeastPart = 8 << 20
	// mostParts is how many parts S3 takes.
	mostParts = 10_000
)

// Result is what is in the store now.
type Result struct {
	ETag    string // without quotes
	Version string // empty: the bucket has no versions
	Already bool   // the same bytes were there before
}

// Bundle is what is put, and where.
type Bundle struct {
	Bucket, Key string
	Content     io.ReaderAt
	Size        int64
}

// part is the size of the bundle's parts.
func (b Bundle) part() int64 { return max(LeastPart, (b.Size+mostParts-1)/mostParts) }

// eTag is what S3 calls these bytes when they come in these parts: the MD5 of the content, or that of the parts' MD5s with their number.
func (b Bundle) eTag(ctx context.Context) (string, error) {
	if b.Size <= LeastPart {
		sum, err := digest(io.NewSectionReader(b.Content, 0, b.Size))
		return hex.EncodeToString(sum), err
	}
	whole, parts := md5.New(), 0 //nolint:gosec // see the import
	for at := int64(0); at < b.Size; at += b.part() {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		sum, err := digest(io.NewSectionReader(b.Content, at, min(b.part(), b.Size-at)))
		if err != nil {
			return "", err
		}
		whole.Write(sum) // a hash's Write never fails
		parts++
	}
	return fmt.Sprintf("%x-%d", whole.Sum(nil), parts), nil
}

func digest(r io.Reader) ([]byte, error) {
	h := md5.New() //nolint:gosec // see the import
	if _, err := io.Copy(h, r); err != nil {
		return nil, fmt.Errorf("read the bundle: %w", err)
	}
	return h.Sum(nil), nil
}

// Put puts the bundle there, unless the newest object at the place has the same bytes. progress is told how many bytes the store has taken; it may be
// nil. An upload that fails or is cancelled leaves nothing behind.
func Put(ctx context.Context, to *s3.Client, b Bundle, progress func(sent int64)) (Result, error) {
	tag, err := b.eTag(ctx)
	if err != nil {
		return Result{}, err
	}
	if progress == nil {
		progress = func(int64) {}
	}
	there, err := to.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.Bucket, Key: &b.Key})
	if err == nil && unquoted(there.ETag) == tag && aws.ToInt64(there.ContentLength) == b.Size {
		return Result{ETag: tag, Version: aws.ToString(there.VersionId), Already: true}, nil
	}
	// Who may write but not read is told 403, so only what keeps the upload from being tried counts.
	if err != nil && !answered(err) {
		return Result{}, fmt.Errorf("look for s3://%s/%s: %w", b.Bucket, b.Key, err)
	}
	if b.Size <= LeastPart {
		out, err := to.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.Bucket, Key: &b.Key, Body: io.NewSectionReader(b.Content, 0, b.Size), ContentLength: &b.Size})
		if err != nil {
			return Result{}, fmt.Errorf("upload to s3://%s/%s: %w", b.Bucket, b.Key, err)
		}
		progress(b.Size)
		return Result{ETag: unquoted(out.ETag), Version: aws.ToString(out.VersionId)}, nil
	}
	r, err := b.inParts(ctx, to, progress)
	if err != nil {
		return Result{}, fmt.Errorf("upload to s3://%s/%s: %w", b.Bucket, b.Key, err)
	}
	return r, nil
}

// answered reports whether the store said something, other than that it is in trouble.
func answered(err error) bool {
	said, ok := errors.AsType[*awshttp.ResponseError](err)
	return ok && said.HTTPStatusCode() < http.StatusInternalServerError
}

func (b Bundle) inParts(ctx context.Context, to *s3.Client, progress func(int64)) (_ Result, err error) {
	begun, err := to.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b.Bucket, Key: &b.Key})
	if err != nil {
		return Result{}, err
	}
	defer func() {
		if err == nil {
			return
		}
		_, abortErr := to.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{Bucket: &b.Bucket, Key: &b.Key, UploadId: begun.UploadId})
		if abortErr != nil {
			err = fmt.Errorf("%w; and the parts that were sent stay in the store: %w", err, abortErr)
		}
	}()
	var parts []types.CompletedPart
	for at := int64(0); at < b.Size; at += b.part() {
		n, size := int32(len(parts)+1), min(b.part(), b.Size-at) //nolint:gosec // at most mostParts
		out, err := to.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &b.Bucket, Key: &b.Key, UploadId: begun.UploadId, PartNumber: &n, Body: io.NewSectionReader(b.Content, at, size), ContentLength: &size,
		})
		if err != nil {
			return Result{}, fmt.Errorf("part %d: %w", n, err)
		}
		parts = append(parts, types.CompletedPart{ETag: out.ETag, PartNumber: &n})
		progress(at + size)
	}
	out, err := to.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.Bucket, Key: &b.Key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		return Result{}, err
	}
	return Result{ETag: unquoted(out.ETag), Version: aws.ToString(out.VersionId)}, nil
}

func unquoted(tag *string) string { return strings.Trim(aws.ToString(tag), `"`) }
