package main

import (
	"errors"
	"strings"

	"crossfade/internal/sigv4"
)

// variable is the first of the environment variables that is set and not empty.
func variable(environ []string, names ...string) string {
	for _, name := range names {
		for _, e := range environ {
			if value, ok := strings.CutPrefix(e, name+"="); ok && value != "" {
				return value
			}
		}
	}
	return ""
}

const (
	rootKeyVariable    = "CROSSFADE_ROOT_ACCESS_KEY_ID"
	rootSecretVariable = "CROSSFADE_ROOT_SECRET_ACCESS_KEY"
)

// rootFrom is the root's access key, or zero when the environment has none.
func rootFrom(environ []string) (sigv4.Credential, error) {
	c := sigv4.Credential{AccessKeyID: variable(environ, rootKeyVariable), SecretAccessKey: variable(environ, rootSecretVariable)}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		return c, errors.New(rootKeyVariable + " and " + rootSecretVariable + " belong together: set both or neither")
	}
	return c, nil
}

// credentialFrom is the access key of a command that calls a server: the root's, else the one that the AWS tools would use.
func credentialFrom(environ []string) (sigv4.Credential, error) {
	c, err := rootFrom(environ)
	if err != nil || c.AccessKeyID != "" {
		return c, err
	}
	c = sigv4.Credential{
		AccessKeyID: variable(environ, "AWS_ACCESS_KEY_ID"), SecretAccessKey: variable(environ, "AWS_SECRET_ACCESS_KEY"),
		SessionToken: variable(environ, "AWS_SESSION_TOKEN"),
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return c, errors.New("no access key: set " + rootKeyVariable + " and " + rootSecretVariable + ", or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to the key of the server's root")
	}
	return c, nil
}
