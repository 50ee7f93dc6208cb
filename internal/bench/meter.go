package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of a meter. What is longer counts as the longest.
const (
	shortestTime = time.Microsecond
	longestTime  = 10 * time.Minute
	digits       = 3 // that percentiles are right to
)

// meter collects how long things took and how many failed. It is safe for concurrent use.
type meter struct {
	name string

	mu     sync.Mutex
	times  *hdrhistogram.Histogram // in microseconds
	failed int
	first  error // of those that failed
}

func newMeter(name string) *meter {
	return &meter{name: name, times: hdrhistogram.New(int64(shortestTime/time.Microsecond), int64(longestTime/time.Microsecond), digits)}
}

// add counts one that took so long, or failed.
func (m *meter) add(took time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if m.failed++; m.failed == 1 {
			m.first = err
		}
		return
	}
	// The range is kept here, so that the histogram has nothing to refuse.
	us := min(max(took, shortestTime), longestTime) / time.Microsecond
	if err := m.times.RecordValue(int64(us)); err != nil && m.first == nil {
		m.first = err
	}
}

// reset forgets everything, before a measured window.
func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.times.Reset()
	m.failed, m.first = 0, nil
}

// count is how many succeeded.
func (m *meter) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.times.TotalCount())
}

// latency is what was collected. over is the time in which it was; zero: no rate is given.
func (m *meter) latency(over time.Duration) Latency {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := func(q float64) Milliseconds {
		return milliseconds(time.Duration(m.times.ValueAtQuantile(q)) * time.Microsecond)
	}
	l := Latency{
		Name: m.name, Count: int(m.times.TotalCount()), Failed: m.failed,
		P50: at(50), P90: at(90), P99: at(99), Max: milliseconds(time.Duration(m.times.Max()) * time.Microsecond),
	}
	if m.first != nil {
		l.Failure = m.first.Error()
	}
	if over > 0 {
		l.PerSecond = round(float64(l.Count) / over.Seconds())
	}
	return l
}
