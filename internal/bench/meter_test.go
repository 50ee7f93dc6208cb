package bench

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMeter(t *testing.T) {
	t.Parallel()
	m := newMeter("call")
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() { m.add(time.Duration(i+1)*time.Millisecond, nil) })
	}
	all.Wait()
	m.add(time.Hour, errors.New("first"))
	m.add(time.Hour, errors.New("second"))
	got := m.latency(10 * time.Second)
	// Three digits are right.
	near := func(got Milliseconds, want float64) bool { return math.Abs(float64(got)-want) <= want/500 }
	if got.Name != "call" || got.Count != 100 || got.Failed != 2 || got.Failure != "first" || got.PerSecond != 10 ||
		!near(got.P50, 50) || !near(got.P90, 90) || !near(got.P99, 99) || !near(got.Max, 100) {
		t.Errorf("%+v", got)
	}
	m.reset()
	if got := m.latency(0); got.Count != 0 || got.Failed != 0 || got.Failure != "" || got.Max != 0 || got.PerSecond != 0 {
		t.Errorf("after a reset %+v", got)
	}
}

func TestMeterTakesAnyTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMeter("any")
		for _, d := range rapid.SliceOf(rapid.Int64()).Draw(t, "times") {
			m.add(time.Duration(d), nil)
		}
		l := m.latency(time.Second)
		if l.Failed != 0 || l.Failure != "" || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max {
			t.Fatalf("%+v", l)
		}
	})
}

func TestRound(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 0, 1234567: 1235000, 0.00123456: 0.001235, -98765: -98770, 10: 10, math.Inf(1): 0, math.NaN(): 0} {
		if got := round(v); math.Abs(got-want) > math.Abs(want)*1e-9 {
			t.Errorf("%v becomes %v, want %v", v, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := newReport("fleet", "%d hosts", 10)
	r.Machine = Machine{2, "plan9/amd64", "go1"}
	r.addTime("deployment: creation to success", 1234567*time.Microsecond)
	r.add("lifecycle events", 70, "")
	r.addUsage(
		looks{&usage{at: time.Unix(0, 0)}, &usage{at: time.Unix(0, 0)}},
		looks{&usage{time.Unix(10, 0), 64 << 20, 96 << 20, 60 << 20, 5 * time.Second, 9, 12}, &usage{at: time.Unix(10, 0), processor: time.Second}},
	)
	m := newMeter("PutHostCommandComplete")
	m.add(8*time.Millisecond, nil)
	m.add(0, errors.New("connection refused"))
	r.addMeters(2*time.Second, m)
	small := costs(r, 10)
	r.Growth = []Step{{1, 10, small, r}, {10, 100, small, r}}
	r.Growth[0].PerOne[0].Ratio, r.Growth[0].PerOne[1].Ratio = 1, 1.5
	var out bytes.Buffer
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
