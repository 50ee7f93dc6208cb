package s3api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// route is what a request is about.
type route struct {
	operation   string
	bucket, key string
	query       url.Values
}

// operations are what is served. What is not here is refused with NotImplemented.
var operations = map[string]func(*call) error{
	"ListBuckets":          (*call).listBuckets,
	"CreateBucket":         (*call).createBucket,
	"DeleteBucket":         (*call).deleteBucket,
	"HeadBucket":           (*call).headBucket,
	"GetBucketLocation":    (*call).bucketLocation,
	"GetBucketVersioning":  (*call).bucketVersioning,
	"ListObjects":          (*call).listObjects,
	"ListObjectsV2":        (*call).listObjectsV2,
	"ListMultipartUploads": (*call).listUploads,
	"DeleteObjects":        (*call).deleteObjects,

	"GetObject":    (*call).getObject,
	"HeadObject":   (*call).getObject,
	"PutObject":    (*call).putObject,
	"CopyObject":   (*call).copyObject,
	"DeleteObject": (*call).deleteObject,

	"GetObjectTagging": (*call).objectTagging,

	"CreateMultipartUpload":   (*call).createUpload,
	"UploadPart":              (*call).uploadPart,
	"UploadPartCopy":          (*call).uploadPartCopy,
	"CompleteMultipartUpload": (*call).completeUpload,
	"AbortMultipartUpload":    (*call).abortUpload,
	"ListParts":               (*call).listParts,
}

// subresources are the names in a query that mean another operation than the plain one.
var subresources = []string{
	"location", "versioning", "uploads", "delete", "versions", "uploadId", "partNumber",
	"accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold", "lifecycle",
	"logging", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "renameObject",
	"replication", "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "website",
}

// bucketOperations and objectOperations are by method and subresource.
var (
	bucketOperations = map[string]string{
		"PUT ": "CreateBucket", "DELETE ": "DeleteBucket", "HEAD ": "HeadBucket", "GET ": "ListObjects",
		"GET location": "GetBucketLocation", "GET versioning": "GetBucketVersioning", "GET uploads": "ListMultipartUploads",
		"POST delete": "DeleteObjects",
	}
	objectOperations = map[string]string{
		"GET ": "GetObject", "HEAD ": "HeadObject", "PUT ": "PutObject", "DELETE ": "DeleteObject",
		"POST uploads": "CreateMultipartUpload", "PUT uploadId": "UploadPart", "POST uploadId": "CompleteMultipartUpload",
		"DELETE uploadId": "AbortMultipartUpload", "GET uploadId": "ListParts",
		"GET partNumber": "GetObject", "HEAD partNumber": "HeadObject", "GET tagging": "GetObjectTagging",
	}
)

// route reads what a request asks for.
func (h *Handler) route(r *http.Request) route {
	rt := route{query: r.URL.Query()}
	rt.bucket, rt.key = h.address(r)
	sub := subresource(rt.query)
	found := false
	switch {
	case rt.bucket == "":
		if found = r.Method == http.MethodGet && sub == ""; found {
			rt.operation = "ListBuckets"
		}
	case rt.key == "":
		rt.operation, found = bucketOperations[r.Method+" "+sub]
		if rt.operation == "ListObjects" && rt.query.Get("list-type") == "2" {
			rt.operation = "ListObjectsV2"
		}
	default:
		rt.operation, found = objectOperations[r.Method+" "+sub]
		if found && r.Header.Get("X-Amz-Copy-Source") != "" {
			rt.operation = map[string]string{"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}[rt.operation]
		}
	}
	if !found || rt.operation == "" {
		rt.operation = strings.TrimSpace(r.Method + " " + sub)
	}
	return rt
}

// address reads bucket and key from the host name or the path.
func (h *Handler) address(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if bucket = h.bucketOfHost(hostName(r), r.Method == http.MethodPut && path == ""); bucket != "" {
		return bucket, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

func hostName(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// mistakenFor is the name by which the client reaches the server, when the bucket of the request is the beginning of that name and the name is
// not one of the endpoint's own: every request under it would then be taken for one in the bucket. Empty: there is no danger.
func (c *call) mistakenFor() string {
	name := hostName(c.r)
	if !strings.HasPrefix(c.r.URL.Path, "/"+c.bucket) {
		name = strings.TrimPrefix(name, c.bucket+".")
	}
	if slices.ContainsFunc(c.hosts, func(own string) bool { return name == own || strings.HasSuffix(name, "."+own) }) || !strings.HasPrefix(name, c.bucket+".") {
		return ""
	}
	return name
}

// bucketOfHost is the bucket that a host name addresses; empty: it is in the path. creating says that the bucket need not be there.
func (h *Handler) bucketOfHost(host string, creating bool) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	for _, own := range h.hosts {
		if host == own {
			return ""
		}
		if bucket, ok := strings.CutSuffix(host, "."+own); ok {
			return bucket
		}
	}
	// A bucket's name may have dots: the longest beginning that is one.
	for end := strings.LastIndexByte(host, '.'); end > 0; end = strings.LastIndexByte(host[:end], '.') {
		if _, err := h.store.Bucket(host[:end]); err == nil {
			return host[:end]
		}
	}
	if first, _, ok := strings.Cut(host, "."); ok && creating {
		return first
	}
	return ""
}
