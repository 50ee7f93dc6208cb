// Package sns publishes messages to SNS topics, AWS's own or those of whatever else speaks the protocol.
//
// It owns a client of one endpoint and the reading of its refusals: that there is no such topic, or that the message can't be, is final;
// everything else, a missing permission too, may have been put right when the message is tried again. It tries once: trying again is for whoever
// keeps the messages. It takes no endpoint from the environment, because that one is as a rule Crossfade itself. A [Sink] is safe for concurrent
// use.
package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"crossfade/internal/notify"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
)

// answerTime bounds one call.
const answerTime = 15 * time.Second

// subjectMost is the length that SNS allows a subject, in characters.
const subjectMost = 99

// Options say which endpoint to publish at, and as whom.
type Options struct {
	// Region is the topics' and the one that requests are signed for. Required.
	Region string
	// Endpoint is http://HOST or https://HOST, with a port where it has one; empty: AWS's own of the region.
	Endpoint string
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: the AWS SDK's own chain finds them.
	AccessKeyID     string
	SecretAccessKey string
}

// Sink publishes to the topics that its messages name.
type Sink struct{ client *sns.Client }

var _ notify.Sink = (*Sink)(nil)

// New makes a sink. It asks the endpoint nothing.
func New(ctx context.Context, o Options) (*Sink, error) {
	if (o.AccessKeyID == "") != (o.SecretAccessKey == "") {
		return nil, errors.New("the SNS endpoint has only half of an access key: give both its id and its secret, or neither")
	}
	options := sns.Options{
		Region: o.Region, Retryer: aws.NopRetryer{}, HTTPClient: awshttp.NewBuildableClient().WithTimeout(answerTime),
	}
	if o.Endpoint != "" {
		options.BaseEndpoint = aws.String(o.Endpoint)
	}
	if o.AccessKeyID != "" {
		options.Credentials = credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, "")
	} else {
		chain, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region))
		if err != nil {
			return nil, fmt.Errorf("find credentials for SNS: %w", err)
		}
		options.Credentials = chain.Credentials
	}
	return &Sink{sns.New(options)}, nil
}

// Send implements notify.Sink.
func (s *Sink) Send(ctx context.Context, m notify.Message) error {
	in := &sns.PublishInput{TopicArn: aws.String(m.Topic), Message: aws.String(string(m.Body))}
	if subject := subject(m.Subject); subject != "" {
		in.Subject = aws.String(subject)
	}
	if strings.HasSuffix(m.Topic, ".fifo") {
		in.MessageGroupId, in.MessageDeduplicationId = aws.String(order(m.Order)), aws.String(m.ID)
	}
	if _, err := s.client.Publish(ctx, in); err != nil {
		err = fmt.Errorf("publish to %s: %w", m.Topic, err)
		if final(err) {
			return notify.Permanent(err)
		}
		return err
	}
	return nil
}

// subject is what SNS takes: ASCII without control characters, not too long.
func subject(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if len(s) > subjectMost {
		s = s[:subjectMost-3] + "..."
	}
	return s
}

var orderForm = regexp.MustCompile(`^[!-~]{1,128}$`)

// order is a message group of a FIFO topic, which takes ASCII only.
func order(s string) string {
	if orderForm.MatchString(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// final reports whether the same message could never be published.
func final(err error) bool {
	var none *types.NotFoundException
	var parameter *types.InvalidParameterException
	var value *types.InvalidParameterValueException
	var api smithy.APIError
	return errors.As(err, &none) || errors.As(err, &parameter) || errors.As(err, &value) || errors.As(err, &api) && api.ErrorCode() == "ValidationError"
}
