package main

import (
	"crypto/tls"
	"net/http"
)

// caVariables are where the AWS tools look for the certificates that the server's is checked against.
var caVariables = []string{"CROSSFADE_CA", "AWS_CA_BUNDLE"}

// httpClient calls a server. Its certificate is checked against the PEM file, else against that of the environment, else the system's.
func httpClient(environ []string, ca string) (*http.Client, error) {
	name := "--ca"
	if ca == "" {
		name, ca = "AWS_CA_BUNDLE", variable(environ, caVariables...)
	}
	roots, err := certificates(name, ca)
	if err != nil || roots == nil {
		return http.DefaultClient, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}
