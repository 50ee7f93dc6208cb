package lifecycle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"crossfade/internal/agent/script"
	"crossfade/internal/agent/scriptlog"
	"crossfade/internal/envelope"
)

// Diagnostics is what a report says about a command, in the protocol's words.
type Diagnostics struct {
	ErrorCode  script.Code `json:"error_code"`
	ScriptName string      `json:"script_name"`
	Message    string      `json:"message"`
	Log        string      `json:"log"`
}

// Lengths of parts of a payload, in bytes. A message leaves room for the log; where neither has room, what is left of each has a least.
const (
	longestMessage = 1500
	leastMessage   = 200
	leastLog       = 512
)

// Diagnose tells how a lifecycle event ended. The error is nil or what its work, or [Host.Prepare], has returned. The log is only for failures, as with the official agent.
func Diagnose(err error) Diagnostics {
	if err == nil {
		return Diagnostics{Message: "Succeeded: "}
	}
	d := Diagnostics{ErrorCode: script.CodeUnknown, Message: err.Error(), Log: logOf(err)}
	var f *script.Failure
	if errors.As(err, &f) {
		d.ErrorCode, d.ScriptName, d.Message = f.Code, f.Location, f.Message
	}
	return d
}

// Interrupted is what is said of an event that was running when the agent ended: nobody knows how far it came. The log is what is left of it.
func Interrupted(log string) Diagnostics {
	return Diagnostics{ErrorCode: script.CodeRestarted, Message: "Failing in-progress lifecycle event after an agent restart.", Log: log}
}

// Encode makes the payload. It is at most as long as the protocol allows: escaping can make a log several times longer, so its beginning
// goes first.
func (d Diagnostics) Encode() (string, error) {
	d.Message = shorten(strings.ToValidUTF8(d.Message, "\uFFFD"), longestMessage)
	d.ScriptName = shorten(strings.ToValidUTF8(d.ScriptName, "\uFFFD"), longestMessage/3)
	d.Log = lastBytes(d.Log, scriptlog.TailSize)
	for {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(d); err != nil {
			return "", fmt.Errorf("encode diagnostics: %w", err)
		}
		payload := strings.TrimSuffix(b.String(), "\n")
		if len(payload) <= envelope.MaxPayload {
			return payload, nil
		}
		if len(d.Log) < leastLog && len(d.Message) > leastMessage {
			d.Message = shorten(d.Message, len(d.Message)/2)
			continue
		}
		d.Log = lastBytes(d.Log, len(d.Log)*3/4)
	}
}

func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[:max(0, most-len("…"))]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

func lastBytes(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[len(s)-most:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}
