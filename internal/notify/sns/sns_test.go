package sns_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"crossfade/internal/counterpart"
	"crossfade/internal/notify"
	"crossfade/internal/notify/notifytest"
	"crossfade/internal/notify/sns"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
)

const (
	region   = "eu-central-1"
	standard = "arn:aws:sns:eu-central-1:123456789012:deployments"
	secret   = "a-very-secret-key"
)

// inbox is what arrived.
type inbox struct {
	mu     sync.Mutex
	bodies []string
	came   chan struct{}
}

func newInbox() *inbox { return &inbox{came: make(chan struct{}, 1)} }

func (i *inbox) put(body string) {
	i.mu.Lock()
	i.bodies = append(i.bodies, body)
	i.mu.Unlock()
	select {
	case i.came <- struct{}{}:
	default:
	}
}

// wait returns what has arrived once it is enough.
func (i *inbox) wait(t *testing.T, least int) []string {
	t.Helper()
	late := time.After(time.Minute)
	for {
		i.mu.Lock()
		bodies := slices.Clone(i.bodies)
		i.mu.Unlock()
		if len(bodies) >= least {
			return bodies
		}
		select {
		case <-i.came:
		case <-late:
			t.Fatalf("%d of %d messages arrived", len(bodies), least)
		}
	}
}

// refuse answers as SNS does.
func refuse(w http.ResponseWriter, trouble notifytest.Trouble) {
	status, code := http.StatusInternalServerError, "InternalError"
	switch trouble {
	case notifytest.Busy:
		status, code = http.StatusTooManyRequests, "Throttled"
	case notifytest.Gone:
		status, code = http.StatusNotFound, "NotFound"
	}
	refuseWith(w, status, code)
}

func refuseWith(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>%s</Code><Message>No.</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code)
}

// form is a Publish request, as a stand-in for SNS reads it.
func form(t *testing.T, r *http.Request) url.Values {
	if err := r.ParseForm(); err != nil {
		t.Error(err)
	}
	if r.Form.Get("Action") != "Publish" || !strings.Contains(r.Header.Get("Authorization"), "/"+region+"/sns/aws4_request") {
		t.Errorf("%s was asked, signed %s", r.Form.Get("Action"), r.Header.Get("Authorization"))
	}
	return r.Form
}

func taken(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprint(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId></PublishResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>`)
}

func newSink(t *testing.T, endpoint string) notify.Sink {
	t.Helper()
	s, err := sns.New(t.Context(), sns.Options{Region: region, Endpoint: endpoint, AccessKeyID: "KEY", SecretAccessKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSuite runs the suite on a stand-in that checks what SNS checks.
func TestSuite(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, func(t *testing.T) notifytest.Receiver {
		in := newInbox()
		troubled := &notifytest.Troubled{Fail: refuse, Inner: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f := form(t, r)
			subject := f.Get("Subject")
			if _, given := f["Subject"]; given && subject == "" || len(subject) >= 100 || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }) || f.Get("TopicArn") != standard {
				t.Errorf("SNS would refuse %v", f)
				refuseWith(w, http.StatusBadRequest, "InvalidParameter")
				return
			}
			in.put(f.Get("Message"))
			taken(w)
		})}
		srv := httptest.NewServer(troubled)
		t.Cleanup(srv.Close)
		return notifytest.Receiver{Sink: newSink(t, srv.URL), Topic: standard, Trouble: troubled.Set, Received: in.wait, Secrets: []string{secret}}
	})
}

// TestMoto runs the suite on moto_server: topics that an http endpoint subscribes to.
func TestMoto(t *testing.T) {
	t.Parallel()
	moto, err := url.Parse(counterpart.Moto(t))
	if err != nil {
		t.Fatal(err)
	}
	client := awssns.New(awssns.Options{Region: region, BaseEndpoint: aws.String(moto.String()), Credentials: credentials.NewStaticCredentialsProvider("KEY", secret, "")})
	topics := make(chan string, 16)
	for i := range cap(topics) {
		topics <- fmt.Sprint("deployments-", i)
	}
	open := func(t *testing.T) notifytest.Receiver {
		in := newInbox()
		subscriber := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			var envelope struct{ Type, TopicArn, Message, Subject string }
			if err == nil {
				err = json.Unmarshal(body, &envelope)
			}
			if err != nil {
				t.Errorf("moto sent %s: %v", body, err)
			}
			if envelope.Type == "Notification" {
				in.put(envelope.Message)
			}
		}))
		t.Cleanup(subscriber.Close)
		topic, err := client.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String(<-topics)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Subscribe(t.Context(), &awssns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("http"), Endpoint: aws.String(subscriber.URL)}); err != nil {
			t.Fatal(err)
		}
		troubled := &notifytest.Troubled{Fail: refuse, Inner: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(moto) }}}
		front := httptest.NewServer(troubled)
		t.Cleanup(front.Close)
		return notifytest.Receiver{Sink: newSink(t, front.URL), Topic: *topic.TopicArn, Trouble: troubled.Set, Received: in.wait, Secrets: []string{secret}}
	}
	t.Run("suite", func(t *testing.T) { notifytest.Run(t, open) })
	t.Run("a topic that there is not", func(t *testing.T) {
		r := open(t)
		if err := r.Sink.Send(t.Context(), notify.Message{ID: "m", Topic: r.Topic + "-not", Order: "d", Body: []byte("{}")}); !notify.IsPermanent(err) || !strings.Contains(err.Error(), r.Topic+"-not") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("a FIFO topic", func(t *testing.T) {
		topic, err := client.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: aws.String("deployments.fifo"), Attributes: map[string]string{"FifoTopic": "true"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := newSink(t, moto.String()).Send(t.Context(), notify.Message{ID: "m", Topic: *topic.TopicArn, Order: "Shop Ü/web", Body: []byte("{}")}); err != nil {
			t.Error(err)
		}
	})
}

func TestFIFO(t *testing.T) {
	t.Parallel()
	asked := make(chan url.Values, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- form(t, r)
		taken(w)
	}))
	defer srv.Close()
	sink := newSink(t, srv.URL)
	for order, want := range map[string]string{"d-ABC": "d-ABC", "a b": strings.Repeat("x", 64)} {
		if err := sink.Send(t.Context(), notify.Message{ID: "m-1", Topic: standard + ".fifo", Order: order, Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		f := <-asked
		if id := f.Get("MessageGroupId"); len(id) != len(want) || order == want && id != want || f.Get("MessageDeduplicationId") != "m-1" {
			t.Errorf("%q is sent as %v", order, f)
		}
	}
	if err := sink.Send(t.Context(), notify.Message{ID: "m-1", Topic: standard, Order: "d", Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if f := <-asked; f.Has("MessageGroupId") || f.Has("MessageDeduplicationId") {
		t.Errorf("a standard topic gets %v", f)
	}
}

// TestRefusals holds which of SNS's refusals are final: a permission may be granted within the hour, a topic that is not there is another's mistake.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]struct {
		status    int
		permanent bool
	}{
		"NotFound": {404, true}, "InvalidParameter": {400, true}, "ParameterValueInvalid": {400, true}, "ValidationError": {400, true},
		"AuthorizationError": {403, false}, "InvalidClientTokenId": {403, false}, "SignatureDoesNotMatch": {403, false}, "KMSThrottling": {400, false},
		"KMSAccessDenied": {400, false}, "Throttled": {429, false}, "InternalError": {500, false}, "ServiceUnavailable": {503, false},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuseWith(w, want.status, code) }))
		err := newSink(t, srv.URL).Send(t.Context(), notify.Message{ID: "m", Topic: standard, Order: "d", Body: []byte("{}")})
		if err == nil || notify.IsPermanent(err) != want.permanent || !strings.Contains(err.Error(), standard) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s is read as %v (permanent: %t)", code, err, notify.IsPermanent(err))
		}
		srv.Close()
	}
}

func TestHalfAKey(t *testing.T) {
	t.Parallel()
	if _, err := sns.New(t.Context(), sns.Options{Region: region, AccessKeyID: "KEY"}); err == nil || !strings.Contains(err.Error(), "half of an access key") {
		t.Errorf("half a key: %v", err)
	}
}
