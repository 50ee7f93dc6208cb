package s3api

import (
	"encoding/xml"
	"errors"
	"net/url"
	"strings"
	"time"

	"crossfade/internal/revision/s3store"
)

// copyResult is what is said of a copy, which is an object or a part.
type copyResult struct {
	XMLName      xml.Name
	Xmlns        string `xml:"xmlns,attr"`
	ETag         string
	LastModified string
}

func (c *call) copied(name, etag string, modified time.Time) error {
	return c.answer(copyResult{XMLName: xml.Name{Local: name}, Xmlns: namespace, ETag: quote(etag), LastModified: modified.UTC().Format(timestamp)})
}

// copyObject serves CopyObject: the object's headers come along unless they are to be replaced.
func (c *call) copyObject() (err error) {
	replace := false
	switch d := c.r.Header.Get("X-Amz-Metadata-Directive"); strings.ToUpper(d) {
	case "", "COPY":
	case "REPLACE":
		replace = true
	default:
		return refuse(s3store.InvalidArgument, "Unknown metadata directive %q; use COPY or REPLACE.", d)
	}
	bucket, key, err := copySource(c.r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return err
	}
	if bucket == c.bucket && key == c.key && !replace {
		return refuse("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata.")
	}
	from, err := c.openSource(bucket, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	headers := from.Headers
	if replace {
		if headers, err = c.headers(); err != nil {
			return err
		}
	}
	section, err := from.Section(0, from.Size)
	if err != nil {
		return err
	}
	o, err := c.store.Put(c.r.Context(), c.bucket, c.key, headers, c.condition(), s3store.Content{Body: section, Length: from.Size, Algorithm: from.Checksum.Algorithm})
	if err != nil {
		return err
	}
	return c.copied("CopyObjectResult", o.ETag, o.Modified)
}

// uploadPartCopy serves UploadPartCopy: the part is an object that is there, or a range of it.
func (c *call) uploadPartCopy() (err error) {
	number, err := partNumber(c.query)
	if err != nil {
		return err
	}
	bucket, key, err := copySource(c.r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return err
	}
	from, err := c.openSource(bucket, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	offset, n := int64(0), from.Size
	if header := c.r.Header.Get("X-Amz-Copy-Source-Range"); header != "" {
		partial := false
		if offset, n, partial, err = parseRange(header, from.Size); err != nil {
			return err
		}
		if !partial {
			return refuse(s3store.InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy.")
		}
	}
	section, err := from.Section(offset, n)
	if err != nil {
		return err
	}
	p, err := c.store.PutPart(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId"), number, s3store.Content{Body: section, Length: n})
	if err != nil {
		return err
	}
	return c.copied("CopyPartResult", p.ETag, p.Modified)
}

// openSource opens the object to copy, if the caller may read it and the conditions hold.
func (c *call) openSource(bucket, key string) (*s3store.Reader, error) {
	b, err := c.store.Bucket(bucket)
	if err != nil {
		return nil, err
	}
	if b.Account != c.account(c.r.Context()) {
		return nil, refuse("AccessDenied", "The bucket of the source is another account's.")
	}
	from, err := c.store.Get(bucket, key)
	if err != nil {
		return nil, err
	}
	err = conditions(func(name string) string { return c.r.Header.Get("X-Amz-Copy-Source-" + name) }, from.Object)
	var refused *s3store.Error
	if errors.As(err, &refused) && refused.Code == notModified {
		err = refuse(s3store.PreconditionFailed, "The source is the one that the condition excludes.")
	}
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	return from, nil
}

// copySource reads bucket and key from x-amz-copy-source.
func copySource(header string) (bucket, key string, err error) {
	path, query, _ := strings.Cut(header, "?")
	path, err = url.PathUnescape(strings.TrimPrefix(path, "/"))
	bucket, key, ok := strings.Cut(path, "/")
	if err != nil || !ok || bucket == "" || key == "" {
		return "", "", refuse(s3store.InvalidArgument, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", "", refuse(s3store.InvalidArgument, "The version in the copy source can't be read.")
	}
	return bucket, key, checkVersion(q.Get("versionId"))
}
