package counterpart_test

import (
	"io"
	"net/http"
	"testing"

	"crossfade/internal/counterpart"
)

func TestCounterpartsAnswer(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) string{
		"moto":         func(t *testing.T) string { return counterpart.Moto(t) + "/moto-api/" },
		"prometheus":   func(t *testing.T) string { return counterpart.Prometheus(t, "") + "/-/ready" },
		"alertmanager": func(t *testing.T) string { return counterpart.Alertmanager(t, "") + "/-/ready" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := http.Get(start(t))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if text, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || err != nil {
				t.Errorf("%s: %.500s, %v", answer.Status, text, err)
			}
		})
	}
}
