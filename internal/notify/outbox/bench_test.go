package outbox_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"crossfade/internal/notify"
	"crossfade/internal/notify/outbox"
)

// BenchmarkDeliveries measures messages of triggers from the store to a sink that takes them at once, each kept as delivered on disk.
func BenchmarkDeliveries(b *testing.B) {
	s := openStore(b, b.TempDir())
	g, err := seed(b.Context(), s)
	if err != nil {
		b.Fatal(err)
	}
	came := make(chan struct{}, 1024)
	a := &sink{answer: func(notify.Message) error {
		came <- struct{}{}
		return nil
	}}
	for i := range b.N/4 + 1 {
		if err := run(b.Context(), s, g, fmt.Sprintf("d-%09d", i), time.Now().UTC(), arn+"a"+fmt.Sprint(i%8)); err != nil {
			b.Fatal(err)
		}
	}
	o, err := outbox.Start(b.Context(), outbox.Config{
		Store: s, Clock: systemClock{}, Words: words, Jitter: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
		Routes: notify.Routes{Mapped: []notify.Route{{Name: "a", Sink: a, Topics: []string{"arn:*"}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		<-came
	}
	b.StopTimer()
	o.Stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
