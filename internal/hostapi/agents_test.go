package hostapi

import (
	"math"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/wire/host"
)

// TestDiagnosticsOfTheOfficialAgents holds what becomes of each form of diagnostics that an official agent sends.
func TestDiagnosticsOfTheOfficialAgents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, payload string
		succeeded     bool
		want          deploy.Diagnostics
	}{
		{"success", `{"error_code":0,"script_name":"","message":"Succeeded: ","log":""}`, true, deploy.Diagnostics{ErrorCode: "Success", Message: "Succeeded: "}},
		{"no-op that was not wanted any more", `{"error_code":0,"script_name":"","message":"Succeeded: CompletedNoopCommand","log":""}`, true,
			deploy.Diagnostics{ErrorCode: "Success", Message: "Succeeded: CompletedNoopCommand"}},
		{"script missing", `{"error_code":1,"script_name":"s.sh","message":"m","log":"l"}`, false, deploy.Diagnostics{ErrorCode: "ScriptMissing", ScriptName: "s.sh", Message: "m", LogTail: "l"}},
		{"not executable", `{"error_code":2,"script_name":"s.sh","message":"m","log":""}`, false, deploy.Diagnostics{ErrorCode: "ScriptNotExecutable", ScriptName: "s.sh", Message: "m"}},
		{"timed out", `{"error_code":3,"script_name":"s.sh","message":"m","log":""}`, false, deploy.Diagnostics{ErrorCode: "ScriptTimedOut", ScriptName: "s.sh", Message: "m"}},
		{"failed", `{"error_code":4,"script_name":"s.sh","message":"m","log":""}`, false, deploy.Diagnostics{ErrorCode: "ScriptFailed", ScriptName: "s.sh", Message: "m"}},
		{"other exception", `{"error_code":5,"script_name":"","message":"m","log":""}`, false, deploy.Diagnostics{ErrorCode: "UnknownError", Message: "m"}},
		{"output left open", `{"error_code":6,"script_name":"s.sh","message":"m","log":""}`, false, deploy.Diagnostics{ErrorCode: "UnknownError", ScriptName: "s.sh", Message: "m"}},
		{"restart", `{"error_code":7,"script_name":"","message":"Failed: Failing in-progress lifecycle event after an agent restart.","log":""}`, false,
			deploy.Diagnostics{ErrorCode: "UnknownError", Message: "Failed: Failing in-progress lifecycle event after an agent restart."}},
		{"minimal", `{"error_code":"Unknown","script_name":"s.sh","message":"Attempting minimal diagnostics","log":"Exception EncodingError occured"}`, false,
			deploy.Diagnostics{ErrorCode: "UnknownError", ScriptName: "s.sh", Message: "Attempting minimal diagnostics", LogTail: "Exception EncodingError occured"}},
	} {
		if got := diagnostics(c.payload, c.succeeded); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestNoncesAreWholeNumbers holds that a nonce keeps all 64 bits: a reader that makes a float of it gets another one.
func TestNoncesAreWholeNumbers(t *testing.T) {
	t.Parallel()
	s, _, _ := newService(t)
	seen := map[int64]bool{}
	for attempt := range 3 {
		s.Mailbox.Offer(command("a", attempt+1))
		out, err := s.PollHostCommand(as(t, "host:a"), &host.PollHostCommandInput{HostIdentifier: new("host:a")})
		if err != nil || out.HostCommand == nil {
			t.Fatalf("poll: %+v %v", out, err)
		}
		n := *out.HostCommand.Nonce
		if n <= 1<<53 || n == math.MaxInt64 || seen[n] {
			t.Errorf("nonce %d", n)
		}
		seen[n] = true
		s.Mailbox.Withdraw(command("a", attempt+1).Key)
	}
}
