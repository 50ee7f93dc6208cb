package notify_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/deploy"
	"crossfade/internal/notify"

	"github.com/google/uuid"
)

var update = flag.Bool("update", false, "write the golden files")

var words = notify.Words{Region: "eu-central-1", Server: uuid.MustParse("6ba7b810-9dad-41d1-80b4-00c04fd430c8")}

const topic = "arn:aws:sns:eu-central-1:111122223333:deployments"

var start = time.Date(2015, 11, 5, 18, 3, 8, 595_999_999, time.UTC)

// deployment is a notice of a deployment.
func deployment(moment deploy.Moment, status deploy.Status) deploy.Notice {
	n := deploy.Notice{
		Moment: moment, At: start.Add(time.Minute), Account: "111122223333", ApplicationID: "a-id", Application: "Shop & <Café>",
		GroupID: "8f8a6d5e-0000-4000-8000-000000000001", Group: "web", DeploymentID: "d-ABCDEF123", CreatedAt: start, Status: status,
		Overview: deploy.Counts{Pending: 1, InProgress: 2, Succeeded: 3, Failed: 4, Skipped: 5, Ready: 6},
	}
	if status.Terminal() {
		n.CompletedAt = start.Add(time.Minute)
	}
	return n
}

func failed() deploy.Notice {
	n := deployment(deploy.MomentFailed, deploy.StatusFailed)
	n.Error = &deploy.ErrorInfo{Code: "HEALTH_CONSTRAINTS", Message: `Too many instances failed: "web-1".`}
	return n
}

func instance(moment deploy.Moment, status deploy.TargetStatus) deploy.Notice {
	n := deployment(moment, deploy.StatusInProgress)
	n.Instance = &deploy.NoticeInstance{
		ID: "web-1", ARN: "arn:aws:codedeploy:eu-central-1:111122223333:instance/web-1_x", Status: status, UpdatedAt: start.Add(30 * time.Second),
		Events: []deploy.LifecycleEvent{
			{Name: "ApplicationStop", Status: deploy.EventSucceeded, StartedAt: start, EndedAt: start.Add(time.Millisecond)},
			{Name: "DownloadBundle", Status: deploy.EventInProgress, StartedAt: start.Add(time.Second)},
			{Name: "Install", Status: deploy.EventPending},
		},
	}
	return n
}

// TestDocuments holds every document to a file that a person has read.
func TestDocuments(t *testing.T) {
	t.Parallel()
	trigger := notify.Trigger{Number: 7, Name: "tell-all", Topic: topic}
	rolled := failed()
	rolled.Moment = deploy.MomentRollback
	rolled.Rollback = &deploy.RollbackInfo{DeploymentID: "d-BACK", Message: "Deployment d-ABCDEF123 terminated. Automatic rollback is triggered."}
	ready := deployment(deploy.MomentReady, deploy.StatusReady)
	ready.BlueGreen = true
	stopped := deployment(deploy.MomentStopped, deploy.StatusStopped)
	stopped.Error = &deploy.ErrorInfo{Code: "MANUAL_STOP", Message: "The deployment was stopped."}
	for name, n := range map[string]deploy.Notice{
		"created": deployment(deploy.MomentCreated, deploy.StatusCreated), "ready": ready,
		"succeeded": deployment(deploy.MomentSucceeded, deploy.StatusSucceeded), "failed": failed(), "stopped": stopped, "rollback": rolled,
		"instance-started": instance(deploy.MomentInstanceStarted, deploy.TargetInProgress), "instance-failed": instance(deploy.MomentInstanceFailed, deploy.TargetFailed),
		"test": {Moment: notify.MomentTest, At: start, Account: "111122223333", Application: "Shop", Group: "web"},
	} {
		golden(t, "trigger-"+name, words.Trigger(trigger, n, false))
	}
	golden(t, "trigger-failed-double", words.Trigger(trigger, failed(), true))
	golden(t, "trigger-instance-started-double", words.Trigger(trigger, instance(deploy.MomentInstanceStarted, deploy.TargetInProgress), true))
	for name, n := range map[string]deploy.Notice{
		"deployment": failed(), "instance": instance(deploy.MomentInstanceSucceeded, deploy.TargetSucceeded),
	} {
		m, ok := words.StateChange(7, n)
		if !ok {
			t.Errorf("%s is no change of state", name)
		}
		golden(t, "state-"+name, m)
	}
}

func golden(t *testing.T, name string, m notify.Message) {
	t.Helper()
	if !json.Valid(m.Body) {
		t.Errorf("%s is no JSON: %s", name, m.Body)
	}
	got := fmt.Sprintf("ID: %s\nAt: %s\nTopic: %s\nOrder: %s\nSubject: %s\n\n%s\n", m.ID, m.At.Format(time.RFC3339Nano), m.Topic, m.Order, m.Subject, m.Body)
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

// TestStates holds the table of the specification.
func TestStates(t *testing.T) {
	t.Parallel()
	for moment, want := range map[deploy.Moment]string{
		deploy.MomentCreated: "", deploy.MomentQueued: "QUEUED", deploy.MomentStarted: "START", deploy.MomentReady: "READY", deploy.MomentSucceeded: "SUCCESS",
		deploy.MomentFailed: "FAILURE", deploy.MomentStopped: "STOP", deploy.MomentRollback: "",
		deploy.MomentInstanceStarted: "START", deploy.MomentInstanceReady: "READY", deploy.MomentInstanceSucceeded: "SUCCESS", deploy.MomentInstanceFailed: "FAILURE",
	} {
		n := deployment(moment, deploy.StatusInProgress)
		if strings.HasPrefix(string(moment), "Instance") {
			n = instance(moment, deploy.TargetInProgress)
		}
		m, ok := words.StateChange(1, n)
		if ok != (want != "") || ok && !strings.Contains(string(m.Body), `"state":"`+want+`"`) {
			t.Errorf("%s is told as %s, want %q", moment, m.Body, want)
		}
	}
}

// TestEveryValueIsAString holds that a trigger's message has strings only: nested in objects, or, where it is asked for, encoded in strings.
func TestEveryValueIsAString(t *testing.T) {
	t.Parallel()
	for _, n := range []deploy.Notice{failed(), instance(deploy.MomentInstanceReady, deploy.TargetReady)} {
		for _, double := range []bool{false, true} {
			var document map[string]any
			if err := json.Unmarshal(words.Trigger(notify.Trigger{}, n, double).Body, &document); err != nil {
				t.Fatal(err)
			}
			for key, value := range document {
				if _, text := value.(string); double && !text {
					t.Errorf("%s is %v", key, value)
				}
				onlyStrings(t, key, value)
			}
		}
	}
}

func onlyStrings(t *testing.T, key string, value any) {
	t.Helper()
	switch v := value.(type) {
	case string:
	case map[string]any:
		for k, inner := range v {
			onlyStrings(t, key+"."+k, inner)
		}
	case []any:
		for _, inner := range v {
			onlyStrings(t, key, inner)
		}
	default:
		t.Errorf("%s is %v", key, value)
	}
}

func TestIdentifiers(t *testing.T) {
	t.Parallel()
	state := func(w notify.Words, id int64) string {
		m, _ := w.StateChange(id, failed())
		return m.ID
	}
	other := notify.Words{Region: words.Region, Server: uuid.MustParse("6ba7b811-9dad-41d1-80b4-00c04fd430c8")}
	trigger := words.Trigger(notify.Trigger{Number: 1}, failed(), false).ID
	ids := map[string]bool{state(words, 1): true, state(words, 2): true, state(other, 1): true, trigger: true}
	if len(ids) != 4 || !ids[state(words, 1)] || words.Trigger(notify.Trigger{Number: 1}, failed(), true).ID != trigger {
		t.Errorf("ids repeat or change: %v", ids)
	}
	for id := range ids {
		if _, err := uuid.Parse(id); err != nil {
			t.Error(err)
		}
	}
}
