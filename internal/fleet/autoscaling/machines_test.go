package autoscaling_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"crossfade/internal/deploy"
	"crossfade/internal/fleet/autoscaling"
)

// answering is a driver whose calls of EC2 are answered one after the other, the last answer for ever, and what it asks.
func answering(t *testing.T, answers ...string) (d *autoscaling.Driver, asked func() []string) {
	t.Helper()
	var bodies []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if a := r.Header.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 Credential=A/") || !strings.Contains(a, "/eu-test-1/ec2/aws4_request") {
			t.Errorf("it is signed with %q", a)
		}
		answer := answers[min(len(bodies), len(answers)-1)]
		bodies = append(bodies, string(body))
		if status := 0; !strings.HasPrefix(answer, "<Describe") {
			if _, err := fmt.Sscanf(answer, "%d %s", &status, new(string)); err != nil {
				t.Error(err)
			}
			w.WriteHeader(status)
			_, answer, _ = strings.Cut(answer, " ")
		}
		io.WriteString(w, answer) //nolint:errcheck // the driver would say so
	}))
	t.Cleanup(s.Close)
	d, err := autoscaling.New(t.Context(), autoscaling.Options{
		Account: account, Region: "eu-test-1", Endpoint: s.URL, AccessKeyID: "A", SecretAccessKey: "B", Registry: registry(nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, func() []string { s.Close(); return bodies }
}

func page(next, id string) string {
	return `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><ownerId>210987654321</ownerId><instancesSet><item>
		<instanceId>` + id + `</instanceId><tagSet><item><key>a</key><value>b &amp; c</value></item></tagSet></item></instancesSet></item></reservationSet>` + next + `</DescribeInstancesResponse>`
}

const (
	busy    = `503 <Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Slow down.</Message></Error></Errors><RequestID>r</RequestID></Response>`
	denied  = `403 <Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized.</Message></Error></Errors><RequestID>r</RequestID></Response>`
	stalled = `502 <html>the proxy says no</html>`
)

// TestEC2IsAskedPageByPage holds that all pages are read, that a call that comes too fast or is lost on the way is made again, and what is asked.
func TestEC2IsAskedPageByPage(t *testing.T) {
	t.Parallel()
	d, asked := answering(t, busy, page("<nextToken>more+1</nextToken>", "i-0123456789abcdef0"), stalled, page("", "i-0123456789abcdef1"))
	all, err := d.Find(t.Context(), account, deploy.Selection{EC2Filters: []deploy.TagFilter{{Key: "a", Value: "b & c", Type: deploy.KeyAndValue}}})
	if err != nil || len(all) != 2 || all[0].Name != "i-0123456789abcdef0" || all[1].Name != "i-0123456789abcdef1" {
		t.Fatalf("found %+v, %v", all, err)
	}
	const first = "Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=pending&Filter.1.Value.2=running&Filter.1.Value.3=stopping&Filter.1.Value.4=stopped"
	second := first + "&NextToken=more%2B1"
	for i, want := range []string{first, first, second, second} {
		if got := asked(); i >= len(got) || got[i] != want+"&Version=2016-11-15" {
			t.Errorf("question %d is not %s: %q", i, want, got)
		}
	}
}

// TestEC2Refuses holds that a refusal says why, that one which another try does not change is asked for once, and that pages that go round in a circle
// come to an end.
func TestEC2Refuses(t *testing.T) {
	t.Parallel()
	round := page("<nextToken>again</nextToken>", "i-0123456789abcdef0")
	for name, tt := range map[string]struct {
		answers []string
		says    []string
		asked   int
	}{
		"a denial":        {[]string{denied}, []string{"describe EC2 instances", "UnauthorizedOperation", "You are not authorized."}, 1},
		"something else":  {[]string{`404 <html>not here</html>`}, []string{"status 404"}, 1},
		"no XML":          {[]string{`<DescribeInstancesResponse>`}, []string{"read EC2's answer to DescribeInstances"}, 1},
		"always the same": {[]string{round}, []string{`the page "again" again and again`}, 2},
		"busy for long":   {[]string{busy}, []string{"RequestLimitExceeded", "Slow down."}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, asked := answering(t, tt.answers...)
			_, err := d.Lookup(t.Context(), account, []string{"i-0123456789abcdef0"})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("it does not say %q: %v", part, err)
				}
			}
			if got := asked(); len(got) != tt.asked {
				t.Errorf("asked %d times, want %d", len(got), tt.asked)
			}
		})
	}
}
