package recent_test

import (
	"sync"
	"testing"

	"crossfade/internal/recent"
)

func TestWhatIsInUseStays(t *testing.T) {
	t.Parallel()
	m := recent.New[int, int](100)
	m.Put(-1, 7)
	for i := range 1000 {
		m.Put(i, i)
		if v, ok := m.Get(-1); !ok || v != 7 {
			t.Fatalf("after %d others it was %d, %t", i+1, v, ok)
		}
		if n := m.Len(); n > 100 {
			t.Fatalf("there are %d", n)
		}
	}
	if _, ok := m.Get(0); ok {
		t.Error("what nobody asked for is still there")
	}
}

func TestTheLastValueCounts(t *testing.T) {
	t.Parallel()
	m := recent.New[string, int](4)
	for i, key := range []string{"a", "b", "c", "a"} { // a is in the older generation when it is put again
		m.Put(key, i)
	}
	if v, ok := m.Get("a"); !ok || v != 3 {
		t.Errorf("got %d, %t", v, ok)
	}
	if v := m.GetOr("a", func() int { return 9 }); v != 3 {
		t.Errorf("got %d", v)
	}
	m.Delete("a")
	if _, ok := m.Get("a"); ok {
		t.Error("it is there after Delete")
	}
	if v := m.GetOr("a", func() int { return 9 }); v != 9 {
		t.Errorf("made %d", v)
	}
	m.Clear()
	if n := m.Len(); n != 0 {
		t.Errorf("%d are there after Clear", n)
	}
}

func TestDeleteHoldsBesideGet(t *testing.T) {
	t.Parallel()
	m := recent.New[int, int](2) // so that everything moves between generations all the time
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				m.Get(i % 3)
			}
		})
	}
	for i := range 2000 {
		m.Put(i%3, i)
		m.Delete(i % 3)
		if _, ok := m.Get(i % 3); ok {
			t.Fatal("it came back")
		}
	}
	wg.Wait()
}
