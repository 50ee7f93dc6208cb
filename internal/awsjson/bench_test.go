package awsjson_test

import (
	"strings"
	"testing"

	"crossfade/internal/awsjson"
	"crossfade/internal/wire/host"
)

// BenchmarkDecode reads what an agent sends when a lifecycle event has ended.
func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"HostCommandIdentifier":"` + strings.Repeat("x", 200) + `","CommandStatus":"Succeeded","Diagnostics":{"Format":"JSON","Payload":"{\"error_code\":0,\"script_name\":\"scripts/start\",\"message\":\"Succeeded\",\"log\":\"\"}"}}`)
	b.ReportAllocs()
	for b.Loop() {
		var in host.PutHostCommandCompleteInput
		if err := awsjson.Decode(body, &in); err != nil {
			b.Fatal(err)
		}
	}
}
