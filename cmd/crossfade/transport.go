package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"
)

// caVariables are where the AWS tools look for the certificates that the server's is checked against.
var caVariables = []string{"CROSSFADE_CA", "AWS_CA_BUNDLE"}

// longestSilence is how long a connection may say nothing before it is asked whether it lives, and how long that may take: less together than a server waits
// for a proxy.
const longestSilence = 5 * time.Second

// httpClient calls a server. Its certificate is checked against the PEM file, else against that of the environment, else the system's.
func httpClient(environ []string, ca string) (*http.Client, error) {
	name := "--ca"
	if ca == "" {
		name, ca = "AWS_CA_BUNDLE", variable(environ, caVariables...)
	}
	roots, err := certificates(name, ca)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport(roots, longestSilence)}, nil
}

// transport gives up a connection to a server that stalls. HTTP/2 has all calls share one, and would try each of them there again for as long as the
// other end's kernel holds it open.
func transport(roots *x509.CertPool, silence time.Duration) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: silence}
	return t
}
