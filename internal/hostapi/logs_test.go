package hostapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/store"
	"crossfade/internal/wire"
	"crossfade/internal/wire/host"
)

const goodLog = `{"v":1,"first":3,"lines":[{"t":"2026-03-04T05:06:07.000000008+01:00","s":"stdout","l":"one"},{"t":"2026-03-04T05:06:08Z","s":"agent","l":""}],"lost":2,"new":1}`

// ran makes a target that runs, or ran, the event of a command.
func ran(attempt int, delivery int64, running bool, ended time.Time) deploy.Target {
	return deploy.Target{
		Running: running, Attempt: attempt, Acknowledged: delivery != 0, Delivery: delivery, Cursor: 1,
		Events: []deploy.LifecycleEvent{{Name: deploy.ApplicationStop}, {Name: deploy.BeforeInstall, EndedAt: ended}, {Name: deploy.AfterInstall}},
	}
}

// TestWhoMayAppendToALog holds that lines come only from the one that runs the command, while it runs or a moment after, and what the agent is told.
func TestWhoMayAppendToALog(t *testing.T) {
	t.Parallel()
	mine := token{deployment: "d-TEST00001", target: "a", attempt: 2, delivery: 7, event: deploy.BeforeInstall}
	now := time.Now()
	next := ran(3, 0, true, now.Add(-time.Second))
	next.Cursor = 2
	for name, c := range map[string]struct {
		token  token
		target deploy.Target
		full   bool
		taken  bool
	}{
		"while it runs":                         {token: mine, target: ran(2, 7, true, time.Time{}), taken: true},
		"before it is acknowledged":             {token: mine, target: ran(2, 0, true, time.Time{})},
		"another handing-out runs":              {token: mine, target: ran(2, 8, true, time.Time{})},
		"an order of the future":                {token: mine, target: ran(1, 7, true, time.Time{})},
		"it ended a moment ago":                 {token: mine, target: ran(2, 7, false, now.Add(-time.Second)), taken: true},
		"it ended, and the next event runs":     {token: mine, target: next, taken: true},
		"it ended long ago":                     {token: mine, target: ran(2, 7, false, now.Add(-2*lateLogs))},
		"a deployment that is gone":             {token: token{deployment: "d-GONE00000", target: "a", attempt: 2, delivery: 7, event: deploy.BeforeInstall}, target: ran(2, 7, true, time.Time{})},
		"it has sent too much":                  {token: mine, target: ran(2, 7, true, time.Time{}), full: true},
		"of a server that named no event":       {token: token{deployment: "d-TEST00001", target: "a", attempt: 2, delivery: 7}, target: ran(2, 7, true, time.Time{}), taken: true},
		"of such a server, and the end is past": {token: token{deployment: "d-TEST00001", target: "a", attempt: 2, delivery: 7}, target: ran(2, 7, false, now)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, shelf := newService(t)
			var told []string
			s.Logged = func(id string) { told = append(told, id) }
			shelf.target, shelf.full = c.target, c.full
			in := &host.PostHostCommandUpdateInput{HostCommandIdentifier: new(c.token.seal(s.Key, "host:a")), Diagnostics: &host.Envelope{Format: new(LogFormat), Payload: new(goodLog)}}
			out, err := s.PostHostCommandUpdate(as(t, "host:a"), in)
			if err != nil {
				t.Fatal(err)
			}
			if taken := *out.CommandStatus == host.CommandStatusInProgress; taken != c.taken || len(shelf.logs) > 0 != c.taken || len(told) > 0 != c.taken {
				t.Fatalf("answered %s, kept %v, told %v", *out.CommandStatus, shelf.logs, told)
			}
			if !c.taken {
				return
			}
			want := store.LogChunk{
				EventLogKey: store.EventLogKey{DeploymentID: "d-TEST00001", Target: "a", Attempt: 2, Event: deploy.BeforeInstall}, First: 3, Lost: 2,
				Lines: []store.LogLine{{Stream: "stdout", Text: "one"}, {Stream: "agent"}},
			}
			got := shelf.logs[0]
			if at := got.Lines[0].At; !at.Equal(time.Date(2026, 3, 4, 4, 6, 7, 8, time.UTC)) {
				t.Errorf("the first line is of %s", at)
			}
			got.Lines[0].At, got.Lines[1].At = time.Time{}, time.Time{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("kept is %+v, want %+v", got, want)
			}
			if _, err := s.PostHostCommandUpdate(as(t, "host:b"), in); !isClientException(err) {
				t.Errorf("another host appends: %v", err)
			}
		})
	}
}

func isClientException(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == host.ClientException && strings.Count(e.Message, "\n") == 0
}

// TestMalformedLogs holds what is refused, and that other formats are nobody's business.
func TestMalformedLogs(t *testing.T) {
	t.Parallel()
	s, _, shelf := newService(t)
	shelf.target = ran(2, 7, true, time.Time{})
	id := token{deployment: "d-TEST00001", target: "a", attempt: 2, delivery: 7, event: deploy.BeforeInstall}.seal(s.Key, "host:a")
	post := func(d *host.Envelope) error {
		_, err := s.PostHostCommandUpdate(as(t, "host:a"), &host.PostHostCommandUpdateInput{HostCommandIdentifier: &id, Diagnostics: d})
		return err
	}
	line := `{"t":"2026-03-04T05:06:08Z","s":"%s","l":"%s"}`
	for payload, says := range map[string]string{
		``: "is not the JSON", `[]`: "is not the JSON", `{"v":1,"lines":[{"t":"yesterday"}]}`: "is not the JSON", `{"v":1,"first":1e30}`: "is not the JSON",
		`{}`: "has version 0: send version 1", `{"v":2}`: "has version 2", `{"v":1,"first":-1}`: "begins with line -1", `{"v":1,"first":2199023255552}`: "begins with",
		`{"v":1,"lost":-1}`: "counts -1 lost lines",
		`{"v":1,"first":8,"lines":[` + fmt.Sprintf(line, "stdout", "a") + `,` + fmt.Sprintf(line, "stdin", "a") + `]}`: `has line 9 of the stream "stdin"`,
		`{"v":1,"lines":[` + fmt.Sprintf(line, "stdout", `a\nb`) + `]}`:                                                "has two lines in line 0",
	} {
		if err := post(&host.Envelope{Format: new(LogFormat), Payload: &payload}); !isClientException(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is answered with %v, want %s", payload, err, says)
		}
	}
	for _, d := range []*host.Envelope{nil, {}, {Format: new("JSON"), Payload: new("{")}, {Format: new(LogFormat), Payload: new(`{"v":1}`)}} {
		if err := post(d); err != nil {
			t.Errorf("%+v is answered with %v", d, err)
		}
	}
	if len(shelf.logs) != 0 {
		t.Errorf("kept is %+v", shelf.logs)
	}
}

// TestLogOfAgentsThatStreamNothing holds that the log tail of a failed event becomes its log, unless it has one.
func TestLogOfAgentsThatStreamNothing(t *testing.T) {
	t.Parallel()
	const diagnostics = `{"error_code":4,"script_name":"s.sh","message":"Script at s.sh failed\n with exit code 7","log":"LifecycleEvent - BeforeInstall\nScript - s.sh\n[stdout]asking\n[stderr]no\r\n\n"}`
	for name, c := range map[string]struct {
		target   deploy.Target
		payload  string
		streamed bool
		want     string
	}{
		"failed": {ran(2, 7, true, time.Time{}), diagnostics, false,
			"agent LifecycleEvent - BeforeInstall|agent Script - s.sh|stdout asking|stderr no|agent |agent Script at s.sh failed with exit code 7"},
		"failed before the acknowledgement": {ran(2, 0, true, time.Time{}), `{"error_code":5,"message":"no AppSpec"}`, false, "agent no AppSpec"},
		"nothing to say":                    {ran(2, 7, true, time.Time{}), `{"error_code":5}`, false, ""},
		"it was streamed":                   {ran(2, 7, true, time.Time{}), diagnostics, true, ""},
		"a report of what is over":          {ran(3, 0, true, time.Now()), diagnostics, false, ""},
		"a report of another handing-out":   {ran(2, 9, true, time.Time{}), diagnostics, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d, shelf := newService(t)
			shelf.target = c.target
			if c.streamed {
				shelf.logs = []store.LogChunk{{}}
			}
			before := len(shelf.logs)
			id := token{deployment: "d-TEST00001", target: "a", attempt: 2, delivery: 7, event: deploy.BeforeInstall}.seal(s.Key, "host:a")
			err := s.PutHostCommandComplete(as(t, "host:a"), &host.PutHostCommandCompleteInput{
				HostCommandIdentifier: &id, CommandStatus: new(host.CommandStatusFailed), Diagnostics: &host.Envelope{Format: new("JSON"), Payload: &c.payload},
			})
			if err != nil || len(d.events) != 1 {
				t.Fatalf("the result is answered with %v, events %v", err, d.events)
			}
			var got []string
			for _, chunk := range shelf.logs[before:] {
				for _, l := range chunk.Lines {
					got = append(got, l.Stream+" "+l.Text)
				}
			}
			if all := strings.Join(got, "|"); all != c.want {
				t.Errorf("the log is %q, want %q", all, c.want)
			}
		})
	}
}

// TestIdentifiersOfAnEarlierServer holds that a command which was handed out before an upgrade can be completed after it.
func TestIdentifiersOfAnEarlierServer(t *testing.T) {
	t.Parallel()
	body := "1.d-TEST00001.YQ.2.7"
	id := body + "." + base64.RawURLEncoding.EncodeToString(tokenMAC([]byte("key"), "host:a", body))
	want := token{deployment: "d-TEST00001", target: "a", attempt: 2, delivery: 7}
	if got, ok := openToken([]byte("key"), "host:a", id); !ok || got != want {
		t.Errorf("%+v, %t", got, ok)
	}
	want.event = deploy.BeforeInstall
	if got, ok := openToken([]byte("key"), "host:a", want.seal([]byte("key"), "host:a")); !ok || got != want {
		t.Errorf("%+v, %t", got, ok)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(goodLog)
	f.Add(`{"v":1,"lines":[{"s":"stdout","l":"\u0000\ud800"}]}`)
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := readLog(payload)
		if err != nil {
			if !isClientException(err) {
				t.Errorf("%q: %v", payload, err)
			}
			return
		}
		if c.First < 0 || c.Lost < 0 || c.First+int64(len(c.Lines)) < c.First {
			t.Errorf("%q is read as %+v", payload, c)
		}
		for _, l := range c.Lines {
			if strings.Contains(l.Text, "\n") || l.Stream == "" {
				t.Errorf("%q has the line %+v", payload, l)
			}
		}
	})
}
