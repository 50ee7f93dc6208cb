package auth

// objectPrefix is what the ARNs of buckets and objects begin with.
const objectPrefix = "arn:aws:s3:::"

// object says which permission an S3 operation needs, and on what.
type object struct {
	action string
	on     scope
}

// The actions that read an object: as it is, or as it was.
const (
	getObject        = "GetObject"
	getObjectVersion = "GetObjectVersion"
)

type scope int

const (
	onAll    scope = iota // has no resource
	onBucket              // the bucket itself
	onObject              // the object
	onEach                // any object of the bucket: which ones, only the body says
)

// objectActions are the S3 operations by the names of S3's reference, with their actions (service authorization reference, Amazon S3).
var objectActions = map[string]object{
	"ListBuckets":             {"ListAllMyBuckets", onAll},
	"CreateBucket":            {"CreateBucket", onBucket},
	"DeleteBucket":            {"DeleteBucket", onBucket},
	"HeadBucket":              {"ListBucket", onBucket},
	"GetBucketLocation":       {"GetBucketLocation", onBucket},
	"GetBucketVersioning":     {"GetBucketVersioning", onBucket},
	"ListObjects":             {"ListBucket", onBucket},
	"ListObjectsV2":           {"ListBucket", onBucket},
	"ListMultipartUploads":    {"ListBucketMultipartUploads", onBucket},
	"DeleteObjects":           {"DeleteObject", onEach},
	"GetObject":               {getObject, onObject},
	"HeadObject":              {getObject, onObject},
	"PutObject":               {"PutObject", onObject},
	"CopyObject":              {"PutObject", onObject},
	"DeleteObject":            {"DeleteObject", onObject},
	"GetObjectTagging":        {"GetObjectTagging", onObject},
	"CreateMultipartUpload":   {"PutObject", onObject},
	"UploadPart":              {"PutObject", onObject},
	"UploadPartCopy":          {"PutObject", onObject},
	"CompleteMultipartUpload": {"PutObject", onObject},
	"AbortMultipartUpload":    {"AbortMultipartUpload", onObject},
	"ListParts":               {"ListMultipartUploadParts", onObject},
}

// Objects is what an S3 request is about.
type Objects struct {
	Operation   string // by the name of S3's reference
	Bucket, Key string // as addressed, whichever way; empty: none
	Version     string // of the object that is read; empty: the present one
	// SourceBucket and SourceKey name what a copy reads; empty: it copies nothing.
	SourceBucket, SourceKey string
}

// Known reports whether the operation is one of S3's that there is an action for. The name of any other may be made up by the client.
func (o Objects) Known() bool {
	_, ok := objectActions[o.Operation]
	return ok
}

// Accesses are the permissions that the request needs. What is no operation of the store needs one that only a wildcard gives: it is refused
// further on all the same.
func (o Objects) Accesses() []Access {
	known, ok := objectActions[o.Operation]
	if !ok {
		known = object{"Unknown", onBucket}
		if o.Key != "" {
			known.on = onObject
		}
	}
	resource := map[scope]string{
		onAll: "*", onBucket: objectPrefix + o.Bucket, onObject: objectPrefix + o.Bucket + "/" + o.Key, onEach: objectPrefix + o.Bucket + "/*",
	}[known.on]
	out := needs(ServiceRevisions, known.action, resource)
	if known.action == getObject && o.Version != "" {
		out[0].Operation, out[0].Version = getObjectVersion, o.Version
	}
	if o.SourceBucket != "" {
		out = append(out, needs(ServiceRevisions, getObject, objectPrefix+o.SourceBucket+"/"+o.SourceKey)...)
	}
	return out
}
