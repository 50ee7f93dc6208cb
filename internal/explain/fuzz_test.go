package explain_test

import (
	"encoding/json"
	"io"
	"testing"

	"crossfade/internal/explain"
)

// FuzzExplain holds that whatever an answer has or lacks is explained without a panic.
func FuzzExplain(f *testing.F) {
	for _, in := range cases() {
		b, err := json.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{
		`{"Info":{"status":"InProgress"},"Targets":[{"status":"InProgress","lifecycleEvents":[{"status":"Pending"}]}]}`,
		`{"Info":{"status":"Failed"},"Targets":[{"status":"Failed","lifecycleEvents":[{"status":"Failed"}]}]}`,
		`{"Info":{"status":"Ready","instanceTerminationWaitTimeStarted":true},"Config":{"zonalConfig":{},"trafficRoutingConfig":{}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in explain.Input
		if json.Unmarshal(b, &in) != nil {
			return
		}
		x := explain.Explain(in)
		if x.Summary == "" {
			t.Error("it says nothing")
		}
		if err := x.WriteText(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
}
