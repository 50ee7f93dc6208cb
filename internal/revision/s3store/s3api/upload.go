package s3api

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"crossfade/internal/revision/s3store"
)

func (c *call) createUpload() error {
	headers, err := c.headers()
	if err != nil {
		return err
	}
	u := s3store.Upload{Bucket: c.bucket, Key: c.key, Headers: headers}
	if name := c.r.Header.Get("X-Amz-Checksum-Algorithm"); name != "" {
		a, ok := s3store.ParseAlgorithm(name)
		if !ok {
			return refuse("InvalidRequest", "Checksum algorithm %q is not known here; use CRC32, CRC32C, CRC64NVME, SHA1 or SHA256.", name)
		}
		u.Algorithm = a
		c.w.Header().Set("X-Amz-Checksum-Algorithm", string(a))
		if kind := c.r.Header.Get("X-Amz-Checksum-Type"); kind != "" {
			c.w.Header().Set("X-Amz-Checksum-Type", kind)
		}
	}
	if err := c.readXML(nil); err != nil {
		return err
	}
	if u, err = c.store.CreateUpload(u); err != nil {
		return err
	}
	return c.answer(struct {
		XMLName               xml.Name `xml:"InitiateMultipartUploadResult"`
		Xmlns                 string   `xml:"xmlns,attr"`
		Bucket, Key, UploadId string
	}{Xmlns: namespace, Bucket: c.bucket, Key: c.key, UploadId: u.ID})
}

func (c *call) uploadPart() error {
	number, err := partNumber(c.query)
	if err != nil {
		return err
	}
	content, err := c.content()
	if err != nil {
		return err
	}
	p, err := c.store.PutPart(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId"), number, content)
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", quote(p.ETag))
	c.w.Header().Set(checksumHeader+string(p.Checksum.Algorithm), p.Checksum.Value)
	return c.done(http.StatusOK)
}

// partChecksums are the members of a part that hold its checksum.
type partChecksums struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
}

func (p *partChecksums) of(a s3store.Algorithm) *string {
	switch a {
	case s3store.CRC32:
		return &p.ChecksumCRC32
	case s3store.CRC32C:
		return &p.ChecksumCRC32C
	case s3store.SHA1:
		return &p.ChecksumSHA1
	case s3store.SHA256:
		return &p.ChecksumSHA256
	default:
		return &p.ChecksumCRC64NVME
	}
}

// given is the checksum that is there; zero when none is.
func (p *partChecksums) given() s3store.Checksum {
	for _, a := range s3store.Algorithms() {
		if v := *p.of(a); v != "" {
			return s3store.Checksum{Algorithm: a, Value: v}
		}
	}
	return s3store.Checksum{}
}

func (c *call) completeUpload() error {
	var in struct {
		Part []struct {
			PartNumber int
			ETag       string
			partChecksums
		}
	}
	if err := c.readXML(&in); err != nil {
		return err
	}
	named := make([]s3store.Named, len(in.Part))
	for i := range in.Part {
		p := &in.Part[i]
		named[i] = s3store.Named{Number: p.PartNumber, ETag: p.ETag, Checksum: p.given()}
	}
	completion := s3store.Completion{Parts: named, When: c.condition()}
	// A checksum of the parts' checksums needs no look: each part was held against its own. One of the whole is computed anew.
	if want, ok := c.wholeChecksum(); ok {
		completion.Algorithm = want.Algorithm
		completion.Check = func(got s3store.Checksum) error {
			if got != want {
				return refuse(s3store.BadDigest, "The %s you specified did not match the calculated checksum.", want.Algorithm)
			}
			return nil
		}
	}
	o, err := c.store.CompleteUpload(c.r.Context(), c.bucket, c.key, c.query.Get("uploadId"), completion)
	if err != nil {
		return err
	}
	out := struct {
		XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
		Xmlns             string   `xml:"xmlns,attr"`
		Location          string
		Bucket, Key, ETag string
		ChecksumType      string
		partChecksums
	}{Xmlns: namespace, Location: "/" + c.bucket + "/" + c.key, Bucket: c.bucket, Key: c.key, ETag: quote(o.ETag), ChecksumType: "FULL_OBJECT"}
	*out.of(o.Checksum.Algorithm) = o.Checksum.Value
	return c.answer(out)
}

// wholeChecksum is the checksum of the joined object that the client gave, if it gave one.
func (c *call) wholeChecksum() (s3store.Checksum, bool) {
	for _, a := range s3store.Algorithms() {
		v := c.r.Header.Get(checksumHeader + string(a))
		if v != "" && (a == s3store.CRC64NVME || strings.EqualFold(c.r.Header.Get("X-Amz-Checksum-Type"), "FULL_OBJECT")) {
			return s3store.Checksum{Algorithm: a, Value: v}, true
		}
	}
	return s3store.Checksum{}, false
}

func (c *call) abortUpload() error {
	if err := c.store.AbortUpload(c.bucket, c.key, c.query.Get("uploadId")); err != nil {
		return err
	}
	return c.done(http.StatusNoContent)
}

func (c *call) listParts() error {
	id := c.query.Get("uploadId")
	parts, err := c.store.Parts(c.bucket, c.key, id)
	if err != nil {
		return err
	}
	most, err := c.count("max-parts", maxKeys)
	if err != nil {
		return err
	}
	after := 0
	if v := c.query.Get("part-number-marker"); v != "" {
		if after, err = strconv.Atoi(v); err != nil {
			return refuse(s3store.InvalidArgument, "part-number-marker is not a number.")
		}
	}
	type part struct {
		PartNumber   int
		LastModified string
		ETag         string
		Size         int64
		partChecksums
	}
	out := struct {
		XMLName               xml.Name `xml:"ListPartsResult"`
		Xmlns                 string   `xml:"xmlns,attr"`
		Bucket, Key, UploadId string
		PartNumberMarker      int
		NextPartNumberMarker  int
		MaxParts              int
		IsTruncated           bool
		Part                  []part
	}{Xmlns: namespace, Bucket: c.bucket, Key: c.key, UploadId: id, PartNumberMarker: after, MaxParts: most}
	for _, p := range parts {
		if p.Number <= after {
			continue
		}
		if len(out.Part) == most {
			out.IsTruncated = true
			break
		}
		shown := part{PartNumber: p.Number, LastModified: p.Modified.UTC().Format(timestamp), ETag: quote(p.ETag), Size: p.Size}
		*shown.of(p.Checksum.Algorithm) = p.Checksum.Value
		out.Part = append(out.Part, shown)
		out.NextPartNumberMarker = p.Number
	}
	return c.answer(out)
}

func (c *call) listUploads() error {
	uploads, err := c.store.Uploads(c.bucket)
	if err != nil {
		return err
	}
	encode, err := c.encoder()
	if err != nil {
		return err
	}
	most, err := c.count("max-uploads", maxKeys)
	if err != nil {
		return err
	}
	type shown struct{ Key, UploadId, Initiated, StorageClass string }
	out := struct {
		XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
		Xmlns              string   `xml:"xmlns,attr"`
		Bucket             string
		KeyMarker          string
		UploadIdMarker     string
		NextKeyMarker      string `xml:",omitempty"`
		NextUploadIdMarker string `xml:",omitempty"`
		Prefix             string
		MaxUploads         int
		EncodingType       string `xml:",omitempty"`
		IsTruncated        bool
		Upload             []shown
	}{
		Xmlns: namespace, Bucket: c.bucket, KeyMarker: encode(c.query.Get("key-marker")), UploadIdMarker: c.query.Get("upload-id-marker"),
		Prefix: encode(c.query.Get("prefix")), MaxUploads: most, EncodingType: c.query.Get("encoding-type"),
	}
	marker, markerID := c.query.Get("key-marker"), c.query.Get("upload-id-marker")
	// Within one key the order is by age, so the marker's id is a place in it and not a bound.
	passed := markerID == ""
	for _, u := range uploads {
		if u.Key < marker || u.Key == marker && marker != "" && !passed {
			passed = passed || u.ID == markerID
			continue
		}
		if u.Key == marker && marker != "" && markerID == "" || !strings.HasPrefix(u.Key, c.query.Get("prefix")) {
			continue
		}
		if len(out.Upload) == most {
			out.IsTruncated = true
			break
		}
		out.Upload = append(out.Upload, shown{encode(u.Key), u.ID, u.Initiated.UTC().Format(timestamp), "STANDARD"})
		out.NextKeyMarker, out.NextUploadIdMarker = encode(u.Key), u.ID
	}
	if !out.IsTruncated {
		out.NextKeyMarker, out.NextUploadIdMarker = "", ""
	}
	return c.answer(out)
}
