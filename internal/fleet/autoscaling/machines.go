package autoscaling

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"crossfade/internal/sigv4"
)

// machines calls the two operations of EC2 that there is a use for, by its Query protocol. The SDK finds the credentials and decides what is tried
// again; its client of EC2 would be half of the program and a quarter of the time that it takes to build.
type machines struct {
	config   aws.Config // region, credentials and HTTP client
	endpoint string
	retryer  aws.Retryer
	now      func() time.Time
}

func newMachines(c aws.Config, endpoint string) *machines {
	if endpoint == "" {
		endpoint = "https://ec2." + c.Region + "." + partitionOf(c.Region).suffix
	}
	return &machines{config: c, endpoint: endpoint, retryer: retry.NewStandard(), now: time.Now}
}

// The parts of EC2's answers that are read, as its API reference names them.
type (
	described struct {
		Reservations []reservation `xml:"reservationSet>item"`
		NextToken    string        `xml:"nextToken"`
	}
	reservation struct {
		Owner     string         `xml:"ownerId"`
		Instances []describedOne `xml:"instancesSet>item"`
	}
	describedOne struct {
		ID             string `xml:"instanceId"`
		PrivateAddress string `xml:"privateIpAddress"`
		Zone           string `xml:"placement>availabilityZone"`
		Tags           []struct {
			Key   string `xml:"key"`
			Value string `xml:"value"`
		} `xml:"tagSet>item"`
	}
)

// filter selects instances by an attribute that has one of the values.
type filter struct {
	name   string
	values []string
}

// describe reads all instances that match every filter.
func (m *machines) describe(ctx context.Context, filters ...filter) (all []reservation, err error) {
	form := url.Values{"Action": {"DescribeInstances"}}
	for i, f := range filters {
		at := "Filter." + strconv.Itoa(i+1)
		form.Set(at+".Name", f.name)
		for j, v := range f.values {
			form.Set(at+".Value."+strconv.Itoa(j+1), v)
		}
	}
	for {
		var page described
		if err := m.call(ctx, form, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Reservations...)
		switch page.NextToken {
		case "":
			return all, nil
		case form.Get("NextToken"): // or it would never end
			return nil, fmt.Errorf("EC2 answers DescribeInstances with the page %q again and again", page.NextToken)
		}
		form.Set("NextToken", page.NextToken)
	}
}

// terminate ends instances.
func (m *machines) terminate(ctx context.Context, ids []string) error {
	form := url.Values{"Action": {"TerminateInstances"}}
	for i, id := range ids {
		form.Set("InstanceId."+strconv.Itoa(i+1), id)
	}
	return m.call(ctx, form, nil)
}

// call makes a call and reads the answer's XML into out, unless that is nil. It is made again as often and as late as the SDK does with its own. A
// refusal is a smithy.APIError.
func (m *machines) call(ctx context.Context, form url.Values, out any) error {
	form.Set("Version", "2016-11-15")
	for attempt := 1; ; attempt++ {
		answer, err := m.once(ctx, form.Encode())
		if err == nil && out != nil {
			if err = xml.Unmarshal(answer, out); err != nil {
				return fmt.Errorf("read EC2's answer to %s: %w", form.Get("Action"), err)
			}
		}
		if err == nil || ctx.Err() != nil || attempt >= m.retryer.MaxAttempts() || !m.retryer.IsErrorRetryable(err) {
			return err
		}
		pause, failed := m.retryer.RetryDelay(attempt, err)
		if failed != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// answerLimit is how long an answer may be, in bytes: a thousand instances of a page are far below.
const answerLimit = 64 << 20

func (m *machines) once(ctx context.Context, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.endpoint, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if r.URL.Path == "" {
		r.URL.Path = "/"
	}
	key, err := m.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find credentials for EC2: %w", err)
	}
	sigv4.Sign(r, sigv4.Credential{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken},
		m.config.Region, "ec2", sigv4.Hash([]byte(body)), m.now())
	res, err := m.config.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if err != nil {
		return nil, fmt.Errorf("read EC2's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, refusalOf(res.StatusCode, answer)
	}
	return answer, nil
}

// refusal is an answer that is no success. It tells the retryer its status.
type refusal struct {
	smithy.GenericAPIError
	status int
}

// HTTPStatusCode is the answer's.
func (r *refusal) HTTPStatusCode() int { return r.status }

// Unwrap gives the code and the message alone.
func (r *refusal) Unwrap() error { return &r.GenericAPIError }

func refusalOf(status int, answer []byte) error {
	var said struct {
		Code    string `xml:"Errors>Error>Code"`
		Message string `xml:"Errors>Error>Message"`
	}
	r := &refusal{status: status, GenericAPIError: smithy.GenericAPIError{Fault: smithy.FaultClient}}
	if status >= http.StatusInternalServerError {
		r.Fault = smithy.FaultServer
	}
	if err := xml.Unmarshal(answer, &said); err != nil || said.Code == "" { // of something that stands before EC2
		r.Code, r.Message = "UnknownError", fmt.Sprintf("the answer has the status %d and no error code", status)
		return r
	}
	r.Code, r.Message = said.Code, said.Message
	return r
}
