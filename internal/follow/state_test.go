package follow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"crossfade/internal/traffic/feed"
)

func wishes(full bool, last int64, registrations []feed.Registration, splits ...feed.Split) feed.Answer {
	return feed.Answer{Full: full, Wishes: feed.Wishes{
		Head:          feed.Head{Installation: "home", Epoch: "e", Last: last, Configuration: []byte(`{}`), Digest: "d"},
		Registrations: registrations, Splits: splits,
	}}
}

// TestStateSurvives takes answers over, and holds that what is read from the disk is what was written.
func TestStateSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := loadState(dir)
	if err != nil || s.id == "" {
		t.Fatalf("a fresh state: %+v %v", s, err)
	}
	in := feed.Registration{TargetGroup: "web", Instance: "i-1", Address: "10.0.0.1:80", In: true, Generation: 1, Change: 1}
	also := feed.Registration{TargetGroup: "web", Instance: "i-2", Address: "10.0.0.2:80", In: true, Environment: "d-1", Generation: 1, Change: 2}
	share := feed.Split{TargetGroup: "web", Environment: "d-1", Percent: 10, Generation: 1, Change: 2}
	next := s.with(wishes(true, 2, []feed.Registration{in, also}, share))
	out := feed.Registration{TargetGroup: "web", Instance: "i-1", Generation: 2, Change: 3}
	news := wishes(false, 3, []feed.Registration{out}, feed.Split{TargetGroup: "web", Generation: 2, Change: 3})
	news.Configuration = nil
	last := next.with(news)
	if len(s.registrations) != 0 || len(next.registrations) != 2 || len(next.splits) != 1 {
		t.Errorf("the states before have changed: %+v %+v", s, next)
	}
	if len(last.registrations) != 1 || len(last.splits) != 0 || last.head.Last != 3 || string(last.head.Configuration) != `{}` {
		t.Errorf("the last state is %+v", last)
	}
	for _, x := range []state{next, last} {
		if err := x.save(dir); err != nil {
			t.Fatal(err)
		}
		read, err := loadState(dir)
		if err != nil || !reflect.DeepEqual(read, x) {
			t.Errorf("read %+v %v, want %+v", read, err, x)
		}
	}
	// A full answer is all that there is.
	if all := last.with(wishes(true, 9, nil)); len(all.registrations) != 0 {
		t.Errorf("after a full answer: %+v", all)
	}
	info, err := os.Stat(filepath.Join(dir, stateFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
}

func TestBrokenStateIsNotServed(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                       "unexpected end",
		`{"format":2,"id":"x"}`:  "this version reads 1",
		`{"format":1}`:           "no id",
		`{"format":1,"id":"x"}}`: "invalid character",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadState(dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "move the file away") {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestOneProcessPerDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := lockDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDirectory(dir); err == nil || !strings.Contains(err.Error(), "another proxy uses") {
		t.Errorf("the second lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// ears is a control plane that keeps reports.
type ears struct {
	reports []feed.Report
	failAt  int
}

func (e *ears) Follow(context.Context, feed.Question) (feed.Answer, error) {
	return feed.Answer{}, errors.New("not here")
}

func (e *ears) Report(_ context.Context, r feed.Report) error {
	if e.reports = append(e.reports, r); len(e.reports) == e.failAt {
		return errors.New("cut")
	}
	return nil
}

func (e *ears) Leave(context.Context, feed.Identity) error { return nil }

// TestLongReportsGoInPieces holds that no piece but the last says what was taken over: whoever reads one must not take a target for absent that is
// only in a later one.
func TestLongReportsGoInPieces(t *testing.T) {
	t.Parallel()
	var r feed.Report
	r.Full, r.Applied = true, 7
	for i := range 2*mostTargets + 10 {
		r.Targets = append(r.Targets, feed.Target{TargetGroup: "web", Instance: fmt.Sprint(i)})
	}
	for i := range mostTargets {
		r.Gone = append(r.Gone, feed.Key{TargetGroup: "web", Instance: fmt.Sprint("gone ", i)})
	}
	e := &ears{}
	f := &Follower{Options: Options{Control: e}}
	var known told
	if err := f.send(t.Context(), &known, r); err != nil {
		t.Fatal(err)
	}
	targets, gone := 0, 0
	for i, p := range e.reports {
		last := i == len(e.reports)-1
		if p.Full != (i == 0) || p.Sequence != int64(i+1) || (p.Applied == 7) != last || len(p.Targets)+len(p.Gone) > mostTargets {
			t.Errorf("piece %d: full %t, sequence %d, applied %d, %d targets", i, p.Full, p.Sequence, p.Applied, len(p.Targets)+len(p.Gone))
		}
		targets, gone = targets+len(p.Targets), gone+len(p.Gone)
	}
	if targets != len(r.Targets) || gone != len(r.Gone) {
		t.Errorf("told of %d targets and %d gone", targets, gone)
	}
	if s := short(strings.Repeat("ä", longestReason)); len(s) > longestReason || !strings.HasPrefix(s, "ää") {
		t.Errorf("short is %q", s)
	}
}

func FuzzState(f *testing.F) {
	s := state{id: "x"}.with(wishes(true, 2, []feed.Registration{{TargetGroup: "web", Instance: "i-1", In: true, Change: 1}}, feed.Split{TargetGroup: "web", Environment: "d"}))
	content, err := s.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(`{"format":1,"id":"x"}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := decodeState(content)
		if err != nil {
			return
		}
		once, err := s.encode()
		if err != nil {
			return // a configuration that is no JSON
		}
		again, err := decodeState(once)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		twice, err := again.encode()
		if err != nil || string(once) != string(twice) {
			t.Errorf("written twice it differs: %s %s %v", once, twice, err)
		}
	})
}
