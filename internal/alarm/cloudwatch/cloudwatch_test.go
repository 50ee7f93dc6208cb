package cloudwatch_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"crossfade/internal/alarm"
	"crossfade/internal/alarm/alarmtest"
	"crossfade/internal/alarm/cloudwatch"
	"crossfade/internal/counterpart"
)

const region = "eu-west-1"

func source(t *testing.T, o cloudwatch.Options) alarm.Source {
	t.Helper()
	if o.Region == "" {
		o.Region = region
	}
	o.AccessKeyID, o.SecretAccessKey = "AKIAIOSFODNN7EXAMPLE", "secret"
	s, err := cloudwatch.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t *testing.T, url string, timeout time.Duration) alarm.Source {
	return source(t, cloudwatch.Options{Endpoint: url, Timeout: timeout})
}

// recording answers DescribeAlarms as CloudWatch does in the Query protocol. Every third alarm is a composite one, and every third a log alarm.
type recording struct {
	alarms map[string]alarm.State
	order  []string
	old    bool // knows no log alarms
	pages  int  // alarms on a page; zero: a hundred
	asked  atomic.Int32
}

func record(alarms map[string]alarm.State) *recording {
	return &recording{alarms: alarms, order: slices.Sorted(maps.Keys(alarms))}
}

var typesOf = []string{"MetricAlarm", "CompositeAlarm", "LogAlarm"}

func (c *recording) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.asked.Add(1)
	asked := func(list string) (values []string) {
		for i := 1; r.Form.Has(fmt.Sprintf("%s.member.%d", list, i)); i++ {
			values = append(values, r.Form.Get(fmt.Sprintf("%s.member.%d", list, i)))
		}
		return values
	}
	switch {
	case r.ParseForm() != nil || r.Form.Get("Action") != "DescribeAlarms" || r.Form.Get("Version") != "2010-08-01" || len(asked("AlarmNames")) == 0 || len(asked("AlarmNames")) > 100:
		refuse(w, http.StatusBadRequest, "ValidationError", "not a question for alarms: "+r.Form.Encode())
		return
	case !strings.Contains(r.Header.Get("Authorization"), "/"+region+"/monitoring/aws4_request"):
		refuse(w, http.StatusForbidden, "SignatureDoesNotMatch", "not signed for this region")
		return
	case c.old && slices.Contains(asked("AlarmTypes"), "LogAlarm"):
		refuse(w, http.StatusBadRequest, "ValidationError", "1 validation error detected: Value '[LogAlarm]' at 'alarmTypes' failed to satisfy constraint")
		return
	}
	first, err := strconv.Atoi("0" + r.Form.Get("NextToken"))
	if err != nil {
		panic(err)
	}
	members, next, shown := map[string]string{}, "", 0
	for i, name := range c.order {
		of := typesOf[i%len(typesOf)]
		if i < first || !slices.Contains(asked("AlarmNames"), name) || !slices.Contains(asked("AlarmTypes"), of) {
			continue
		}
		if shown++; shown > max(c.pages, 0) && c.pages > 0 {
			next = fmt.Sprintf("<NextToken>%d</NextToken>", i)
			break
		}
		var text strings.Builder
		if err := xml.EscapeText(&text, []byte(name)); err != nil {
			panic(err)
		}
		members[of] += fmt.Sprintf("<member><AlarmName>%s</AlarmName><AlarmArn>arn:aws:cloudwatch:%s:123456789012:alarm:x</AlarmArn><ActionsEnabled>true</ActionsEnabled>"+
			"<StateValue>%s</StateValue><StateReason>Threshold Crossed</StateReason><StateUpdatedTimestamp>2026-11-23T06:24:38.610Z</StateUpdatedTimestamp></member>", text.String(), region, c.alarms[name])
	}
	fmt.Fprintf(w, `<DescribeAlarmsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><DescribeAlarmsResult><CompositeAlarms>%s</CompositeAlarms>`+
		`<LogAlarms>%s</LogAlarms><MetricAlarms>%s</MetricAlarms>%s</DescribeAlarmsResult><ResponseMetadata><RequestId>3f1478c7</RequestId></ResponseMetadata></DescribeAlarmsResponse>`,
		members["CompositeAlarm"], members["LogAlarm"], members["MetricAlarm"], next)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>7a1b</RequestId></ErrorResponse>`, code, message)
}

func serve(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func TestPort(t *testing.T) {
	t.Parallel()
	for name, pages := range map[string]int{"whole": 0, "in pages": 7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alarmtest.Run(t, alarmtest.Driver{At: at, Make: func(t *testing.T, alarms map[string]alarm.State) alarm.Source {
				c := record(alarms)
				c.pages = pages
				return at(t, serve(t, c), time.Minute)
			}})
		})
	}
}

func TestAnEndpointWithoutLogAlarmsIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	c := record(map[string]alarm.State{"0 metric": alarm.StateOK, "1 composite": alarm.StateAlarm, "2 log": alarm.StateAlarm})
	s := at(t, serve(t, c), time.Minute)
	want := map[string]alarm.State{"0 metric": alarm.StateOK, "1 composite": alarm.StateAlarm}
	if got, err := s.States(t.Context(), []string{"0 metric", "1 composite"}); err != nil || !maps.Equal(got, want) || c.asked.Load() != 1 {
		t.Errorf("got %v, %v after %d requests", got, err, c.asked.Load())
	}
	c.old = true
	if got, err := s.States(t.Context(), []string{"0 metric", "2 log", "1 composite"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRefusalsAreToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{http.StatusBadRequest, "Throttling", alarm.ErrThrottled}, {http.StatusBadRequest, "ThrottlingException", alarm.ErrThrottled},
		{http.StatusServiceUnavailable, "RequestLimitExceeded", alarm.ErrThrottled}, {http.StatusForbidden, "AccessDenied", alarm.ErrDenied},
		{http.StatusBadRequest, "AccessDeniedException", alarm.ErrDenied}, {http.StatusForbidden, "InvalidClientTokenId", alarm.ErrDenied},
		{http.StatusForbidden, "SignatureDoesNotMatch", alarm.ErrDenied}, {http.StatusBadRequest, "ExpiredToken", alarm.ErrDenied},
		{http.StatusBadRequest, "UnrecognizedClientException", alarm.ErrDenied}, {http.StatusBadRequest, "InvalidNextToken", nil},
		{http.StatusInternalServerError, "InternalFailure", nil}, {http.StatusServiceUnavailable, "ServiceUnavailable", nil},
		{http.StatusBadRequest, "ValidationException", nil},
	} {
		var asked atomic.Int32
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			refuse(w, c.status, c.code, "No.")
		}))
		got, err := at(t, url, time.Minute).States(t.Context(), []string{"a"})
		if err == nil || got != nil || !strings.Contains(err.Error(), c.code) || !strings.Contains(err.Error(), url) {
			t.Errorf("%s: %v, %v", c.code, got, err)
		}
		for _, is := range []error{alarm.ErrDenied, alarm.ErrThrottled} {
			if errors.Is(err, is) != (is == c.want) {
				t.Errorf("%s: %v", c.code, err)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("%s: asked %d times", c.code, asked.Load())
		}
	}
}

func TestPagesEnd(t *testing.T) {
	t.Parallel()
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<DescribeAlarmsResponse><DescribeAlarmsResult><MetricAlarms/><NextToken>again</NextToken></DescribeAlarmsResult></DescribeAlarmsResponse>`)
	}))
	if got, err := at(t, url, time.Minute).States(t.Context(), []string{"a"}); err == nil || !strings.Contains(err.Error(), "more than 20 pages") {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]cloudwatch.Options{
		"has no region":                {},
		"only half of an access key":   {Region: region, AccessKeyID: "AKIA"},
		"is not of the form":           {Region: region, Endpoint: "monitoring.example.com"},
		"the timeout -1s is negative:": {Region: region, Timeout: -time.Second},
	} {
		if _, err := cloudwatch.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// TestARealDescribeAlarms tries the driver against moto_server, whose alarms are all metric alarms. Its regions keep the claims apart.
func TestARealDescribeAlarms(t *testing.T) {
	t.Parallel()
	url := counterpart.Moto(t)
	regions := make(chan string, 8)
	for _, r := range []string{"eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-central-1", "us-east-1", "us-east-2", "us-west-1"} {
		regions <- r
	}
	in := func(t *testing.T, alarms map[string]alarm.State) (*sdk.Client, alarm.Source) {
		o := cloudwatch.Options{Region: <-regions, Endpoint: url, Timeout: time.Minute}
		client := sdk.New(sdk.Options{Region: o.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", "")},
			func(o *sdk.Options) { o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801) })
		for name, state := range alarms {
			if _, err := client.PutMetricAlarm(t.Context(), &sdk.PutMetricAlarmInput{
				AlarmName: &name, ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1),
				Namespace: aws.String("web"), MetricName: aws.String("errors"), Period: aws.Int32(60), Statistic: types.StatisticSum,
			}); err != nil {
				t.Fatal(err)
			}
			set(t, client, name, state)
		}
		return client, source(t, o)
	}
	alarmtest.Run(t, alarmtest.Driver{Make: func(t *testing.T, alarms map[string]alarm.State) alarm.Source {
		_, s := in(t, alarms)
		return s
	}})
	t.Run("changes", func(t *testing.T) {
		t.Parallel()
		client, s := in(t, map[string]alarm.State{"a": alarm.StateOK})
		for _, state := range []alarm.State{alarm.StateOK, alarm.StateAlarm, alarm.StateInsufficient, alarm.StateAlarm, alarm.StateOK} {
			set(t, client, "a", state)
			if got, err := s.States(t.Context(), []string{"a", "b"}); err != nil || !maps.Equal(got, map[string]alarm.State{"a": state}) {
				t.Errorf("after %s: %v, %v", state, got, err)
			}
		}
	})
}

func set(t *testing.T, client *sdk.Client, name string, state alarm.State) {
	t.Helper()
	if _, err := client.SetAlarmState(t.Context(), &sdk.SetAlarmStateInput{AlarmName: &name, StateReason: aws.String("a test"), StateValue: types.StateValue(state)}); err != nil {
		t.Fatal(err)
	}
}
