package server

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"crossfade/internal/config"
	"crossfade/internal/sigv4"
)

// TestOthersAreToldOfADeployment: one that finds no instances, through triggers to a webhook, state changes to the same, and the stream.
func TestOthersAreToldOfADeployment(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan string, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		var message struct {
			EventTriggerName, Status, Message string
			Detail                            struct{ State string }
		}
		if err := json.Unmarshal(body, &message); err != nil {
			t.Error(err)
		}
		came <- message.EventTriggerName + message.Status + message.Detail.State
	}))
	defer hook.Close()
	o := options(t)
	const topic = "arn:aws:sns:us-east-1:000000000000:deployments"
	o.Config.Notifications.Webhooks = []config.Webhook{{Name: "ops", URL: hook.URL, Secrets: []string{secret}, Topics: []string{topic}, StateChanges: true}}
	s := start(t, o)

	stream := read(t, s, testRoot, eventsPath+"?application=shop")
	if stream.StatusCode != http.StatusOK {
		t.Fatalf("the stream answers %s", stream.Status)
	}
	host := addHost(t, s)
	for _, path := range []string{eventsPath, lostPath} {
		if a := read(t, s, host, path); a.StatusCode == http.StatusOK {
			t.Errorf("a host reads %s", path)
		}
	}

	client := codedeploy.NewFromConfig(sdk(s, testRoot))
	application, group := aws.String("shop"), aws.String("web")
	if _, err := client.CreateApplication(t.Context(), &codedeploy.CreateApplicationInput{ApplicationName: application}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateDeploymentGroup(t.Context(), &codedeploy.CreateDeploymentGroupInput{
		ApplicationName: application, DeploymentGroupName: group, ServiceRoleArn: aws.String("arn:aws:iam::000000000000:role/x"),
		TriggerConfigurations: []types.TriggerConfig{
			{TriggerName: aws.String("tell"), TriggerTargetArn: aws.String(topic), TriggerEvents: []types.TriggerEventType{
				types.TriggerEventTypeDeploymentStart, types.TriggerEventTypeDeploymentFailure,
			}},
			{TriggerName: aws.String("nobody"), TriggerTargetArn: aws.String(topic + "-not"), TriggerEvents: []types.TriggerEventType{types.TriggerEventTypeDeploymentStart}},
		},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateDeployment(t.Context(), &codedeploy.CreateDeploymentInput{
		ApplicationName: application, DeploymentGroupName: group, Revision: &types.RevisionLocation{
			RevisionType: types.RevisionLocationTypeS3, S3Location: &types.S3Location{Bucket: aws.String("releases"), Key: aws.String("none.zip"), BundleType: types.BundleTypeZip},
		},
	}); err != nil {
		t.Fatal(err)
	}
	triggers, states := []string{}, []string{}
	late := time.After(time.Minute)
	for !slices.Contains(triggers, "Failed") || !slices.Contains(triggers, "") || !slices.Contains(states, "FAILURE") {
		select {
		case what := <-came:
			if status, ok := strings.CutPrefix(what, "tell"); ok {
				triggers = append(triggers, status)
			} else {
				states = append(states, what)
			}
		case <-late:
			t.Fatalf("told was %v and %v", triggers, states)
		}
	}
	// The test of the trigger, which has no status, may come before or after.
	triggers = slices.DeleteFunc(triggers, func(s string) bool { return s == "" })
	if !slices.Equal(triggers, []string{"Created", "Failed"}) {
		t.Errorf("the trigger told %v", triggers)
	}
	var heard []string
	lines := bufio.NewScanner(stream.Body)
	for len(heard) < len(states) && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var event struct{ Detail struct{ State string } }
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				t.Fatal(err)
			}
			heard = append(heard, event.Detail.State)
		}
	}
	if !slices.Equal(heard, states) {
		t.Errorf("the stream told %v, the webhook %v", heard, states)
	}
	if _, metrics := page(t, s, "/metrics"); !strings.Contains(metrics, `crossfade_notifications_total{outcome="delivered",sink="webhook:ops"}`) {
		t.Error("the messages are not counted")
	}
	var given struct {
		Lost []struct{ Trigger, Topic, Problem string }
	}
	for len(given.Lost) == 0 {
		select {
		case <-late:
			t.Fatal("no message was given up")
		default:
		}
		if err := json.NewDecoder(read(t, s, testRoot, lostPath).Body).Decode(&given); err != nil {
			t.Fatal(err)
		}
	}
	if l := given.Lost[len(given.Lost)-1]; l.Trigger != "nobody" || l.Topic != topic+"-not" || !strings.Contains(l.Problem, "no sink takes the topic") {
		t.Errorf("given up was %+v", given)
	}
	// The stream, which has no end, ends with the server.
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream was broken off: %v", err)
	}
}

func read(t *testing.T, s *Server, key sigv4.Credential, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(r, key, "us-east-1", "crossfade", sigv4.Hash(nil), time.Now())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}
