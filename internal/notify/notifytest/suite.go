// Package notifytest is the suite that every sink passes: that what the receiver has taken is what was sent, and that a sink tells a receiver that
// refuses for good from one that is only out of order.
//
// It knows no sink. Receivers are real ones, or stand behind a server that speaks their protocol; the package owns neither.
package notifytest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade/internal/notify"
)

// Trouble is what a receiver can be made to do.
type Trouble string

// The troubles.
const (
	NoTrouble Trouble = "none"
	Busy      Trouble = "busy"   // asks to come later
	Broken    Trouble = "broken" // answers with a fault of its own
	Silent    Trouble = "silent" // takes no connection, or closes it without an answer
	Gone      Trouble = "gone"   // wants no such message, now or later
	Hanging   Trouble = "hangs"  // does not answer while the caller waits
)

// Receiver is what a sink sends to.
type Receiver struct {
	Sink notify.Sink
	// Topic is one that the receiver knows; empty where the sink needs none.
	Topic string
	// Trouble sets what the receiver does from now on.
	Trouble func(Trouble)
	// Received waits until at least so many bodies have been taken, and returns all of them.
	Received func(t *testing.T, least int) []string
	// Secrets must not be seen in errors.
	Secrets []string
}

func (r Receiver) message(id, body string) notify.Message {
	return notify.Message{
		ID: id, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Topic: r.Topic, Order: "d-1", Subject: "FAILED: AWS CodeDeploy d-1 in here to shop", Body: []byte(body),
	}
}

// Run runs the suite. open returns a receiver that has got nothing yet.
func Run(t *testing.T, open func(t *testing.T) Receiver) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, Receiver)
	}{
		{"bodies arrive as they are", bodies},
		{"subjects of any form", subjects},
		{"the same message twice", twice},
		{"many at once", manyAtOnce},
		{"troubles", troubles},
		{"a context that ends", contextEnds},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

func send(t *testing.T, r Receiver, m notify.Message) {
	t.Helper()
	if err := r.Sink.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func bodies(t *testing.T, r Receiver) {
	want := []string{`{"a":"b"}`, `{"text":"Ü < & > \" \\ \u2028 % + 日本"}`, `{"long":"` + strings.Repeat("x&=% ", 20_000) + `"}`}
	for i, body := range want {
		send(t, r, r.message(fmt.Sprint("m-", i), body))
	}
	got := r.Received(t, len(want))
	if slices.Sort(got); !slices.Equal(got, sorted(want)) {
		t.Errorf("received %.300q, want %.300q", got, want)
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func subjects(t *testing.T, r Receiver) {
	all := []string{"", "two\r\nlines: x", "Ümläut 日本", strings.Repeat("long ", 100), " blank first", "~"}
	for i, subject := range all {
		m := r.message(fmt.Sprint("m-", i), fmt.Sprintf(`{"n":%d}`, i))
		m.Subject = subject
		send(t, r, m)
	}
	if got := r.Received(t, len(all)); len(got) != len(all) {
		t.Errorf("received %q", got)
	}
}

func twice(t *testing.T, r Receiver) {
	for range 2 {
		send(t, r, r.message("same", `{"same":"yes"}`))
	}
	for _, body := range r.Received(t, 1) {
		if body != `{"same":"yes"}` {
			t.Errorf("received %s", body)
		}
	}
}

func manyAtOnce(t *testing.T, r Receiver) {
	const many = 20
	failed := make(chan error, many)
	for i := range many {
		go func() {
			failed <- r.Sink.Send(t.Context(), r.message(fmt.Sprint("m-", i), fmt.Sprintf(`{"n":%d}`, i)))
		}()
	}
	for range many {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	got := slices.Compact(sorted(r.Received(t, many)))
	if len(got) != many {
		t.Errorf("%d of %d were received", len(got), many)
	}
}

func troubles(t *testing.T, r Receiver) {
	for _, trouble := range []Trouble{Busy, Broken, Silent, Gone} {
		r.Trouble(trouble)
		err := r.Sink.Send(t.Context(), r.message("m-"+string(trouble), `{"trouble":"yes"}`))
		if err == nil || notify.IsPermanent(err) != (trouble == Gone) {
			t.Errorf("a receiver that is %s: %v (permanent: %t)", trouble, err, notify.IsPermanent(err))
			continue
		}
		for _, secret := range r.Secrets {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("a receiver that is %s: the error shows a secret: %v", trouble, err)
			}
		}
	}
	r.Trouble(NoTrouble)
	send(t, r, r.message("m-after", `{"trouble":"no"}`))
	if got := r.Received(t, 1); !slices.Equal(got, []string{`{"trouble":"no"}`}) {
		t.Errorf("received %q", got)
	}
}

func contextEnds(t *testing.T, r Receiver) {
	r.Trouble(Hanging)
	defer r.Trouble(NoTrouble)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Sink.Send(ctx, r.message("m", `{}`)); err == nil || notify.IsPermanent(err) {
		t.Errorf("nobody waited any more, and the error is %v", err)
	}
}
