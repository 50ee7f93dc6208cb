package s3api

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"crossfade/internal/revision"
	"crossfade/internal/revision/s3store"
)

func quote(etag string) string { return `"` + etag + `"` }

// checkVersion refuses versions other than the only one that there is.
func checkVersion(id string) error {
	if id != "" && id != revision.NullVersion {
		return refuse("NoSuchVersion", "The built-in store keeps no versions, so there is no version %q.", id)
	}
	return nil
}

// codeOf is the code and message of an error that is told beside others.
func (c *call) codeOf(err error) (code, message string) {
	var refused *s3store.Error
	if errors.As(err, &refused) {
		return string(refused.Code), refused.Message
	}
	c.log.ErrorContext(c.r.Context(), "an S3 operation went wrong", "operation", c.operation, "bucket", c.bucket, "error", err)
	return "InternalError", "An unexpected fault happened; see the server's log."
}

// kept are the headers that are stored with an object and sent with its content.
var kept = []string{"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires"}

const (
	metaPrefix = "X-Amz-Meta-"
	// maxMeta bounds names and values of user metadata, in bytes, as S3 does.
	maxMeta = 2 << 10
)

// headers are those of the request that belong to the object.
func (c *call) headers() (map[string]string, error) {
	out := map[string]string{}
	for _, name := range kept {
		v := c.r.Header.Get(name)
		if name == "Content-Encoding" {
			v = withoutChunked(v)
		}
		if v != "" {
			out[name] = v
		}
	}
	size := 0
	for name, values := range c.r.Header {
		if strings.HasPrefix(name, metaPrefix) {
			v := strings.Join(values, ",")
			out[name] = v
			size += len(name) - len(metaPrefix) + len(v)
		}
	}
	if size > maxMeta {
		return nil, refuse("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size of %d bytes.", maxMeta)
	}
	return out, nil
}

// withoutChunked leaves aws-chunked out: it says how the body was sent, not what the object is.
func withoutChunked(encoding string) string {
	var rest []string
	for part := range strings.SplitSeq(encoding, ",") {
		if part = strings.TrimSpace(part); part != "" && !strings.EqualFold(part, "aws-chunked") {
			rest = append(rest, part)
		}
	}
	return strings.Join(rest, ",")
}

// condition is what a write asks of the object that is there.
func (c *call) condition() s3store.Condition {
	return s3store.Condition{Match: etags(c.r.Header.Get("If-Match")), NoneMatch: etags(c.r.Header.Get("If-None-Match"))}
}

func etags(header string) s3store.ETags {
	if header == "" {
		return nil
	}
	var out s3store.ETags
	for t := range strings.SplitSeq(header, ",") {
		out = append(out, strings.TrimSpace(t))
	}
	return out
}

func (c *call) putObject() error {
	headers, err := c.headers()
	if err != nil {
		return err
	}
	content, err := c.content()
	if err != nil {
		return err
	}
	o, err := c.store.Put(c.r.Context(), c.bucket, c.key, headers, c.condition(), content)
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", quote(o.ETag))
	c.sayChecksum(o.Checksum)
	return c.done(http.StatusOK)
}

func (c *call) sayChecksum(s s3store.Checksum) {
	c.w.Header().Set(checksumHeader+string(s.Algorithm), s.Value)
	c.w.Header().Set("X-Amz-Checksum-Type", "FULL_OBJECT")
}

func (c *call) deleteObject() error {
	if err := checkVersion(c.query.Get("versionId")); err != nil {
		return err
	}
	if c.r.Header.Get("If-Match") != "" {
		return refuse("NotImplemented", "The built-in store deletes without conditions; leave If-Match out.")
	}
	if err := c.store.Delete(c.bucket, c.key); err != nil {
		return err
	}
	return c.done(http.StatusNoContent)
}

// overrides are the parts of a query that replace headers of the answer.
var overrides = map[string]string{
	"response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition", "response-content-encoding": "Content-Encoding",
	"response-content-language": "Content-Language", "response-content-type": "Content-Type", "response-expires": "Expires",
}

// getObject serves GetObject and HeadObject.
func (c *call) getObject() (err error) {
	if err := checkVersion(c.query.Get("versionId")); err != nil {
		return err
	}
	o, err := c.store.Get(c.bucket, c.key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	head := c.w.Header()
	head.Set("ETag", quote(o.ETag))
	head.Set("Last-Modified", o.Modified.UTC().Format(http.TimeFormat))
	if err := conditions(c.r.Header.Get, o.Object); err != nil {
		return err
	}
	from, n, partial, err := c.wanted(o.Object)
	if err != nil {
		return err
	}
	if condition := c.r.Header.Get("If-Range"); partial && condition != "" && revision.Unquote(condition) != o.ETag {
		from, n, partial = 0, o.Size, false
	}
	head.Set("Accept-Ranges", "bytes")
	head.Set("Content-Type", "binary/octet-stream")
	for name, value := range o.Headers {
		if strings.HasPrefix(name, metaPrefix) {
			// boto3 shows the names of user metadata as they were written on the wire, and S3 writes small letters.
			name = strings.ToLower(name)
		}
		head[name] = []string{value}
	}
	for parameter, name := range overrides {
		if v := c.query.Get(parameter); v != "" {
			head.Set(name, v)
		}
	}
	head.Set("Content-Length", strconv.FormatInt(n, 10))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		head.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, o.Size))
	} else if strings.EqualFold(c.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		c.sayChecksum(o.Checksum)
	}
	section, err := o.Section(from, n)
	if err != nil {
		return err
	}
	if err := c.done(status); err != nil || c.r.Method == http.MethodHead {
		return err
	}
	if _, err := io.Copy(c.w, section); err != nil {
		// The answer has begun, so a short body is all that can tell the client of it; mostly the client is gone.
		c.log.InfoContext(c.r.Context(), "an object was not sent to its end", "bucket", c.bucket, "key", c.key, "error", err)
	}
	return nil
}

// conditions judges what a reader asks of an object, in S3's order: If-Match before If-Unmodified-Since, If-None-Match before If-Modified-Since.
func conditions(header func(name string) string, o s3store.Object) error {
	modified := o.Modified.Truncate(time.Second)
	failed := refuse(s3store.PreconditionFailed, "At least one of the pre-conditions you specified did not hold.")
	if match := etags(header("If-Match")); match != nil {
		if !match.Contains(o.ETag) {
			return failed
		}
	} else if t, err := http.ParseTime(header("If-Unmodified-Since")); err == nil && modified.After(t) {
		return failed
	}
	if none := etags(header("If-None-Match")); none != nil {
		if none.Contains(o.ETag) {
			return errNotModified()
		}
	} else if t, err := http.ParseTime(header("If-Modified-Since")); err == nil && !modified.After(t) {
		return errNotModified()
	}
	return nil
}

const notModified s3store.Code = "NotModified"

func errNotModified() error { return refuse(notModified, "Not modified.") }

// wanted is which bytes of an object a request asks for: a range, one of the parts that it was made of, or all.
func (c *call) wanted(o s3store.Object) (from, n int64, partial bool, err error) {
	header := c.r.Header.Get("Range")
	if !c.query.Has("partNumber") {
		return parseRange(header, o.Size)
	}
	if header != "" {
		return 0, 0, false, refuse("InvalidRequest", "Cannot specify both Range header and partNumber query parameter.")
	}
	number, err := partNumber(c.query)
	if err != nil {
		return 0, 0, false, err
	}
	parts := o.Parts
	if len(parts) == 0 {
		parts = []int64{o.Size}
	} else {
		c.w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(parts)))
	}
	if number > len(parts) {
		return 0, 0, false, refuse("InvalidPartNumber", "The requested partnumber is not satisfiable: the object has %d.", len(parts))
	}
	for _, size := range parts[:number-1] {
		from += size
	}
	return from, parts[number-1], parts[number-1] > 0, nil
}

// partNumber reads the number of a part; whether there is such a part is for the store to say.
func partNumber(q url.Values) (int, error) {
	n, err := strconv.Atoi(q.Get("partNumber"))
	if err != nil || n < 1 || n > s3store.MaxPartNumber {
		return 0, refuse(s3store.InvalidArgument, "Part number must be an integer between 1 and %d, inclusive.", s3store.MaxPartNumber)
	}
	return n, nil
}

// objectTagging serves GetObjectTagging: no object has tags. The aws command asks before it copies a large object.
func (c *call) objectTagging() error {
	if err := checkVersion(c.query.Get("versionId")); err != nil {
		return err
	}
	o, err := c.store.Get(c.bucket, c.key)
	if err != nil {
		return err
	}
	if err := o.Close(); err != nil {
		return err
	}
	return c.answer(struct {
		XMLName xml.Name `xml:"Tagging"`
		Xmlns   string   `xml:"xmlns,attr"`
		TagSet  struct{}
	}{Xmlns: namespace})
}

// parseRange reads a Range header. S3 serves one range; what is no range of bytes, or more than one, gets the whole.
func parseRange(header string, size int64) (from, n int64, partial bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	unsatisfiable := refuse("InvalidRange", "The requested range is not satisfiable: the object has %d bytes.", size)
	if first == "" {
		suffix, err := strconv.ParseInt(last, 10, 64)
		if err != nil || suffix < 0 {
			return 0, size, false, nil
		}
		if suffix == 0 || size == 0 {
			return 0, 0, false, unsatisfiable
		}
		suffix = min(suffix, size)
		return size - suffix, suffix, true, nil
	}
	from, err = strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, size, false, nil
	}
	to := size - 1
	if last != "" {
		end, err := strconv.ParseInt(last, 10, 64)
		if err != nil || end < from {
			return 0, size, false, nil
		}
		to = min(to, end)
	}
	if from >= size {
		return 0, 0, false, unsatisfiable
	}
	return from, to - from + 1, true, nil
}
