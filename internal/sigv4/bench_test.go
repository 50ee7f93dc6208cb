package sigv4_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"crossfade/internal/sigv4"
)

// BenchmarkVerify judges what an agent sends when a lifecycle event has ended.
func BenchmarkVerify(b *testing.B) {
	body := `{"HostCommandIdentifier":"` + strings.Repeat("x", 200) + `","CommandStatus":"Succeeded","Diagnostics":{"Format":"JSON","Payload":"{\"error_code\":0}"}}`
	r := httptest.NewRequest("POST", "http://127.0.0.1:8470/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodeDeployCommandService_v20141006.PutHostCommandComplete")
	r.Header.Set("User-Agent", "aws-sdk-go-v2/1.0")
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("Amz-Sdk-Invocation-Id", "0d2f2b5e-43a4-4c55-a6a3-0f7d2f6f0d0c")
	sigv4.Sign(r, sigv4.Credential{AccessKeyID: keyID, SecretAccessKey: secret}, "us-east-1", "codedeploy", sigv4.Hash([]byte(body)), now)
	v := verifier(now)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Verify(b.Context(), r, []byte(body)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
