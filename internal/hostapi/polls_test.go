package hostapi

import (
	"context"
	"testing"
	"time"
)

// TestAHostHoldsOnlySoManyPolls holds that one host can't have the server hold as many polls as its calls are allowed for: the oldest are answered, since
// their connections are the likeliest to be dead.
func TestAHostHoldsOnlySoManyPolls(t *testing.T) {
	t.Parallel()
	m := NewMailbox(fixedClock{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const more = 5
	ended := make(chan int, mostPolls+more)
	for i := range mostPolls + more {
		go func() {
			m.Wait(ctx, "host", time.Hour)
			ended <- i
		}()
		for m.Waiting() < min(i+1, mostPolls) {
			time.Sleep(time.Millisecond)
		}
		if i >= mostPolls {
			if got := <-ended; got != i-mostPolls {
				t.Errorf("the poll %d was answered for the poll %d, want the oldest", got, i)
			}
		}
	}
	if n := m.Waiting(); n != mostPolls {
		t.Errorf("%d polls are held", n)
	}
	cancel()
	for range mostPolls {
		<-ended
	}
	if len(m.boxes) != 0 {
		t.Errorf("left over: %v", m.boxes)
	}
}

type fixedClock struct{}

func (fixedClock) Now() time.Time { return time.Unix(1, 0) }
