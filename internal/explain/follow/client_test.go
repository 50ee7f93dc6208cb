package follow_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/explain/follow"
	"crossfade/internal/sigv4"
	"crossfade/internal/wire/control"
)

// door answers each operation with what is laid down for it, the n-th call with the n-th answer and the last one for ever.
type door struct {
	mu      sync.Mutex
	answers map[string][]string // an answer that begins with a number has that status
	calls   []string            // the operations with their bodies
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "CodeDeploy_20141006.")
	if err != nil || !ok || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/codedeploy/aws4_request") {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, operation+" "+string(body))
	list := d.answers[operation]
	if len(list) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if len(list) > 1 {
		d.answers[operation] = list[1:]
	}
	status, answer := http.StatusOK, list[0]
	if _, err := fmt.Sscanf(answer, "%d ", &status); err == nil {
		answer = answer[4:]
	}
	w.WriteHeader(status)
	if _, err := io.WriteString(w, answer); err != nil {
		panic(err)
	}
}

func client(t *testing.T, d http.Handler) *follow.Client {
	t.Helper()
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	return &follow.Client{
		Endpoint: s.URL, Region: "us-east-1", Credential: sigv4.Credential{AccessKeyID: "AKID", SecretAccessKey: "secret"}, HTTP: s.Client(),
		Now: func() time.Time { return begin },
	}
}

// TestReadFindsWhatIsAhead holds that a Queued deployment is read with the unfinished ones that are before it, over pages.
func TestReadFindsWhatIsAhead(t *testing.T) {
	t.Parallel()
	d := &door{answers: map[string][]string{
		"GetDeployment":         {`{"deploymentInfo":{"deploymentId":"d-3","status":"Queued","applicationName":"shop","deploymentGroupName":"prod","deploymentConfigName":"gone"}}`},
		"ListDeploymentTargets": {`400 {"__type":"DeploymentNotStartedException","message":"not yet"}`},
		"GetDeploymentConfig":   {`400 {"__type":"DeploymentConfigDoesNotExistException","message":"gone"}`},
		"ListDeployments":       {`{"deployments":["d-4","d-3"],"nextToken":"t"}`, `{"deployments":["d-2","d-1"]}`},
		"BatchGetDeployments": {`{"deploymentsInfo":[{"deploymentId":"d-4","status":"Queued"},{"deploymentId":"d-3","status":"Queued"},
			{"deploymentId":"d-2","status":"Queued"},{"deploymentId":"d-1","status":"Ready"}]}`},
	}}
	in, err := follow.Read(t.Context(), client(t, d), "d-3", "--region us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Ahead) != 2 || in.Ahead[0].DeploymentID != "d-1" || in.Ahead[0].Status != control.DeploymentStatusReady || in.Ahead[1].DeploymentID != "d-2" {
		t.Errorf("ahead of it are %+v", in.Ahead)
	}
	if in.Config != nil || in.Targets != nil || !in.Now.Equal(begin) || in.Options != "--region us-east-1" {
		t.Errorf("it reads %+v", in)
	}
	if calls := strings.Join(d.calls, "\n"); !strings.Contains(calls, `"nextToken":"t"`) || !strings.Contains(calls, `"includeOnlyStatuses":["Created","Queued","InProgress","Ready"]`) {
		t.Errorf("it asks\n%s", calls)
	}
}

// TestReadFindsWhoHasTheHost holds that the deployment which works on a host is found for one that waits for the host, and not one that waits
// for it as well.
func TestReadFindsWhoHasTheHost(t *testing.T) {
	t.Parallel()
	event := `{"lifecycleEventName":"Install","status":"%s"%s}`
	pending, running := fmt.Sprintf(event, "Pending", ""), fmt.Sprintf(event, "InProgress", `,"startTime":1772618400`)
	of := func(id, events string) string {
		return fmt.Sprintf(`{"deploymentTargetType":"InstanceTarget","instanceTarget":{"targetId":"%s","status":"InProgress","lifecycleEvents":[%s]}}`, id, events)
	}
	summary := func(arn, events string) string {
		return fmt.Sprintf(`{"instanceId":"%s","status":"InProgress","lifecycleEvents":[%s]}`, arn, events)
	}
	d := &door{answers: map[string][]string{
		"GetDeployment":             {`{"deploymentInfo":{"deploymentId":"d-1","status":"InProgress"}}`},
		"ListDeploymentTargets":     {`{"targetIds":["web_1","web-2","i-1"]}`},
		"BatchGetDeploymentTargets": {`{"deploymentTargets":[` + of("web_1", pending) + `,` + of("web-2", running) + `,` + of("i-1", pending) + `]}`},
		"ListDeployments":           {`{"deployments":["d-3","d-2","d-1"]}`},
		"BatchGetDeployments":       {`{"deploymentsInfo":[{"deploymentId":"d-3","status":"InProgress"},{"deploymentId":"d-2","status":"InProgress"},{"deploymentId":"d-1","status":"InProgress"}]}`},
		"BatchGetDeploymentInstances": {
			`{"instancesSummary":[` + summary("arn:aws:codedeploy:us-east-1:000000000000:instance/web_1_AbCdEf", pending) + `]}`,
			`{"instancesSummary":[` + summary("arn:aws:codedeploy:us-east-1:000000000000:instance/web_1_AbCdEf", running) + `,` + summary("arn:aws:ec2:us-east-1:000000000000:instance/i-1", running) + `]}`,
		},
	}}
	in, err := follow.Read(t.Context(), client(t, d), "d-1", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Holders) != 2 || in.Holders["web_1"] != "d-3" || in.Holders["i-1"] != "d-3" {
		t.Errorf("the hosts are with %v", in.Holders)
	}
	if calls := strings.Join(d.calls, "\n"); !strings.Contains(calls, `BatchGetDeploymentInstances {"deploymentId":"d-2","instanceIds":["web_1","i-1"]}`) {
		t.Errorf("it asks\n%s", calls)
	}
}

// TestAnswers holds which answers end the reading for good, and that each error says what was read and what is wrong.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for answer, says := range map[string]string{
		`400 {"__type":"DeploymentDoesNotExistException","message":"no such"}`: "read deployment d-1: DeploymentDoesNotExistException: no such",
		`403 <html>`:    "read deployment d-1: the server answers 403 Forbidden",
		`<html>`:        "the answer is no JSON: is ",
		`{}`:            "has no deployment: is it a Crossfade server?",
		`503 later`:     "read deployment d-1: the server answers 503",
		`429 too often`: "read deployment d-1: the server answers 429",
	} {
		_, err := client(t, &door{answers: map[string][]string{"GetDeployment": {answer}}}).Deployment(t.Context(), "d-1")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is %v, want %s", answer, err, says)
		}
		if final := !follow.MayPass(err); final == strings.Contains(answer, " ") && strings.Contains("503 429", answer[:3]) {
			t.Errorf("%s is final: %t", answer, final)
		}
	}
	c := client(t, &door{})
	c.Endpoint = "http://127.0.0.1:1"
	if _, err := c.Deployment(t.Context(), "d-1"); !follow.MayPass(err) {
		t.Errorf("no server is %v", err)
	}
}

// TestReadErrors holds that an error of any call is passed on.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"GetDeployment":             `{"deploymentInfo":{"deploymentId":"d-1","status":"InProgress","deploymentConfigName":"c"}}`,
		"ListDeploymentTargets":     `{"targetIds":["a"]}`,
		"BatchGetDeploymentTargets": `{"deploymentTargets":[{"instanceTarget":{"targetId":"a","status":"InProgress"}}]}`,
		"GetDeploymentConfig":       `{"deploymentConfigInfo":{}}`,
		"ListDeployments":           `{"deployments":["d-2"]}`,
		"BatchGetDeployments":       `{"deploymentsInfo":[{"deploymentId":"d-2","status":"InProgress"}]}`, "BatchGetDeploymentInstances": `{}`,
	}
	for broken := range good {
		d := &door{answers: map[string][]string{}}
		for operation, answer := range good {
			d.answers[operation] = []string{answer}
		}
		d.answers[broken] = []string{`400 {"__type":"AccessDeniedException","message":"no"}`}
		var no *follow.Refusal
		if _, err := follow.Read(t.Context(), client(t, d), "d-1", ""); !errors.As(err, &no) || no.Code != "AccessDeniedException" {
			t.Errorf("when %s is refused the error is %v", broken, err)
		}
	}
}
