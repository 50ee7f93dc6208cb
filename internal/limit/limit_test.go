package limit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestABucketEmptiesAndFills(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	l := New(Rule{Rate: 2, Burst: 3}, 100, func() time.Time { return now })
	allowed := func(key string, calls int) (n int) {
		for range calls {
			if l.Allow(key) {
				n++
			}
		}
		return n
	}
	if n := allowed("a", 10); n != 3 {
		t.Errorf("%d of a burst of 10", n)
	}
	if n := allowed("b", 10); n != 3 {
		t.Errorf("%d of another key's", n)
	}
	now = now.Add(time.Second)
	if n := allowed("a", 10); n != 2 {
		t.Errorf("%d after a second", n)
	}
	now = now.Add(time.Hour)
	if n := allowed("a", 10); n != 3 {
		t.Errorf("%d after a rest", n)
	}
	now = now.Add(-time.Minute)
	if n := allowed("a", 10); n != 0 {
		t.Errorf("%d with a clock that was set back", n)
	}
}

func TestNoRuleLimitsNothing(t *testing.T) {
	t.Parallel()
	l := New(Rule{}, 10, time.Now)
	for range 1000 {
		if !l.Allow("a") {
			t.Fatal("refused")
		}
	}
}

// TestMemoryIsBounded: however many keys come, only so many are remembered, and one that keeps calling is among them.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := New(Rule{Rate: 0.001, Burst: 1}, 100, func() time.Time { return now })
	l.Allow("busy")
	for i := range 10_000 {
		l.Allow(fmt.Sprint(i))
		if i%10 == 0 && l.Allow("busy") {
			t.Fatalf("after %d others its bucket was forgotten", i)
		}
	}
	if n := l.buckets.Len(); n > 100 {
		t.Errorf("%d keys are remembered", n)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := New(Rule{Rate: 1, Burst: 50}, 100, func() time.Time { return now })
	var allowed atomic.Int32
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 100 {
				if l.Allow("a") {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := allowed.Load(); n != 50 {
		t.Errorf("%d of 1000 were allowed", n)
	}
}
