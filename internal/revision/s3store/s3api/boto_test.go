package s3api_test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"
)

// botoScript follows objects through their life with boto3, path style and virtual-host style; every name leads to this machine.
const botoScript = `
import boto3, botocore, hashlib, io, os, socket, sys, warnings
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
warnings.simplefilter("ignore")
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *a, **k: real("127.0.0.1", *a, **k)
scheme, port = sys.argv[1], sys.argv[2]

def refused(code, f, **k):
    try:
        f(**k)
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, (code, e)
        return
    raise AssertionError("not refused with " + code)

for style, host in (("path", "127.0.0.1"), ("virtual", "localhost"), ("virtual", "crossfade.example")):
    c = boto3.client("s3", endpoint_url=f"{scheme}://{host}:{port}", verify=False,
                     config=Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}))
    name = "boto-" + style + "-" + host.replace(".", "-")
    c.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": c.meta.region_name})
    assert name in [b["Name"] for b in c.list_buckets()["Buckets"]]
    key = "apps/web & more/ä+b%20c=?.zip"
    put = c.put_object(Bucket=name, Key=key, Body=b"0123456789", ContentType="application/zip", Metadata={"commit": "abc"})
    assert put["ETag"] == '"' + hashlib.md5(b"0123456789").hexdigest() + '"', put
    # A body of which nobody knows the length beforehand, and one without checksums.
    c.upload_fileobj(io.BytesIO(b"stream"), name, "stream")
    plain = boto3.client("s3", endpoint_url=f"{scheme}://{host}:{port}", verify=False,
                         config=Config(s3={"addressing_style": style, "payload_signing_enabled": True}, request_checksum_calculation="when_required"))
    plain.put_object(Bucket=name, Key="plain", Body=b"plain")
    head = c.head_object(Bucket=name, Key=key, ChecksumMode="ENABLED")
    assert head["ContentLength"] == 10 and head["Metadata"] == {"commit": "abc"} and head["ContentType"] == "application/zip", head
    assert head["ChecksumType"] == "FULL_OBJECT", head
    get = c.get_object(Bucket=name, Key=key, VersionId="null", ChecksumMode="ENABLED")
    assert get["Body"].read() == b"0123456789"
    part = c.get_object(Bucket=name, Key=key, Range="bytes=2-4")
    assert part["Body"].read() == b"234" and part["ContentRange"] == "bytes 2-4/10", part
    assert c.get_object(Bucket=name, Key=key, IfModifiedSince=head["LastModified"].replace(year=2000))["Body"].read() == b"0123456789"
    refused("304", c.get_object, Bucket=name, Key=key, IfModifiedSince=head["LastModified"])
    refused("304", c.get_object, Bucket=name, Key=key, IfNoneMatch=put["ETag"])
    refused("PreconditionFailed", c.get_object, Bucket=name, Key=key, IfMatch='"0123"')
    refused("PreconditionFailed", c.put_object, Bucket=name, Key=key, Body=b"x", IfNoneMatch="*")
    refused("NoSuchVersion", c.get_object, Bucket=name, Key=key, VersionId="3")
    refused("NoSuchKey", c.get_object, Bucket=name, Key="none")
    refused("404", c.head_object, Bucket=name, Key="none")
    refused("InvalidRange", c.get_object, Bucket=name, Key=key, Range="bytes=10-")
    refused("BucketNotEmpty", c.delete_bucket, Bucket=name)
    refused("NoSuchBucket", c.list_objects_v2, Bucket="no-such-bucket")

    large = os.urandom(1 << 20) * 20
    parts = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20)
    c.upload_fileobj(io.BytesIO(large), name, "large", Config=parts, ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    back = io.BytesIO()
    c.download_fileobj(name, "large", back, Config=parts)
    assert back.getvalue() == large
    assert c.head_object(Bucket=name, Key="large")["ETag"].endswith('-3"')
    c.copy({"Bucket": name, "Key": "large"}, name, "copied", Config=parts)
    assert hashlib.sha256(c.get_object(Bucket=name, Key="copied", ChecksumMode="ENABLED")["Body"].read()).digest() == hashlib.sha256(large).digest()

    url = c.generate_presigned_url("get_object", Params={"Bucket": name, "Key": key}, ExpiresIn=60)
    import urllib.request, ssl
    no = ssl.create_default_context(); no.check_hostname = False; no.verify_mode = ssl.CERT_NONE
    assert urllib.request.urlopen(url, context=no if scheme == "https" else None).read() == b"0123456789"

    for version in ("list_objects", "list_objects_v2"):
        pages = c.get_paginator(version).paginate(Bucket=name, PaginationConfig={"PageSize": 2})
        keys = [o["Key"] for p in pages for o in p.get("Contents", [])]
        assert keys == sorted(keys) == sorted([key, "stream", "plain", "large", "copied"]), keys
        found = c.get_paginator(version).paginate(Bucket=name, Delimiter="/", PaginationConfig={"PageSize": 1})
        assert [x["Prefix"] for p in found for x in p.get("CommonPrefixes", [])] == ["apps/"]
    gone = c.delete_objects(Bucket=name, Delete={"Objects": [{"Key": k} for k in keys]})
    assert sorted(d["Key"] for d in gone["Deleted"]) == keys and "Errors" not in gone, gone
    c.delete_bucket(Bucket=name)
print("done")
`

// TestBoto3 holds that boto3 brings and fetches objects, over HTTP and over TLS.
func TestBoto3(t *testing.T) {
	t.Parallel()
	if err := exec.Command("python3", "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not on this machine: install it to run this test")
	}
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", tls), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tls)
			u, err := url.Parse(w.url)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "python3", "-c", botoScript, u.Scheme, u.Port())
			none := t.TempDir() + "/none"
			cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=ROOT", "AWS_SECRET_ACCESS_KEY="+secret, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region,
				"AWS_SESSION_TOKEN=", "AWS_CONFIG_FILE="+none, "AWS_SHARED_CREDENTIALS_FILE="+none, "NO_PROXY=*", "no_proxy=*")
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "done\n" {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
