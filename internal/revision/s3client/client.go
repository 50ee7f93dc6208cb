// Package s3client reads bundles from S3 endpoints outside: AWS's own, or whatever else speaks the protocol.
//
// It owns a client of one endpoint with one set of credentials, and the reading of its refusals. It writes nothing, keeps nothing, and takes
// from the environment no endpoint, because that one is as a rule Crossfade itself. A [Client] is safe for concurrent use; what is still read
// when nobody waits any more ends with its context.
package s3client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"crossfade/internal/revision"
)

// answerTime is how long an endpoint may take to begin its answer.
const answerTime = 30 * time.Second

// Options say which endpoint to read from, and as whom.
type Options struct {
	// Region is the one that requests are signed for. Required.
	Region string
	// Endpoint is http://HOST or https://HOST, with a port where it has one; empty: AWS's own of the region.
	Endpoint string
	// PathStyle puts the bucket into the path and not into the host name, as most endpoints other than AWS's want it.
	PathStyle bool
	// AccessKeyID and SecretAccessKey sign the requests. Both empty: the AWS SDK's own chain finds them (environment, shared files, the
	// machine's role).
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // of a temporary key only
	// HTTP sends the requests; nil: a client of the package's own.
	HTTP s3.HTTPClient
}

// Client is a source of bundles.
type Client struct {
	s3       *s3.Client
	endpoint string // for messages
}

var _ revision.Source = (*Client)(nil)

// New makes a client. It asks the endpoint nothing.
func New(ctx context.Context, o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	options := s3.Options{
		Region: o.Region, UsePathStyle: o.PathStyle, HTTPClient: o.HTTP,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		// An endpoint that keeps no checksums is not worth a line in the log for each bundle: its ETag is held against the revision's.
		DisableLogOutputChecksumValidationSkipped: true,
	}
	if o.HTTP == nil {
		options.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerTime })
	}
	c := &Client{endpoint: "S3 in " + o.Region}
	if o.Endpoint != "" {
		options.BaseEndpoint, c.endpoint = aws.String(o.Endpoint), o.Endpoint
	}
	if o.AccessKeyID != "" {
		options.Credentials = credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, o.SessionToken)
	} else {
		chain, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region))
		if err != nil {
			return nil, fmt.Errorf("find credentials for the S3 endpoint: %w", err)
		}
		options.Credentials = chain.Credentials
	}
	c.s3 = s3.New(options)
	return c, nil
}

func (o Options) check() error {
	if o.Region == "" {
		return errors.New("the S3 endpoint has no region: name the one that its requests are signed for, such as us-east-1")
	}
	if (o.AccessKeyID == "") != (o.SecretAccessKey == "") {
		return errors.New("the S3 endpoint has only half of an access key: give both its id and its secret, or neither")
	}
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("the S3 endpoint %q is not of the form https://HOST:PORT", o.Endpoint)
	}
	return nil
}

// Stat implements revision.Source.
func (c *Client) Stat(ctx context.Context, l revision.Location) (revision.Info, error) {
	head, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &l.Bucket, Key: &l.Key, VersionId: optional(l.Version)})
	if err != nil {
		return revision.Info{}, c.explain(l, err)
	}
	info := revision.Info{
		Size: aws.ToInt64(head.ContentLength), ETag: revision.Unquote(aws.ToString(head.ETag)), Version: aws.ToString(head.VersionId),
		Modified: aws.ToTime(head.LastModified),
	}
	if err := revision.Verify(l, info); err != nil {
		return revision.Info{}, err
	}
	return info, nil
}

// Open implements revision.Source.
func (c *Client) Open(ctx context.Context, l revision.Location) (io.ReadCloser, revision.Info, error) {
	get, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &l.Bucket, Key: &l.Key, VersionId: optional(l.Version)})
	if err != nil {
		return nil, revision.Info{}, c.explain(l, err)
	}
	info := revision.Info{
		Size: aws.ToInt64(get.ContentLength), ETag: revision.Unquote(aws.ToString(get.ETag)), Version: aws.ToString(get.VersionId),
		Modified: aws.ToTime(get.LastModified),
	}
	// Judged by its answer and not by If-Match, so that the message can name what is there, and because not every endpoint obeys If-Match.
	if err := revision.Verify(l, info); err != nil {
		return nil, revision.Info{}, errors.Join(err, get.Body.Close())
	}
	return get.Body, info, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// explain reads a refusal. Answers to HEAD have no body, so the status must do.
func (c *Client) explain(l revision.Location, err error) error {
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("read %s from %s: %w", l, c.endpoint, err)
	}
	switch status := answer.HTTPStatusCode(); {
	// A version that is a delete marker is answered with MethodNotAllowed, one whose id can't be one with BadRequest.
	case status == http.StatusNotFound, l.Version != "" && (status == http.StatusMethodNotAllowed || status == http.StatusBadRequest):
		version := ""
		if l.Version != "" {
			version = " in version " + l.Version
		}
		return fmt.Errorf("%s%s is not at %s; upload it, or register where it is: %w", l, version, c.endpoint, revision.ErrNotFound)
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return fmt.Errorf("%s refuses to show %s (%w); give the configured key s3:GetObject on it, and s3:ListBucket, without which S3 says the same of a bundle that is not there: %w",
			c.endpoint, l, answer.Err, revision.ErrDenied)
	case status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		return fmt.Errorf("the bucket of %s is in another region than %s; configure that region: %w", l, c.endpoint, err)
	default:
		return fmt.Errorf("read %s from %s: %w", l, c.endpoint, err)
	}
}
