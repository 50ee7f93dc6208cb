package s3api

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"crossfade/internal/revision/s3store"
)

// maxXML bounds the XML of a request: ten thousand parts with checksums need about two megabytes.
const maxXML = 4 << 20

// length is how many bytes of content the body announces.
func (c *call) length() (int64, error) {
	if !strings.HasPrefix(c.r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		if c.r.ContentLength < 0 {
			return 0, refuse("MissingContentLength", "You must provide the Content-Length HTTP header.")
		}
		return c.r.ContentLength, nil
	}
	n, err := strconv.ParseInt(c.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return 0, refuse("MissingContentLength", "An aws-chunked body needs the header x-amz-decoded-content-length.")
	}
	return n, nil
}

// content is the body as something to store.
func (c *call) content() (s3store.Content, error) {
	n, err := c.length()
	if err != nil {
		return s3store.Content{}, err
	}
	e, err := c.expected()
	if err != nil {
		return s3store.Content{}, err
	}
	return s3store.Content{Body: c, Length: n, Algorithm: e.algorithm, Check: e.check(c)}, nil
}

// expectation is what the client says of its body.
type expectation struct {
	algorithm s3store.Algorithm // empty: none was named
	value     string            // base64; empty: none was given before the body
	inTrailer bool
	md5       []byte
}

const checksumHeader = "X-Amz-Checksum-"

func (c *call) expected() (expectation, error) {
	var e expectation
	name := func(a s3store.Algorithm) error {
		if e.algorithm != "" && e.algorithm != a {
			return refuse("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		e.algorithm = a
		return nil
	}
	for _, a := range s3store.Algorithms() {
		if v := c.r.Header.Get(checksumHeader + string(a)); v != "" {
			if err := name(a); err != nil {
				return e, err
			}
			e.value = v
		}
	}
	if t := c.r.Header.Get("X-Amz-Trailer"); t != "" {
		algorithm, ok := strings.CutPrefix(strings.ToLower(t), strings.ToLower(checksumHeader))
		a, known := s3store.ParseAlgorithm(algorithm)
		if !ok || !known {
			return e, refuse("InvalidRequest", "The trailer %q is not a checksum that is known here.", t)
		}
		if err := name(a); err != nil {
			return e, err
		}
		e.inTrailer = true
	}
	if v := c.r.Header.Get("X-Amz-Sdk-Checksum-Algorithm"); v != "" && e.algorithm == "" {
		a, ok := s3store.ParseAlgorithm(v)
		if !ok {
			return e, refuse("InvalidRequest", "Checksum algorithm %q is not known here; use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256.", v)
		}
		e.algorithm = a
	}
	if v := c.r.Header.Values("Content-Md5"); len(v) > 0 {
		sum, err := base64.StdEncoding.DecodeString(v[0])
		if err != nil || len(sum) != md5.Size {
			return e, refuse("InvalidDigest", "The Content-MD5 you specified was invalid.")
		}
		e.md5 = sum
	}
	return e, nil
}

// check holds the sums of the body, once it was read to its end, against what the client said.
func (e expectation) check(c *call) func(s3store.Sums) error {
	return func(got s3store.Sums) error {
		if e.md5 != nil && !bytes.Equal(e.md5, got.MD5) {
			return refuse(s3store.BadDigest, "The Content-MD5 you specified did not match what we received.")
		}
		want := e.value
		if e.inTrailer {
			if want = c.body.Trailer().Get(checksumHeader + string(e.algorithm)); want == "" {
				return refuse("InvalidRequest", "The trailer lacks the %s checksum that x-amz-trailer announced.", e.algorithm)
			}
		}
		if want != "" && want != got.Checksum.Value {
			return refuse(s3store.BadDigest, "The %s you specified did not match the calculated checksum.", e.algorithm)
		}
		return nil
	}
}

// readXML reads a body of XML, judged as a whole, into a structure. into may be nil: then the body is judged only.
func (c *call) readXML(into any) error {
	e, err := c.expected()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(c, maxXML+1))
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	if len(text) > maxXML {
		return refuse("MaxMessageLengthExceeded", "The body may have %d bytes.", maxXML)
	}
	// The checksum headers of CompleteMultipartUpload are the object's, not the body's.
	if c.operation == "CompleteMultipartUpload" && !e.inTrailer {
		e.value = ""
	}
	if err := e.check(c)(s3store.SumsOf(e.algorithm, text)); err != nil {
		return err
	}
	if into == nil || len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if err := xml.Unmarshal(text, into); err != nil {
		return refuse("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema: %v.", err)
	}
	return nil
}
