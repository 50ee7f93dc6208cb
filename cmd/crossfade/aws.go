package main

import (
	"context"
	"errors"
	"fmt"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"crossfade/internal/sigv4"
)

// store is how a command reaches the store of revisions.
type store struct {
	credential sigv4.Credential
	region     string
	endpoint   string // addressed by path
}

// storeFrom finds the access key in the environment or the files of the AWS tools, and the store that they would use. What is given wins; empty: it
// is not.
func storeFrom(ctx context.Context, environ []string, region, endpoint string) (store, error) {
	s := store{region: region, endpoint: endpoint}
	shared, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return store{}, fmt.Errorf("read the configuration of the AWS tools: %w", err)
	}
	if s.region == "" {
		if s.region = variable(environ, "CROSSFADE_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"); s.region == "" {
			s.region = shared.Region
		}
	}
	if s.region == "" {
		return store{}, errors.New("no region: set AWS_REGION")
	}
	if s.endpoint == "" {
		s.endpoint = variable(environ, "AWS_ENDPOINT_URL_S3", "CROSSFADE_ENDPOINT", "AWS_ENDPOINT_URL")
	}
	if s.endpoint == "" && shared.BaseEndpoint != nil {
		s.endpoint = *shared.BaseEndpoint
	}
	if s.endpoint == "" {
		s.endpoint = "https://s3." + s.region + ".amazonaws.com"
	}
	if s.credential, err = credentialFrom(environ); err == nil {
		return s, nil
	}
	found, retrieveErr := shared.Credentials.Retrieve(ctx)
	if retrieveErr != nil {
		return store{}, fmt.Errorf("%w; the files of the AWS tools have none either: %w", err, retrieveErr)
	}
	s.credential = sigv4.Credential{AccessKeyID: found.AccessKeyID, SecretAccessKey: found.SecretAccessKey, SessionToken: found.SessionToken}
	return s, nil
}
