package hostapi

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"crossfade/internal/deploy"
)

// maxLogTail is the largest logTail of the API, in bytes.
const maxLogTail = 4096

// report is the payload of an agent's diagnostics. The error code is a number, or "Unknown" where the agent could not make its diagnostics.
type report struct {
	ErrorCode  json.RawMessage `json:"error_code"`
	ScriptName string          `json:"script_name"`
	Message    string          `json:"message"`
	Log        string          `json:"log"`
}

// errorCodes turns an agent's number into the API's name. The numbers that are not in it have no name of their own.
var errorCodes = map[string]string{
	"0": deploy.DiagnosticsSuccess,
	"1": "ScriptMissing",
	"2": "ScriptNotExecutable",
	"3": "ScriptTimedOut",
	"4": "ScriptFailed",
}

// diagnostics reads what an agent says of an event. Whatever it sends, the event ends, and what can't be read becomes the message.
func diagnostics(payload string, succeeded bool) deploy.Diagnostics {
	d := deploy.Diagnostics{ErrorCode: deploy.DiagnosticsUnknownError}
	if succeeded {
		d.ErrorCode = deploy.DiagnosticsSuccess
	}
	if payload == "" {
		if !succeeded {
			d.Message = "The agent reported a failure without diagnostics; see its log on the host."
		}
		return d
	}
	var r report
	if err := json.Unmarshal([]byte(payload), &r); err != nil {
		d.Message = "The agent's diagnostics are not the JSON of the host command protocol: " + tail(payload, 1024)
		return d
	}
	if !succeeded {
		if name, ok := errorCodes[string(r.ErrorCode)]; ok && name != deploy.DiagnosticsSuccess {
			d.ErrorCode = name
		}
	}
	d.ScriptName, d.Message, d.LogTail = tail(r.ScriptName, 1024), tail(r.Message, 4096), tail(r.Log, maxLogTail)
	return d
}

// tail is the end of s, at most n bytes and never half a character.
func tail(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}
