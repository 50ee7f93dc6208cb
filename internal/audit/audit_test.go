package audit

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func options(t *testing.T) Options {
	return Options{Path: filepath.Join(t.TempDir(), "logs", "audit.log"), Version: "test", Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler)}
}

func open1(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func entry(i int) Entry {
	return Entry{Time: at, RequestID: fmt.Sprint(i), Principal: "arn:aws:iam::1:user/a", Service: "codedeploy", Operation: "ContinueDeployment", Resources: []string{"arn:1", "arn:2"}, Decision: Allowed, Statement: "p/Reroute"}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func verify(t *testing.T, b []byte) Report {
	t.Helper()
	r, err := Verify(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsWrittenCanBeReadAndVerified(t *testing.T) {
	t.Parallel()
	o := options(t)
	l := open1(t, o)
	var want []Entry
	for i := range 5 {
		l.Write(entry(i))
		want = append(want, entry(i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// A second opening goes on where the first ended.
	l = open1(t, o)
	l.Write(entry(5))
	want = append(want, entry(5))
	b := content(t, o.Path)
	var got []Entry
	if err := Read(bytes.NewReader(b), func(e Entry) error { got = append(got, e); return nil }); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v", got, err)
	}
	if r := verify(t, b); len(r.Problems) != 0 || r.Lines != 7 || r.Previous != "" {
		t.Errorf("%+v", r)
	}
	if info, err := os.Stat(o.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestEveryChangeIsFound(t *testing.T) {
	t.Parallel()
	o := options(t)
	l := open1(t, o)
	for i := range 5 {
		l.Write(entry(i))
	}
	whole := content(t, o.Path)
	lines := bytes.SplitAfter(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n"))
	lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
	join := func(lines ...[]byte) []byte { return bytes.Join(lines, nil) }
	for name, b := range map[string][]byte{
		"line 3 was changed":              join(lines[0], lines[1], bytes.Replace(lines[2], []byte("user/a"), []byte("user/b"), 1), lines[3]),
		"line 3 was changed, or lines":    join(lines[0], lines[1], lines[3], lines[4]),
		"line 2 was changed":              join(lines[0], lines[2], lines[1], lines[3]),
		"line 4 was changed":              join(lines[0], lines[1], lines[2], lines[2], lines[3]),
		"line 1 does not begin a file":    join(lines[1:]...),
		"line 3 is none of an audit log":  join(lines[0], lines[1], []byte("{}\n"), lines[2]),
		"line 6 is not whole":             whole[:len(whole)-10],
		"the file is empty":               nil,
		"line 2 is none of an audit log":  join(lines[0], bytes.Replace(lines[1], []byte(`,"chain"`), []byte(`,"chaim"`), 1)),
		"line 2 is longer than any":       join(lines[0], []byte(strings.Repeat("x", maxLine+10)+"\n"), lines[1]),
		"line 6 was changed, or lines be": bytes.Replace(whole, []byte(`"requestId":"4"`), []byte(`"requestId":"5"`), 1),
	} {
		if r := verify(t, b); len(r.Problems) == 0 || !strings.HasPrefix(r.Problems[0], name) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestFilesFollowEachOther(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.MaxSize, o.Keep = 1000, 2
	l := open1(t, o)
	for i := range 40 {
		l.Write(entry(i))
	}
	names, err := filepath.Glob(o.Path + "*")
	if err != nil || len(names) != 3 {
		t.Fatalf("%v %v", names, err)
	}
	older, old, current := verify(t, content(t, o.Path+".2")), verify(t, content(t, o.Path+".1")), verify(t, content(t, o.Path))
	for _, r := range []Report{older, old, current} {
		if len(r.Problems) != 0 {
			t.Errorf("%+v", r)
		}
	}
	if old.Previous != older.Chain || current.Previous != old.Chain || older.Previous == "" {
		t.Errorf("%+v %+v %+v", older, old, current)
	}
	// A new log beside an earlier one follows it too.
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(o.Path, o.Path+".1"); err != nil {
		t.Fatal(err)
	}
	open1(t, o)
	if next := verify(t, content(t, o.Path)); next.Previous != current.Chain {
		t.Errorf("%+v does not follow %+v", next, current)
	}
}

func TestAfterACrash(t *testing.T) {
	t.Parallel()
	o := options(t)
	l := open1(t, o)
	l.Write(entry(0))
	l.Write(entry(1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	whole := content(t, o.Path)
	if err := os.WriteFile(o.Path, whole[:len(whole)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	open1(t, o).Write(entry(2))
	if r := verify(t, content(t, o.Path)); len(r.Problems) != 0 || r.Lines != 3 {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(o.Path, []byte("something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("a file that is no audit log: %v", err)
	}
}

func TestALogThatCannotBeWrittenCounts(t *testing.T) {
	t.Parallel()
	o := options(t)
	lost := 0
	o.Lost = func() { lost++ }
	l := open1(t, o)
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
	l.Write(entry(0))
	l.Write(entry(1))
	l.file = nil // as after a rotation that failed: the next entry opens it anew
	l.Write(entry(2))
	if r := verify(t, content(t, o.Path)); lost != 2 || len(r.Problems) != 0 || r.Lines != 2 {
		t.Errorf("%d lost, %+v", lost, r)
	}
}

func FuzzVerify(f *testing.F) {
	line, chain, err := seal("", opening{Time: at, Opened: "x"})
	if err != nil {
		f.Fatal(err)
	}
	more, _, err := seal(chain, entry(1))
	if err != nil {
		f.Fatal(err)
	}
	whole := append(append([]byte(nil), line...), more...)
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte("{\"chain\":\"\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Verify(bytes.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Lines >= 2 && len(r.Problems) == 0 && len(r.Chain) != chainLength {
			t.Errorf("%q has the chain %q", b, r.Chain)
		}
		if err := Read(bytes.NewReader(b), func(Entry) error { return nil }); err != nil && len(b) < maxLine {
			t.Error(err)
		}
	})
}

// TestOnlyVerifiedValuesVouch holds that a file that was made anew can't have an old chain value by merely containing it.
func TestOnlyVerifiedValuesVouch(t *testing.T) {
	t.Parallel()
	o := options(t)
	l := open1(t, o)
	for i := range 3 {
		l.Write(entry(i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	anchor := verify(t, content(t, o.Path)).Chain

	var forged bytes.Buffer
	chain := ""
	for _, line := range []any{
		opening{Time: at, Opened: "test"},
		struct {
			Entry
			Chain string `json:"chain"`
		}{entry(9), anchor},
		struct {
			Resource string `json:"resource"`
		}{`","chain":"` + anchor + `"`},
	} {
		sealed, next, err := seal(chain, line)
		if err != nil {
			t.Fatal(err)
		}
		chain = next
		forged.Write(sealed)
	}
	if !bytes.Contains(forged.Bytes(), []byte(`,"chain":"`+anchor+`"`)) {
		t.Fatal("the forged file does not contain the value: the test shows nothing")
	}
	for name, b := range map[string][]byte{"as written": content(t, o.Path), "forged": forged.Bytes(), "a line before it changed": bytes.Replace(content(t, o.Path), []byte(`"requestId":"1"`), []byte(`"requestId":"7"`), 1)} {
		vouched := false
		if _, err := Verify(bytes.NewReader(b), func(value string) { vouched = vouched || value == anchor }); err != nil {
			t.Fatal(err)
		}
		if want := name == "as written"; vouched != want {
			t.Errorf("%s: the value vouches: %v, want %v", name, vouched, want)
		}
	}
}

// TestLongEntries holds that whatever a call brings, its line can be written, read and verified.
func TestLongEntries(t *testing.T) {
	t.Parallel()
	o := options(t)
	l := open1(t, o)
	long := strings.Repeat("\x01<ö", 400<<10)
	e := Entry{Time: at, RequestID: long, Principal: long, AccessKey: long, From: long, Service: long, Operation: long, Decision: long, Statement: long, Code: long}
	for range 10_000 {
		e.Resources = append(e.Resources, long)
	}
	l.Write(e)
	l.Write(entry(1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, content(t, o.Path)); len(r.Problems) > 0 || r.Lines != 3 {
		t.Errorf("%+v", r)
	}
	var read []Entry
	err := Read(bytes.NewReader(content(t, o.Path)), func(e Entry) error {
		read = append(read, e)
		return nil
	})
	if err != nil || len(read) != 2 || read[1].RequestID != "1" {
		t.Fatalf("%d entries, %v", len(read), err)
	}
	if last := read[0].Resources[len(read[0].Resources)-1]; !strings.HasSuffix(last, " more") || !strings.HasSuffix(read[0].Principal, " bytes more)") {
		t.Errorf("what was cut does not show: %q", last)
	}
	if again := open1(t, o); again.chain == "" {
		t.Error("a log with a long line is not gone on with")
	}
}
