// Package cloudwatch reads alarms from CloudWatch, or from what answers DescribeAlarms as it does: metric, composite and log alarms by their names.
//
// The driver owns a client of one endpoint in one region with one set of credentials, and the reading of its refusals. It asks for the metric and
// the composite alarms together, 100 names at a time, and for log alarms only when names are left, because not every endpoint has those. It
// speaks the Query protocol, which every compatible endpoint does and CloudWatch keeps; the SDK's own choice, CBOR, few do. It tries nothing
// twice, because the engine asks again anyway, and a throttled service is not helped by haste. It takes no endpoint from the environment, as that
// one is as a rule Crossfade itself. It keeps nothing, starts no goroutine, and is safe for concurrent use.
//
// The credentials need cloudwatch:DescribeAlarms on *: with less, composite alarms are not shown, and so seem not to be there.
package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"crossfade/internal/alarm"
)

const (
	// DefaultTimeout is how long all requests of one look at the alarms may take; the engine looks every 10 s.
	DefaultTimeout = 5 * time.Second
	// batch is how many names DescribeAlarms takes, and how many alarms it shows at once.
	batch = 100
	// maxPages bounds the pages of one batch, which are one as a rule, against an endpoint that never ends.
	maxPages = 20
)

// Options say which endpoint to ask, and as whom.
type Options struct {
	// Region is the one that the alarms are in and that requests are signed for. Required.
	Region string
	// Endpoint is http://HOST or https://HOST, with a port where it has one; empty: AWS's own of the region.
	Endpoint string
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: the AWS SDK's own chain finds them (environment, shared files, the
	// machine's role).
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // of a temporary key only
	// Timeout bounds one look at the alarms as a whole. Zero: DefaultTimeout.
	Timeout time.Duration
	// HTTP sends the requests; nil: a client of the package's own.
	HTTP *http.Client
}

// Source is the alarms of one region.
type Source struct {
	api     *cloudwatch.Client
	place   string // for messages
	timeout time.Duration
}

var _ alarm.Source = (*Source)(nil)

// New makes a source. It asks the endpoint nothing.
func New(ctx context.Context, o Options) (*Source, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("use CloudWatch: %w", err)
	}
	s := &Source{place: "CloudWatch in " + o.Region, timeout: o.Timeout}
	if s.timeout == 0 {
		s.timeout = DefaultTimeout
	}
	options := cloudwatch.Options{Region: o.Region, Retryer: aws.NopRetryer{}}
	if o.Endpoint != "" {
		options.BaseEndpoint, s.place = aws.String(o.Endpoint), "CloudWatch at "+o.Endpoint
	}
	if o.AccessKeyID != "" {
		options.Credentials = credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, o.SessionToken)
	} else {
		chain, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region))
		if err != nil {
			return nil, fmt.Errorf("find credentials for CloudWatch: %w", err)
		}
		options.Credentials = chain.Credentials
	}
	if o.HTTP != nil {
		options.HTTPClient = bounded{o.HTTP}
	} else {
		options.HTTPClient = bounded{awshttp.NewBuildableClient()}
	}
	s.api = cloudwatch.New(options, func(o *cloudwatch.Options) { o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801) })
	return s, nil
}

func (o Options) check() error {
	switch {
	case o.Region == "":
		return errors.New("it has no region: name the one that the alarms are in, such as us-east-1")
	case (o.AccessKeyID == "") != (o.SecretAccessKey == ""):
		return errors.New("it has only half of an access key: give both its id and its secret, or neither")
	case o.Timeout < 0:
		return fmt.Errorf("the timeout %s is negative: give how long a look at the alarms may take, such as 5s", o.Timeout)
	case o.Endpoint == "":
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("the endpoint %q is not of the form https://HOST:PORT", o.Endpoint)
	}
	return nil
}

// States implements [alarm.Source].
func (s *Source) States(ctx context.Context, names []string) (map[string]alarm.State, error) {
	ctx, done := context.WithTimeoutCause(ctx, s.timeout, fmt.Errorf("it does not answer within %s", s.timeout))
	defer done()
	var out alarm.Answer
	for some := range slices.Chunk(alarm.Distinct(names), batch) {
		found, err := s.find(ctx, some)
		for name, state := range found {
			out.Is(name, state)
		}
		if err != nil {
			out.Unreadable(s.explain(ctx, err), some...)
		}
	}
	return out.States()
}

// find returns what it finds even when the search for the rest fails.
func (s *Source) find(ctx context.Context, names []string) (map[string]alarm.State, error) {
	found := map[string]alarm.State{}
	if err := s.describe(ctx, names, found, types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm); err != nil {
		return found, err
	}
	left := slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := found[name]; return ok })
	if len(left) == 0 {
		return found, nil
	}
	if err := s.describe(ctx, left, found, types.AlarmTypeLogAlarm); err != nil && !unknownType(err) {
		return found, err
	}
	return found, nil
}

// describe adds the states of those of the named alarms that are of these types.
func (s *Source) describe(ctx context.Context, names []string, found map[string]alarm.State, of ...types.AlarmType) error {
	in := &cloudwatch.DescribeAlarmsInput{AlarmNames: names, AlarmTypes: of, MaxRecords: aws.Int32(batch)}
	add := func(name *string, state types.StateValue) {
		if slices.Contains(names, aws.ToString(name)) {
			found[*name] = stateOf(state)
		}
	}
	for range maxPages {
		page, err := s.api.DescribeAlarms(ctx, in)
		if err != nil {
			return err
		}
		for _, a := range page.MetricAlarms {
			add(a.AlarmName, a.StateValue)
		}
		for _, a := range page.CompositeAlarms {
			add(a.AlarmName, a.StateValue)
		}
		for _, a := range page.LogAlarms {
			add(a.AlarmName, a.StateValue)
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
	return fmt.Errorf("it shows %d names on more than %d pages", len(names), maxPages)
}

// stateOf is the state in the port's words, which are CloudWatch's own. What is none of them says nothing.
func stateOf(v types.StateValue) alarm.State {
	switch v {
	case types.StateValueAlarm:
		return alarm.StateAlarm
	case types.StateValueOk:
		return alarm.StateOK
	default:
		return alarm.StateInsufficient
	}
}
