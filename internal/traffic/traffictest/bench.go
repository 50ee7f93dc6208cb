package traffictest

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkReroute swaps two instances back and forth under 1,000 requests per second, one swap per iteration, and reports the medians of what a
// deployment waits for, and the number of lost requests:
//
//	in-ms      from the wish to bring the replacement in until it is settled
//	first-ms   from that wish to the first request at the replacement
//	last-ms    from the wish to take the original out to the last request that it got; 0 when it got none
//	out-ms     from that wish until it is settled
//	lost       requests without a proper answer, of all iterations
func BenchmarkReroute(b *testing.B, f *Fixture, method string, work time.Duration) {
	g := f.TargetGroups[0]
	old, next := newApp(b, "v1", echo(b, work)), newApp(b, "v2", echo(b, work))
	f.must(b, old.in(0, g))
	requests := pressure(b, func() string { return f.URL(g) }, method, 1000)
	times := make(map[string][]time.Duration)
	note := func(name string, d time.Duration) { times[name] = append(times[name], max(d, 0)) }
	generation := int64(0)
	for b.Loop() {
		generation++
		before, begin := next.handled.Load(), time.Now()
		f.must(b, next.in(generation, g))
		note("in-ms", time.Since(begin))
		for next.handled.Load() == before {
			time.Sleep(50 * time.Microsecond)
		}
		note("first-ms", time.Since(begin))
		begin = time.Now()
		f.must(b, old.out(generation, g))
		note("out-ms", time.Since(begin))
		note("last-ms", time.Unix(0, old.last.Load()).Sub(begin))
		old, next = next, old
	}
	total, failures := requests.stop()
	for name, all := range times {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name)
	}
	b.ReportMetric(float64(len(failures)), "lost")
	if len(failures) > 0 {
		b.Errorf("%d of %d requests were lost, the first: %s", len(failures), total, failures[0])
	}
}
