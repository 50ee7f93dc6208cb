package cloudwatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/smithy-go"

	"crossfade/internal/alarm"
)

// maxAnswer is the size of the largest answer that is read: a hundred alarms have about 200 KB.
const maxAnswer = 16 << 20

// denied are the codes of refusals that have to do with who asks; CloudWatch gives some of them with the status of a bad request.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html.
var denied = []string{
	"AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId", "MissingAuthenticationToken",
	"NotAuthorized", "OptInRequired", "SignatureDoesNotMatch", "UnauthorizedOperation", "UnrecognizedClientException",
}

// unknownTypes are the codes with which an endpoint refuses a type of alarm that it doesn't have.
var unknownTypes = []string{"InvalidParameterValue", "InvalidParameterValueException", "ValidationError", "ValidationException"}

func unknownType(err error) bool { return slices.Contains(unknownTypes, code(err)) }

func code(err error) string {
	var refusal smithy.APIError
	if errors.As(err, &refusal) {
		return refusal.ErrorCode()
	}
	return ""
}

// explain reads an error of the SDK: the code counts, and where there is none the status.
func (s *Source) explain(ctx context.Context, err error) error {
	status := 0
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		status = answer.HTTPStatusCode()
	}
	throttled := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary || status == http.StatusTooManyRequests
	switch {
	case throttled:
		return fmt.Errorf("%s was asked too often (%w): %w", s.place, err, alarm.ErrThrottled)
	case slices.Contains(denied, code(err)), status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%s refuses to show alarms (%w); give the configured key cloudwatch:DescribeAlarms on *: %w", s.place, err, alarm.ErrDenied)
	}
	// That the time of the look ran out says more than that a context ended.
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		err = cause
	}
	return fmt.Errorf("ask %s for alarms: %w", s.place, err)
}

// bounded sends requests and reads the answers whole, up to a size. An answer without content is an error: to the SDK it would be one that shows
// no alarms.
type bounded struct{ cloudwatch.HTTPClient }

// Do implements cloudwatch.HTTPClient.
func (b bounded) Do(r *http.Request) (*http.Response, error) {
	answer, err := b.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(content) > maxAnswer:
		return nil, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	case len(content) == 0 && answer.StatusCode < http.StatusMultipleChoices:
		return nil, fmt.Errorf("the answer %s is empty", answer.Status)
	}
	answer.Body = io.NopCloser(bytes.NewReader(content))
	return answer, nil
}
