package relational

import (
	"strconv"
	"time"

	"crossfade/internal/deploy"
)

// appendTarget writes a target without what has columns that may change alone, as encoding/json writes it. It is written with every lifecycle event of
// every instance, which is why it is written out here: it takes a quarter of the time.
func appendTarget(b []byte, t deploy.Target) []byte {
	b = appendText(append(b, `{"deploymentId":`...), t.DeploymentID)
	b = appendText(append(b, `,"id":`...), t.ID)
	b = appendText(append(b, `,"arn":`...), t.ARN)
	b = appendText(append(b, `,"host":`...), t.Host)
	b = appendText(append(b, `,"account":`...), t.Account)
	if t.Zone != "" {
		b = appendText(append(b, `,"zone":`...), t.Zone)
	}
	b = appendText(append(b, `,"lane":`...), string(t.Lane))
	b = strconv.AppendInt(append(b, `,"rank":`...), int64(t.Rank), 10)
	b = append(b, `,"status":""`...) // a column
	b = appendTime(append(b, `,"updatedAt":`...), t.UpdatedAt)
	b = strconv.AppendInt(append(b, `,"turn":`...), int64(t.Turn), 10)
	if t.Running {
		b = append(b, `,"running":true`...)
	}
	b = strconv.AppendInt(append(b, `,"cursor":`...), int64(t.Cursor), 10)
	b = strconv.AppendInt(append(b, `,"attempt":`...), int64(t.Attempt), 10)
	if t.Acknowledged {
		b = append(b, `,"acknowledged":true`...)
	}
	if t.Delivery != 0 {
		b = strconv.AppendInt(append(b, `,"delivery":`...), t.Delivery, 10)
	}
	if t.Order != 0 {
		b = strconv.AppendInt(append(b, `,"order":`...), t.Order, 10)
	}
	// dueAt is a column.
	if t.Events == nil {
		return append(b, `,"events":null}`...)
	}
	b = append(b, `,"events":[`...)
	for i, e := range t.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEvent(b, e)
	}
	return append(b, `]}`...)
}

func appendEvent(b []byte, e deploy.LifecycleEvent) []byte {
	b = appendText(append(b, `{"name":`...), string(e.Name))
	b = appendText(append(b, `,"status":`...), string(e.Status))
	if !e.StartedAt.IsZero() {
		b = appendTime(append(b, `,"startedAt":`...), e.StartedAt)
	}
	if !e.EndedAt.IsZero() {
		b = appendTime(append(b, `,"endedAt":`...), e.EndedAt)
	}
	if d := e.Diagnostics; d != nil {
		b = appendText(append(b, `,"diagnostics":{"errorCode":`...), d.ErrorCode)
		for _, field := range [...]struct{ name, value string }{{`,"scriptName":`, d.ScriptName}, {`,"message":`, d.Message}, {`,"logTail":`, d.LogTail}} {
			if field.value != "" {
				b = appendText(append(b, field.name...), field.value)
			}
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// appendText writes a text. Those with something to escape are left to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(b, encode(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
