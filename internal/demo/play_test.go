package demo

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

func TestTheSummaryIsAFailureUnlessEverythingWentWell(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	ends := func(status types.DeploymentStatus, change func(*play)) (Summary, string, error) {
		var out bytes.Buffer
		p := &play{audience: newAudience("http://127.0.0.1:1", 1), accepted: &acceptance{at: begun}, screen: &lines{out: &out}}
		p.audience.tally.requests = 100
		p.audience.marks[versionOld] = &mark{first: begun.Add(-time.Second), last: begun.Add(12340 * time.Microsecond)}
		p.audience.marks[versionNew] = &mark{first: begun.Add(9 * time.Millisecond), last: begun.Add(time.Second)}
		change(p)
		s, err := p.conclude(progress{id: "d-ABCDEFGHI", status: status, problem: "MANUAL_STOP: somebody"})
		return s, out.String(), err
	}
	s, out, err := ends(types.DeploymentStatusSucceeded, func(*play) {})
	if want := (Summary{"d-ABCDEFGHI", "Succeeded", 100, 0, 9, 12.3}); err != nil || s != want {
		t.Errorf("got %+v, %v; want %+v", s, err, want)
	}
	if want := "\ndeployment d-ABCDEFGHI Succeeded\nrequests 100, failed 0\nfirst v2 answer 9.0 ms after ContinueDeployment\nlast v1 answer 12.3 ms after ContinueDeployment\n"; out != want {
		t.Errorf("it says %q, want %q", out, want)
	}
	for name, c := range map[string]struct {
		status types.DeploymentStatus
		change func(*play)
		want   string
	}{
		"stopped":     {types.DeploymentStatusStopped, func(p *play) { p.accepted.at = time.Time{} }, "deployment d-ABCDEFGHI is Stopped: MANUAL_STOP: somebody"},
		"lost":        {types.DeploymentStatusSucceeded, func(p *play) { p.audience.count("", "", errors.New("502 Bad Gateway")) }, "1 of 101 requests failed: [502 Bad Gateway]"},
		"never there": {types.DeploymentStatusSucceeded, func(p *play) { delete(p.audience.marks, versionNew) }, "v2 never answered"},
	} {
		if _, _, err := ends(c.status, c.change); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyAnAcceptedContinueDeploymentCounts(t *testing.T) {
	t.Parallel()
	var a acceptance
	a.observe("codedeploy", "GetDeployment", "", time.Millisecond)
	a.observe("codedeploy", "ContinueDeployment", "DeploymentIsNotInReadyStateException", time.Millisecond)
	if !a.time().IsZero() {
		t.Error("a refused call counts")
	}
	a.observe("codedeploy", "ContinueDeployment", "", time.Hour)
	first := a.time()
	a.observe("codedeploy", "ContinueDeployment", "", 0)
	if since := time.Since(first); since < time.Hour || a.time() != first {
		t.Errorf("it arrived %s ago", since)
	}
}
