package server

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
)

// TestAServerThatIsToldToStopServesOnUntilOthersTurnedAway: /readyz says so first, calls are answered, and who called is told to connect anew.
func TestAServerThatIsToldToStopServesOnUntilOthersTurnedAway(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Config.Linger = 5 * time.Minute
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	end, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(end) }()
	for status := http.StatusOK; status != http.StatusServiceUnavailable; {
		status, _ = page(t, s, "/readyz")
	}
	if _, err := codedeploy.NewFromConfig(sdk(s, testRoot)).CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: aws.String("web")}); err != nil {
		t.Errorf("a call meanwhile: %v", err)
	}
	answer, err := http.Get(s.Endpoint() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK || !answer.Close {
		t.Errorf("/healthz says %s, and the connection is kept: %t (%v)", answer.Status, !answer.Close, err)
	}
	cancel()
	if err := <-stopped; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := http.Get(s.Endpoint() + "/healthz"); err == nil {
		t.Error("somebody still answers")
	}
}
