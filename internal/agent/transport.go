package agent

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// newHTTPClient makes the client for all that the agent asks for. Keep-alive probes find a dead server long before a poll's timeout would.
func (o Options) newHTTPClient() *http.Client {
	dialer := &net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	if o.LocalAddr.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: o.LocalAddr.AsSlice(), Zone: o.LocalAddr.Zone()}
	}
	return &http.Client{
		CheckRedirect: followOnlyUnsigned,
		Transport: &http.Transport{
			Proxy: o.Proxy, DialContext: dialer.DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: o.ReadTimeout,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   4,
			ForceAttemptHTTP2:     true,
			HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
		},
	}
}

// followOnlyUnsigned does not follow redirections of signed requests: the signature is for the first address only.
func followOnlyUnsigned(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 || via[0].Header.Get("X-Amz-Date") != "" {
		return http.ErrUseLastResponse
	}
	return nil
}
