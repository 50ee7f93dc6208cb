package config

import (
	"fmt"
	"net"
	"net/url"
	"time"
)

// GitHub is the source host of revisions of the type GitHub.
type GitHub struct {
	// Kind is the form of its API: github (GitHub Enterprise too) or gitea (Forgejo too).
	Kind string `koanf:"kind"`
	// URL is where the API begins: https://HOST/api/v3 of GitHub Enterprise, https://HOST of a Gitea. Empty: GitHub's own.
	URL string `koanf:"url"`
	// Timeout bounds the download of a commit as a whole.
	Timeout time.Duration `koanf:"timeout"`
}

// check finds the first value that can't be. A token that goes over a network in the clear is every reader's, so that must be asked for.
func (g GitHub) check(insecure bool) *problem {
	switch {
	case g.Kind != "github" && g.Kind != "gitea":
		return &problem{"revisions.github.kind", fmt.Sprintf("%q is not github or gitea", g.Kind)}
	case g.Timeout <= 0:
		return &problem{"revisions.github.timeout", fmt.Sprintf("%s is no time to download anything in: write one such as 10m", g.Timeout)}
	case g.Kind == "gitea" && g.URL == "":
		return &problem{"revisions.github.url", "is empty: give the address of the Gitea, such as https://git.example.com"}
	case g.URL == "":
		return nil
	}
	u, err := url.Parse(g.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return &problem{"revisions.github.url", fmt.Sprintf("%q is not a URL such as https://git.example.com/api/v3", g.URL)}
	}
	if u.Scheme == "http" && !insecure && !Loopback(net.JoinHostPort(u.Hostname(), "80")) {
		return &problem{"revisions.github.url", fmt.Sprintf("%q would send tokens in the clear: write https, or set insecurePlainHttp when the network is trusted", g.URL)}
	}
	return nil
}
