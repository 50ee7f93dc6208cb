package lifecycle_test

import (
	"strings"
	"testing"

	"crossfade/internal/agent/lifecycle"
	"crossfade/internal/agent/scriptlog"
	"crossfade/internal/envelope"
)

func TestDiagnosticsFitWhateverIsInThem(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("\x01", 20000), strings.Repeat("é\"\\<", 20000), strings.Repeat("\xff", 20000)} {
		d := lifecycle.Diagnostics{ErrorCode: 5, ScriptName: text, Message: text, Log: text + "end"}
		payload, err := d.Encode()
		if err != nil || len(payload) > envelope.MaxPayload || len(payload) < 1000 {
			t.Errorf("%d characters, %v", len(payload), err)
		}
		if !strings.Contains(payload, "end") {
			t.Error("the end of the log is gone")
		}
	}
}

func TestTailAndDiagnosticsAgree(t *testing.T) {
	t.Parallel()
	if scriptlog.TailSize > envelope.MaxPayload/2 {
		t.Error("a log's tail does not fit into a payload")
	}
}
