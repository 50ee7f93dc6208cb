package logstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

type payload struct {
	V     int   `json:"v"`
	First int64 `json:"first"`
	Lost  int64 `json:"lost"`
	Lines []struct {
		T time.Time `json:"t"`
		S string    `json:"s"`
		L string    `json:"l"`
	} `json:"lines"`
}

func decode(t *testing.T, text string) payload {
	t.Helper()
	var p payload
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.V != 1 || len(text) > 8192 || !utf8.ValidString(text) {
		t.Fatalf("%d bytes, version %d, valid %v, %v", len(text), p.V, utf8.ValidString(text), err)
	}
	return p
}

// server takes payloads, each at a time after the start.
type server struct {
	t        *testing.T
	verdicts []Verdict // of the next calls; after them all is taken
	slow     time.Duration
	began    time.Time

	mu    sync.Mutex
	calls int
	got   []payload
	at    []time.Duration
}

func (s *server) send(ctx context.Context, command, text string) (Verdict, error) {
	if command != "command" {
		s.t.Errorf("the command is %q", command)
	}
	p := decode(s.t, text)
	select {
	case <-time.After(s.slow):
	case <-ctx.Done():
		return Again, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if len(s.verdicts) > 0 {
		v := s.verdicts[0]
		s.verdicts = s.verdicts[1:]
		if v != Taken {
			return v, errors.New("no")
		}
	}
	s.got, s.at = append(s.got, p), append(s.at, time.Since(s.began))
	return Taken, nil
}

func (s *server) streams() *Streams {
	s.began = time.Now()
	return New(s.send, slog.New(slog.DiscardHandler), time.Now)
}

func (s *server) texts() (texts []string) {
	for _, p := range s.got {
		for _, l := range p.Lines {
			texts = append(texts, l.S+":"+l.L)
		}
	}
	return texts
}

func TestLinesComeSoonAndInBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t}
		stream := s.streams().Begin("command")
		stream.Line("agent", "Script - run.sh")
		stream.Line("stdout", "one <&>")
		time.Sleep(100 * time.Millisecond)
		stream.Line("stderr", "two")
		time.Sleep(100 * time.Millisecond)
		stream.Line("stdout", "three")
		time.Sleep(time.Second)
		stream.Line("stdout", "last")
		stream.Close()
		stream.Line("stdout", "late")
		if want := "[agent:Script - run.sh stdout:one <&> stderr:two stdout:three stdout:last]"; fmt.Sprint(s.texts()) != want {
			t.Errorf("got %v", s.texts())
		}
		if want := "[20ms 350ms 1.2s]"; fmt.Sprint(s.at) != want {
			t.Errorf("came after %v, want %s", s.at, want)
		}
		if s.got[1].First != 2 || s.got[2].First != 4 || s.got[0].Lines[0].T.IsZero() {
			t.Errorf("got %+v", s.got)
		}
	})
}

func TestAMuchWritingScriptIsNotHeldUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, slow: 10 * time.Second}
		stream := s.streams().Begin("command")
		began := time.Now()
		const lines = 20000
		for i := range lines {
			stream.Line("stdout", fmt.Sprintf("line %d of a script that writes more than a slow server can take", i))
		}
		if time.Since(began) != 0 {
			t.Error("the script was held up")
		}
		stream.mu.Lock()
		if size := stream.buffer.size; size > bufferSize {
			t.Errorf("%d bytes are kept", size)
		}
		stream.mu.Unlock()
		time.Sleep(time.Hour)
		stream.Close()
		next := int64(0)
		var got, lost int64
		for i, p := range s.got {
			if p.First != next+p.Lost {
				t.Fatalf("payload %d begins with %d after %d, lost %d", i, p.First, next, p.Lost)
			}
			if want := fmt.Sprintf("line %d of", p.First); !strings.HasPrefix(p.Lines[0].L, want) {
				t.Fatalf("line %d is %q", p.First, p.Lines[0].L)
			}
			next, got, lost = p.First+int64(len(p.Lines)), got+int64(len(p.Lines)), lost+p.Lost
		}
		if got+lost != lines || lost == 0 || next != lines {
			t.Errorf("%d came, %d were lost, the last was %d", got, lost, next)
		}
	})
}

func TestTheEndWaitsTwoSecondsAtMost(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*server{
		"slow":    {slow: time.Hour},
		"failing": {verdicts: []Verdict{Again, Again, Again, Again, Again, Again, Again, Again, Again, Again, Again, Again}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s.t = t
			stream := s.streams().Begin("command")
			stream.Line("stdout", "one")
			began := time.Now()
			stream.Close()
			if took := time.Since(began); took != flushTime {
				t.Errorf("%s: it took %v", name, took)
			}
		})
	}
}

func TestWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, verdicts: []Verdict{Again, Again, Taken, Again}}
		stream := s.streams().Begin("command")
		stream.Line("stdout", "one")
		time.Sleep(time.Second)
		stream.Line("stdout", "two")
		stream.Close()
		if fmt.Sprint(s.texts()) != "[stdout:one stdout:two]" || s.calls != 5 {
			t.Errorf("got %v in %d calls", s.texts(), s.calls)
		}
	})
}

func TestARefusalEndsIt(t *testing.T) {
	t.Parallel()
	for verdict, more := range map[Verdict]bool{Unwanted: true, Unknown: false} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{t: t, verdicts: []Verdict{verdict}}
			streams := s.streams()
			stream := streams.Begin("command")
			stream.Line("stdout", "one")
			time.Sleep(time.Second)
			stream.Line("stdout", "two")
			stream.Close()
			other := streams.Begin("command")
			other.Line("stdout", "three")
			other.Close()
			if got := len(s.texts()) == 1; got != more || s.calls > 2 {
				t.Errorf("after verdict %d: %v in %d calls", verdict, s.texts(), s.calls)
			}
		})
	}
}

func TestTheReasonIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		s := &server{t: t, verdicts: []Verdict{Unknown, Unknown}}
		streams := New(s.send, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})), time.Now)
		one, two := streams.Begin("command"), streams.Begin("command")
		one.Line("stdout", "x")
		two.Line("stdout", "x")
		one.Close()
		two.Close()
		if strings.Count(said.String(), "\n") != 1 {
			t.Errorf("said %q", said.String())
		}
	})
}

func TestANoteIsWorthNoCallOfItsOwnInTheEnd(t *testing.T) {
	t.Parallel()
	for silent, want := range map[time.Duration]string{0: "[]", time.Second: "[agent:Script - run.sh]"} {
		for _, more := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := &server{t: t}
				stream := s.streams().Begin("command")
				stream.Note("Script - run.sh")
				time.Sleep(silent)
				want := want
				if more {
					stream.Line("stderr", "oops")
					want = "[agent:Script - run.sh stderr:oops]"
				}
				stream.Close()
				if fmt.Sprint(s.texts()) != want {
					t.Errorf("after %v, more %v: got %v, want %s", silent, more, s.texts(), want)
				}
			})
		}
	}
}

func TestNoLinesNoCalls(t *testing.T) {
	t.Parallel()
	s := &server{t: t}
	stream := s.streams().Begin("command")
	stream.Close()
	stream.Line("stdout", "late")
	var none *Streams
	off := none.Begin("command")
	off.Line("stdout", "x")
	off.Close()
	if s.calls != 0 {
		t.Errorf("%d calls", s.calls)
	}
}

func TestLongAndOddLinesAreSplit(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"long":      strings.Repeat("é", 20000),
		"escaped":   strings.Repeat("\x1b", 20000),
		"of quotes": strings.Repeat(`"`, 9000),
		"invalid":   strings.Repeat("a\xff", 9000),
		"cut rune":  strings.Repeat("a", longestLine-1) + "€uro",
		"empty":     "",
	} {
		var b buffer
		b.add(time.Unix(0, 0), "stdout", text+"\r\n")
		var whole strings.Builder
		next := int64(0)
		for text := b.take(); text != ""; text = b.take() {
			p := decode(t, text)
			if p.First != next || p.Lost != 0 {
				t.Errorf("%s: begins with %d, want %d", name, p.First, next)
			}
			next += int64(len(p.Lines))
			for _, l := range p.Lines {
				whole.WriteString(l.L)
			}
		}
		if want := strings.ToValidUTF8(text, "\uFFFD"); whole.String() != want || next == 0 || b.size != 0 {
			t.Errorf("%s: %d bytes in %d lines came, want %d", name, whole.Len(), next, len(want))
		}
	}
	var b buffer
	b.add(time.Unix(0, 0), "agent", "one\ntwo\n")
	if len(b.lines) != 2 {
		t.Errorf("%d lines", len(b.lines))
	}
}

func FuzzPayload(f *testing.F) {
	f.Add("text", "\x00\xff\n\u2028")
	f.Fuzz(func(t *testing.T, one, two string) {
		var b buffer
		for i := range 40 {
			b.add(time.Unix(int64(i), 1), "stdout", one)
			b.add(time.Unix(int64(i), 1), "stderr", two)
		}
		next := int64(0)
		for text := b.take(); text != ""; text = b.take() {
			p := decode(t, text)
			if p.First != next+p.Lost {
				t.Fatalf("begins with %d after %d, lost %d", p.First, next, p.Lost)
			}
			next = p.First + int64(len(p.Lines))
		}
		if b.size != 0 {
			t.Fatalf("%d bytes are left", b.size)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	s := New(func(context.Context, string, string) (Verdict, error) { return Taken, nil }, slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now)
	stream := s.Begin("command")
	defer stream.Close()
	b.ReportAllocs()
	for b.Loop() {
		stream.Line("stdout", "a line of the usual length, as scripts write them when all goes well")
	}
}
