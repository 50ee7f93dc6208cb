package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"crossfade/internal/auth"
	"crossfade/internal/revision/s3store"
)

func (c *call) listBuckets() error {
	type bucket struct {
		Name         string
		CreationDate string
		BucketRegion string
	}
	type owner struct{ ID, DisplayName string }
	account := c.account(c.r.Context())
	out := struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		Xmlns   string   `xml:"xmlns,attr"`
		Owner   owner
		Buckets []bucket `xml:"Buckets>Bucket"`
	}{Xmlns: namespace, Owner: owner{account, account}}
	for _, b := range c.store.Buckets(account) {
		if strings.HasPrefix(b.Name, c.query.Get("prefix")) {
			out.Buckets = append(out.Buckets, bucket{b.Name, b.Created.UTC().Format(timestamp), c.region})
		}
	}
	return c.answer(out)
}

// oldestRegion is where S3 still does some things as it did before there were others.
const oldestRegion = "us-east-1"

func (c *call) createBucket() error {
	var in struct{ LocationConstraint string }
	if err := c.readXML(&in); err != nil {
		return err
	}
	if in.LocationConstraint != "" && in.LocationConstraint != c.region {
		return refuse("IllegalLocationConstraintException", "The location constraint %s is not this server's region, %s.", in.LocationConstraint, c.region)
	}
	if name := c.mistakenFor(); name != "" {
		return refuse(s3store.InvalidBucketName, "The bucket %s would be mistaken for the server's own name, %s; choose another name, or tell the server its endpoint.", c.bucket, name)
	}
	err := c.store.CreateBucket(c.account(c.r.Context()), c.bucket)
	var refused *s3store.Error
	// Making one's own bucket once more is no error in the oldest region, and one in all others.
	if errors.As(err, &refused) && refused.Code == s3store.BucketOwned && c.region == oldestRegion {
		err = nil
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+c.bucket)
	return c.done(http.StatusOK)
}

func (c *call) deleteBucket() error {
	if err := c.store.DeleteBucket(c.bucket); err != nil {
		return err
	}
	return c.done(http.StatusNoContent)
}

func (c *call) headBucket() error {
	c.w.Header().Set("X-Amz-Bucket-Region", c.region)
	return c.done(http.StatusOK)
}

func (c *call) bucketLocation() error {
	out := struct {
		XMLName xml.Name `xml:"LocationConstraint"`
		Xmlns   string   `xml:"xmlns,attr"`
		Region  string   `xml:",chardata"`
	}{Xmlns: namespace, Region: c.region}
	// The oldest region's name is empty here, and tools rely on it.
	if out.Region == oldestRegion {
		out.Region = ""
	}
	return c.answer(out)
}

func (c *call) bucketVersioning() error {
	return c.answer(struct {
		XMLName xml.Name `xml:"VersioningConfiguration"`
		Xmlns   string   `xml:"xmlns,attr"`
	}{Xmlns: namespace})
}

// maxKeys is the most that a listing holds.
const maxKeys = 1000

// count reads a number of entries from the query.
func (c *call) count(name string, most int) (int, error) {
	v := c.query.Get(name)
	if v == "" {
		return most, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, refuse(s3store.InvalidArgument, "%s is not a number of entries.", name)
	}
	return min(n, most), nil
}

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Size         int64
	StorageClass string
}

type commonPrefix struct{ Prefix string }

// listing is what both versions of the listing share.
type listing struct {
	XMLName        xml.Name `xml:"ListBucketResult"`
	Xmlns          string   `xml:"xmlns,attr"`
	Name           string
	Prefix         string
	Delimiter      string `xml:",omitempty"`
	MaxKeys        int
	EncodingType   string `xml:",omitempty"`
	IsTruncated    bool
	Contents       []listedObject
	CommonPrefixes []commonPrefix

	// of version 1
	Marker     *string `xml:",omitempty"`
	NextMarker string  `xml:",omitempty"`
	// of version 2
	KeyCount              *int   `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
}

// encoder is how keys are written: as they are, or as in a URL, which is the only way for those that XML can't hold.
func (c *call) encoder() (func(string) string, error) {
	switch t := c.query.Get("encoding-type"); t {
	case "":
		return func(s string) string { return s }, nil
	case "url":
		return func(s string) string {
			return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/")
		}, nil
	default:
		return nil, refuse(s3store.InvalidArgument, "encoding-type %q is not known; use url.", t)
	}
}

// list makes what both versions share, after a position.
func (c *call) list(after string, group bool) (listing, s3store.Listing, error) {
	encode, err := c.encoder()
	if err != nil {
		return listing{}, s3store.Listing{}, err
	}
	most, err := c.count("max-keys", maxKeys)
	if err != nil {
		return listing{}, s3store.Listing{}, err
	}
	q := s3store.ListQuery{Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"), After: after, AfterGroup: group, Max: most}
	page, err := c.store.List(c.bucket, q)
	if err != nil {
		return listing{}, s3store.Listing{}, err
	}
	out := listing{
		Xmlns: namespace, Name: c.bucket, Prefix: encode(q.Prefix), Delimiter: encode(q.Delimiter), MaxKeys: most,
		EncodingType: c.query.Get("encoding-type"), IsTruncated: page.Truncated,
	}
	for _, o := range page.Objects {
		out.Contents = append(out.Contents, listedObject{encode(o.Key), o.Modified.UTC().Format(timestamp), quote(o.ETag), o.Size, "STANDARD"})
	}
	for _, g := range page.Groups {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{encode(g)})
	}
	return out, page, nil
}

func (c *call) listObjects() error {
	marker := c.query.Get("marker")
	delimiter := c.query.Get("delimiter")
	out, page, err := c.list(marker, delimiter != "" && strings.HasSuffix(marker, delimiter))
	if err != nil {
		return err
	}
	encode, err := c.encoder()
	if err != nil {
		return err
	}
	marker = encode(marker)
	out.Marker = &marker
	if page.Truncated {
		out.NextMarker = encode(page.Last)
	}
	return c.answer(out)
}

// The first letter of a continuation token says what the rest is.
const (
	afterKey   = "k"
	afterGroup = "g"
)

func (c *call) listObjectsV2() error {
	after, group := c.query.Get("start-after"), false
	if token := c.query.Get("continuation-token"); token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(text) < 2 || text[0] != afterKey[0] && text[0] != afterGroup[0] {
			return refuse(s3store.InvalidArgument, "The continuation token provided is incorrect.")
		}
		after, group = string(text[1:]), text[0] == afterGroup[0]
	}
	out, page, err := c.list(after, group)
	if err != nil {
		return err
	}
	n := len(page.Objects) + len(page.Groups)
	out.KeyCount, out.ContinuationToken, out.StartAfter = &n, c.query.Get("continuation-token"), c.query.Get("start-after")
	if page.Truncated {
		kind := afterKey
		if page.LastIsGroup {
			kind = afterGroup
		}
		out.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(kind + page.Last))
	}
	return c.answer(out)
}

// mayDelete asks for one object of many: a denial may be about it alone.
func (c *call) mayDelete(key string) error {
	if c.decide == nil {
		return nil
	}
	err := c.decide(c.r.Context(), auth.Objects{Operation: "DeleteObject", Bucket: c.bucket, Key: key}.Accesses()...)
	var denied *auth.DeniedError
	if errors.As(err, &denied) {
		return refuse("AccessDenied", "%s", denied.Error())
	}
	return err
}

func (c *call) deleteObjects() error {
	var in struct {
		Quiet  bool
		Object []struct{ Key, VersionId string }
	}
	if err := c.readXML(&in); err != nil {
		return err
	}
	if len(in.Object) == 0 || len(in.Object) > maxKeys {
		return refuse("MalformedXML", "A request deletes 1 to %d objects, and this one names %d.", maxKeys, len(in.Object))
	}
	type deleted struct{ Key string }
	type failed struct{ Key, Code, Message string }
	out := struct {
		XMLName xml.Name `xml:"DeleteResult"`
		Xmlns   string   `xml:"xmlns,attr"`
		Deleted []deleted
		Error   []failed
	}{Xmlns: namespace}
	for _, o := range in.Object {
		err := checkVersion(o.VersionId)
		if err == nil {
			err = c.mayDelete(o.Key)
		}
		if err == nil {
			err = c.store.Delete(c.bucket, o.Key)
		}
		switch {
		case err != nil:
			code, message := c.codeOf(err)
			out.Error = append(out.Error, failed{o.Key, code, message})
		case !in.Quiet:
			out.Deleted = append(out.Deleted, deleted{o.Key})
		}
	}
	return c.answer(out)
}
