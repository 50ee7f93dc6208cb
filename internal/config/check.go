package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxPollHold leaves agents, which give up after 80 s, time for the answer.
const maxPollHold = 75 * time.Second

// maxLinger is more than any load balancer waits between its checks.
const maxLinger = 5 * time.Minute

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	hostForm    = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$`)
	bucketForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

// check finds the first value that can't be.
func (c Config) check() *problem {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return &problem{"listen", fmt.Sprintf("%q is not host:port, such as 127.0.0.1:8470", c.Listen)}
	}
	switch {
	case c.Data == "":
		return &problem{"data", "is empty: name the directory that keeps the server's state"}
	case !regionForm.MatchString(c.Region):
		return &problem{"region", fmt.Sprintf("%q is no region: use lower-case letters, digits and hyphens, such as us-east-1", c.Region)}
	case !accountForm.MatchString(c.Account):
		return &problem{"account", fmt.Sprintf("%q is no account: write twelve digits, in quotes", c.Account)}
	case !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level):
		return &problem{"log.level", fmt.Sprintf("%q is not debug, info, warn or error", c.Log.Level)}
	case !slices.Contains([]string{"text", "json"}, c.Log.Format):
		return &problem{"log.format", fmt.Sprintf("%q is not text or json", c.Log.Format)}
	case c.Agents.PollHold <= 0 || c.Agents.PollHold > maxPollHold:
		return &problem{"agents.pollHold", fmt.Sprintf("%s is not between 1ms and %s: agents give up after 80s", c.Agents.PollHold, maxPollHold)}
	case c.Linger < 0 || c.Linger > maxLinger:
		return &problem{"linger", fmt.Sprintf("%s is not between 0s and %s: a little more than the interval of the load balancer's checks does", c.Linger, maxLinger)}
	case c.ShutdownTimeout < 0:
		return &problem{"shutdownTimeout", fmt.Sprintf("%s is negative: write 0s to stop at once", c.ShutdownTimeout)}
	}
	if p := checkURL("endpoint", c.Endpoint); p != nil {
		return p
	}
	if p := checkStore(c.Store); p != nil {
		return p
	}
	if p := c.Revisions.check(); p != nil {
		return p
	}
	if p := c.Revisions.GitHub.check(c.InsecurePlainHTTP); p != nil {
		return p
	}
	if p := c.LoadBalancer.check(); p != nil {
		return p
	}
	if p := checkFleets(c.Fleets); p != nil {
		return p
	}
	if p := c.Alarms.check(c.InsecurePlainHTTP); p != nil {
		return p
	}
	if p := c.Notifications.check(); p != nil {
		return p
	}
	if p := c.Limits.check(); p != nil {
		return p
	}
	if p := c.Audit.check(); p != nil {
		return p
	}
	if p := c.Identity.check(c.Account); p != nil {
		return p
	}
	if p := c.Retention.check(); p != nil {
		return p
	}
	return c.checkTransport()
}

// minForget leaves a proxy that is started again the time to come back.
const minForget = time.Minute

func (b LoadBalancer) check() *problem {
	switch {
	case b.Mode != BalancerEmbedded && b.Mode != BalancerProxies:
		return &problem{"loadBalancer.mode", fmt.Sprintf("%q is not embedded or proxies", b.Mode)}
	case b.ForgetProxyAfter < minForget:
		return &problem{"loadBalancer.forgetProxyAfter", fmt.Sprintf("%s is less than %s: a silent proxy may still send requests to instances, so give it time to come back", b.ForgetProxyAfter, minForget)}
	}
	return nil
}

func (r Revisions) check() *problem {
	home := map[string]string{}
	take := func(key, bucket string) *problem {
		if !bucketForm.MatchString(bucket) {
			return &problem{key, fmt.Sprintf("%q is no bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens", bucket)}
		}
		if first, taken := home[bucket]; taken {
			return &problem{key, fmt.Sprintf("%q is named by %s already: a bucket has one place", bucket, first)}
		}
		home[bucket] = key
		return nil
	}
	for i, b := range r.Buckets {
		if p := take(fmt.Sprintf("revisions.buckets[%d]", i), b); p != nil {
			return p
		}
	}
	for i, e := range r.External {
		key := fmt.Sprintf("revisions.external[%d]", i)
		switch {
		case len(e.Buckets) == 0:
			return &problem{key, "names no buckets: list those that are read from there"}
		case (e.AccessKeyID == "") != (e.SecretAccessKey == ""):
			return &problem{key, "has one of accessKeyId and secretAccessKey: give both or neither"}
		case e.Region != "" && !regionForm.MatchString(e.Region):
			return &problem{key + ".region", fmt.Sprintf("%q is no region", e.Region)}
		}
		if p := checkURL(key+".endpoint", e.Endpoint); p != nil {
			return p
		}
		for j, b := range e.Buckets {
			if p := take(fmt.Sprintf("%s.buckets[%d]", key, j), b); p != nil {
				return p
			}
		}
	}
	return nil
}

// checkURL refuses what is neither empty nor the root of a web server.
func checkURL(key, value string) *problem {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return &problem{key, fmt.Sprintf("%q is not a URL such as https://deploy.example.com", value)}
	}
	return nil
}

// checkTransport refuses what contradicts itself about TLS.
func (c Config) checkTransport() *problem {
	switch {
	case c.TLS.Cert != "" && c.TLS.Key == "":
		return &problem{"tls.cert", "is given without tls.key: give both"}
	case c.TLS.Key != "" && c.TLS.Cert == "":
		return &problem{"tls.key", "is given without tls.cert: give both"}
	case c.InsecurePlainHTTP && (c.TLS.On || c.TLS.Cert != ""):
		return &problem{"insecurePlainHttp", "is set, and so is tls: leave one of them out"}
	}
	for i, name := range c.TLS.Names {
		_, err := netip.ParseAddr(name)
		if err != nil && !hostForm.MatchString(name) {
			return &problem{fmt.Sprintf("tls.names[%d]", i), fmt.Sprintf("%q is neither a host name nor an IP address", name)}
		}
	}
	return nil
}

// Loopback reports whether only this machine reaches the address.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
