package test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"crossfade/internal/counterpart"
	"crossfade/internal/sigv4"
)

// triggerMessage is what the documents say of a trigger's messages; a member more is a mistake.
type triggerMessage struct {
	Region              string `json:"region"`
	AccountID           string `json:"accountId"`
	EventTriggerName    string `json:"eventTriggerName"`
	ApplicationName     string `json:"applicationName"`
	DeploymentID        string `json:"deploymentId"`
	DeploymentGroupName string `json:"deploymentGroupName"`
	Message             string `json:"message"` // of a test

	CreateTime          string                                                                                  `json:"createTime"`
	CompleteTime        string                                                                                  `json:"completeTime"`
	DeploymentOverview  map[string]string                                                                       `json:"deploymentOverview"`
	Status              string                                                                                  `json:"status"`
	ErrorInformation    *struct{ ErrorCode, ErrorMessage string }                                               `json:"errorInformation"`
	RollbackInformation *struct{ RollbackDeploymentId, RollbackTriggeringDeploymentId, RollbackMessage string } `json:"rollbackInformation"` //nolint:revive // as the document has it

	InstanceID      string                                                                      `json:"instanceId"`
	LastUpdatedAt   string                                                                      `json:"lastUpdatedAt"`
	InstanceStatus  string                                                                      `json:"instanceStatus"`
	LifecycleEvents []struct{ LifecycleEvent, LifecycleEventStatus, StartTime, EndTime string } `json:"lifecycleEvents"`
}

// what says in a word what a message tells.
func (m triggerMessage) what() string {
	switch {
	case m.Message != "":
		return "test"
	case m.InstanceID != "":
		name, _, _ := strings.Cut(m.InstanceID[strings.LastIndex(m.InstanceID, "/")+1:], "_")
		return name + " " + m.InstanceStatus
	case m.RollbackInformation != nil:
		return "Rollback"
	default:
		return m.Status
	}
}

// check holds what is so of every message.
func (m triggerMessage) check(t *testing.T) {
	t.Helper()
	bad := m.Region != region || m.AccountID != "000000000000" || !strings.HasPrefix(m.EventTriggerName, "to ")
	times := []string{}
	switch {
	case m.Message != "":
		bad = bad || m.ApplicationName == "" || m.DeploymentGroupName == "" || m.DeploymentID != ""
	case m.InstanceID != "":
		times = append(times, m.LastUpdatedAt)
		bad = bad || !strings.HasPrefix(m.InstanceID, "arn:aws:codedeploy:"+region+":000000000000:instance/") || len(m.LifecycleEvents) == 0
		for _, e := range m.LifecycleEvents {
			if e.EndTime != "" {
				times = append(times, e.StartTime, e.EndTime)
			}
			bad = bad || e.LifecycleEvent == "" || e.LifecycleEventStatus == ""
		}
	default:
		times = append(times, m.CreateTime)
		ended := m.Status == "Failed" || m.Status == "Stopped"
		if ended || m.Status == "Succeeded" {
			times = append(times, m.CompleteTime)
		}
		bad = bad || (m.ErrorInformation != nil) != ended || m.DeploymentOverview["Succeeded"] == ""
	}
	for _, text := range times {
		whole, decimals, _ := strings.Cut(text, ".")
		if _, err := strconv.Atoi(whole); err != nil || len(decimals) != 3 {
			bad = true
		}
	}
	if bad {
		t.Errorf("a message is not as documented: %+v", m)
	}
}

// inbox keeps what a receiver was sent.
type inbox[M any] struct {
	mu  sync.Mutex
	all []M
}

func (i *inbox[M]) put(m M) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all = append(i.all, m)
}

func (i *inbox[M]) have() []M {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.all)
}

// told is what the messages of a deployment tell, in the order in which they came; the empty deployment is for tests of triggers.
func told(all []triggerMessage, id string) []string {
	var out []string
	for _, m := range all {
		if m.DeploymentID == id {
			out = append(out, m.what())
		}
	}
	return out
}

// receiver is a webhook of the test.
type receiver struct {
	url    string
	secret string
	// refuse answers instead, unless it returns false; nothing of what it refuses counts as received.
	refuse func(w http.ResponseWriter, id string) bool

	mu    sync.Mutex
	ids   map[string]bool
	came  inbox[triggerMessage]
	state inbox[event]
}

// event is a change of state in the form of EventBridge.
type event struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     struct {
		InstanceGroupID string `json:"instanceGroupId"`
		InstanceID      string `json:"instanceId"`
		Region          string `json:"region"`
		Application     string `json:"application"`
		DeploymentID    string `json:"deploymentId"`
		DeploymentGroup string `json:"deploymentGroup"`
		State           string `json:"state"`
	} `json:"detail"`
}

func exactly(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// receive starts a webhook that takes what is signed as Standard Webhooks asks, each message once.
func receive(t *testing.T, refuse func(http.ResponseWriter, string) bool) *receiver {
	t.Helper()
	r := &receiver{secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte("a key of thirty-two bytes for it")), refuse: refuse, ids: map[string]bool{}}
	verifier, err := standardwebhooks.NewWebhook(r.secret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return // the sender was killed
		}
		if err := verifier.Verify(body, q.Header); err != nil {
			t.Errorf("%s is not signed: %v", body, err)
		}
		id := q.Header.Get("Webhook-Id")
		if r.refuse != nil && r.refuse(w, id) {
			return
		}
		r.take(t, id, body)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) take(t *testing.T, id string, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids[id] {
		return // at least once
	}
	r.ids[id] = true
	if bytes.Contains(body, []byte(`"detail-type"`)) {
		var e event
		if err := exactly(body, &e); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		r.state.put(e)
		return
	}
	var m triggerMessage
	if err := exactly(body, &m); err != nil {
		t.Errorf("%v: %s", err, body)
	}
	r.came.put(m)
}

// telling is the configuration of a webhook.
func (r *receiver) telling(name, topic string, stateChanges bool) string {
	return fmt.Sprintf("    - {name: %s, url: '%s', secrets: [%s], topics: ['%s'], stateChanges: %t}\n", name, r.url, r.secret, topic, stateChanges)
}

const topics = "arn:aws:sns:" + region + ":000000000000:"

// triggers has a group tell the topics of all that triggers can tell.
func triggers(all ...string) func(*codedeploy.CreateDeploymentGroupInput) {
	return func(in *codedeploy.CreateDeploymentGroupInput) {
		for _, topic := range all {
			in.TriggerConfigurations = append(in.TriggerConfigurations, types.TriggerConfig{
				TriggerName: aws.String("to " + topic), TriggerTargetArn: aws.String(topics + topic), TriggerEvents: types.TriggerEventType("").Values(),
			})
		}
	}
}

// subscribed is what comes to a topic of moto's, by an http subscription.
func subscribed(t *testing.T, moto, topic string) *inbox[triggerMessage] {
	t.Helper()
	in := &inbox[triggerMessage]{}
	subscriber := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var envelope struct{ Type, TopicArn, Message, Subject string }
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &envelope)
		}
		if err == nil && envelope.Type != "Notification" {
			return
		}
		var m triggerMessage
		if err == nil {
			err = exactly([]byte(envelope.Message), &m)
		}
		if err != nil || !strings.Contains(envelope.Subject, "AWS CodeDeploy") {
			t.Errorf("SNS sent %q with %s: %v", envelope.Subject, body, err)
		}
		in.put(m)
	}))
	t.Cleanup(subscriber.Close)
	client := sns.New(sns.Options{Region: region, BaseEndpoint: &moto, Credentials: credentials.NewStaticCredentialsProvider("KEY", "a-secret-key", "")})
	made, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &topic})
	if err == nil {
		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("http"), Endpoint: &subscriber.URL})
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestTriggersOfABlueGreenDeployment tells all ten events to a webhook and to SNS alike, each deployment's in its order.
func TestTriggersOfABlueGreenDeployment(t *testing.T) {
	t.Parallel()
	moto := counterpart.Moto(t)
	// moto_server takes topics of its own account only, which the region's ARN names; Crossfade doesn't mind whose topic it is.
	const account = "123456789012"
	mail := subscribed(t, moto, "by-sns")
	hook := receive(t, nil)
	s := newStand(t)
	s.configured(fmt.Sprintf("notifications:\n  sns: {enabled: true, endpoint: '%s', accessKeyId: KEY, secretAccessKey: a-secret-key}\n  webhooks:\n", moto) +
		hook.telling("chat", topics+"by-hook", false))
	s.shop(func(in *codedeploy.CreateDeploymentGroupInput) {
		triggers("by-hook", "by-sns")(in)
		in.TriggerConfigurations[1].TriggerTargetArn = aws.String("arn:aws:sns:" + region + ":" + account + ":by-sns")
	})
	back := s.blueGreen(s.upload("v2.zip", bundle(t, "v2", nil)), nil)
	s.awaitStatus(back, types.DeploymentStatusReady)
	s.goOn(back, types.DeploymentWaitTypeReadyWait)
	s.await(back, "the termination wait runs", func(i *types.DeploymentInfo) bool { return i.InstanceTerminationWaitTimeStarted })
	s.halt(back, aws.Bool(true))
	rollback := aws.ToString(s.rolledBack(back, types.DeploymentStatusStopped).DeploymentId)
	broken := s.blueGreen(s.upload("broken.zip", bundle(t, "v3", map[string]string{"scripts/validate.sh": "#!/bin/sh\nexit 3\n"})), nil)
	s.fails(broken)

	for name, in := range map[string]*inbox[triggerMessage]{"the webhook": &hook.came, "SNS": mail} {
		s.until(name+" was told of the failure", func() error {
			if all := told(in.have(), broken); !slices.Contains(all, "Failed") {
				return fmt.Errorf("told was %v", all)
			}
			return nil
		})
		all := in.have()
		for _, m := range all {
			m.check(t)
		}
		if got := told(all, ""); !slices.Equal(got, []string{"test"}) {
			t.Errorf("%s was told %v of its trigger", name, got)
		}
		// Between the instances there is no order.
		sequence := func(id string, want ...string) {
			t.Helper()
			got := told(all, id)
			left := 0
			for _, what := range want {
				at := slices.Index(got[left:], what)
				if at < 0 {
					t.Errorf("%s was told %q of %s, want %q in this order", name, got, id, want)
					return
				}
				left += at + 1
			}
			slices.Sort(got)
			if len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("%s was told something twice of %s: %q", name, id, got)
			}
		}
		for _, host := range []string{"green-1", "green-2"} {
			sequence(back, "Created", host+" InProgress", host+" Ready", "Ready", host+" Succeeded", "Stopped", "Rollback")
			sequence(broken, "Created", host+" InProgress", host+" Failed", "Failed")
		}
		sequence(rollback, "Created", "blue-1 Succeeded", "Succeeded")
		for _, m := range all {
			if r := m.RollbackInformation; r != nil && (r.RollbackDeploymentId != rollback || m.DeploymentID != back) {
				t.Errorf("%s was told of a rollback %+v", name, r)
			}
			if e := m.ErrorInformation; e != nil && m.DeploymentID == back && e.ErrorCode != "MANUAL_STOP" {
				t.Errorf("%s was told that it was stopped by %+v", name, e)
			}
		}
	}
}

// signed asks the server for a page with a key; the zero key doesn't sign.
func (s *stand) signed(key sigv4.Credential, path, lastEventID string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.endpoint+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	if key.AccessKeyID != "" {
		sigv4.Sign(r, key, region, "crossfade", sigv4.Hash(nil), time.Now())
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := res.Body.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return res
}

var rootCredential = sigv4.Credential{AccessKeyID: rootKey, SecretAccessKey: rootSecret}

// TestMessagesOutliveCrashes holds that a webhook that doesn't answer delays nothing, that what it refused is sent again by a server that was
// killed meanwhile, and that what is given up is shown.
func TestMessagesOutliveCrashes(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	var waiting, refused atomic.Int64
	free := make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	var first atomic.Value // the first message that was refused
	hook := receive(t, func(w http.ResponseWriter, id string) bool {
		waiting.Add(1)
		<-free
		if !busy.Load() {
			return false
		}
		first.CompareAndSwap(nil, id)
		refused.Add(1)
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return true
	})
	t.Cleanup(release)
	gone := receive(t, func(w http.ResponseWriter, _ string) bool {
		http.Error(w, "no such hook", http.StatusNotFound)
		return true
	})
	s := newStand(t)
	s.configured("notifications:\n  webhooks:\n" + hook.telling("ops", topics+"ops", false) + gone.telling("gone", topics+"gone", false))
	s.addHost("n-1", "web")
	for _, v := range []string{"v1", "v2"} {
		s.upload(v+".zip", recorder(t, v))
	}
	s.createApplication("site")
	s.createGroup("site", "web", "web", triggers("ops", "gone"))
	arrives := func(id string) {
		t.Helper()
		s.until("all has arrived", func() error {
			if got := told(hook.came.have(), id); !slices.Contains(got, "Succeeded") {
				return fmt.Errorf("told was %q", got)
			}
			return nil
		})
		if got := told(hook.came.have(), id); !slices.Equal(got, []string{"Created", "n-1 InProgress", "n-1 Succeeded", "Succeeded"}) {
			t.Errorf("told was %q", got)
		}
	}

	id := s.begin("site", "web", "v1.zip")
	s.succeeds(id)
	if got := hook.came.have(); len(got) != 0 || waiting.Load() == 0 {
		t.Errorf("the webhook took %v of %d", got, waiting.Load())
	}
	release()
	arrives(id)
	s.until("the test of the trigger has arrived", func() error {
		if got := told(hook.came.have(), ""); !slices.Equal(got, []string{"test"}) {
			return fmt.Errorf("told was %q", got)
		}
		return nil
	})

	busy.Store(true)
	s.touch("hold-BeforeInstall", "n-1")
	id = s.begin("site", "web", "v2.zip")
	s.until("a message is refused", func() error {
		if refused.Load() == 0 {
			return errors.New("none was sent")
		}
		return nil
	})
	s.server.kill()
	busy.Store(false)
	s.startServer()
	s.remove("hold-BeforeInstall", "n-1")
	s.succeeds(id)
	arrives(id)
	hook.mu.Lock()
	if !hook.ids[first.Load().(string)] {
		t.Errorf("%s was refused and never sent again under this id", first.Load())
	}
	hook.mu.Unlock()

	const page = "/notifications/lost"
	if got := s.signed(sigv4.Credential{}, page, "").StatusCode; got < 400 || got >= 500 {
		t.Errorf("unsigned, the lost messages are answered with %d", got)
	}
	s.until("what was given up is shown", func() error {
		var given struct {
			Lost []struct {
				Trigger, Topic, DeploymentID, Problem string
				Tries                                 int
			}
		}
		if err := json.NewDecoder(s.signed(rootCredential, page, "").Body).Decode(&given); err != nil {
			return err
		}
		count := 0
		for _, l := range given.Lost {
			if l.Trigger != "to gone" || l.Topic != topics+"gone" || l.Tries != 1 || !strings.Contains(l.Problem, "404") {
				t.Errorf("given up was %+v", l)
			}
			if l.DeploymentID == id {
				count++
			}
		}
		if count != 4 {
			return fmt.Errorf("of %s there are %d in %+v", id, count, given)
		}
		return nil
	})
}
