package config_test

import (
	"strings"
	"testing"
	"time"

	"crossfade/internal/config"
)

func TestGitHubIsConfigured(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environ []string
		want    config.GitHub
		says    string
	}{
		{nil, config.GitHub{Kind: "github", Timeout: 10 * time.Minute}, ""},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_URL=https://git.example.com/api/v3", "CROSSFADE_REVISIONS_GITHUB_TIMEOUT=1m"},
			config.GitHub{Kind: "github", URL: "https://git.example.com/api/v3", Timeout: time.Minute}, ""},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_KIND=gitea", "CROSSFADE_REVISIONS_GITHUB_URL=http://127.0.0.1:3000"},
			config.GitHub{Kind: "gitea", URL: "http://127.0.0.1:3000", Timeout: 10 * time.Minute}, ""},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_URL=http://git.example.com", "CROSSFADE_INSECURE_PLAIN_HTTP=true"},
			config.GitHub{Kind: "github", URL: "http://git.example.com", Timeout: 10 * time.Minute}, ""},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_URL=http://git.example.com"}, config.GitHub{}, "in the clear"},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_KIND=gitlab"}, config.GitHub{}, "is not github or gitea"},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_KIND=gitea"}, config.GitHub{}, "revisions.github.url is empty: give the address of the Gitea"},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_URL=git.example.com"}, config.GitHub{}, "is not a URL"},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_URL=https://me:secret@git.example.com"}, config.GitHub{}, "is not a URL"},
		{[]string{"CROSSFADE_REVISIONS_GITHUB_TIMEOUT=0s"}, config.GitHub{}, "write one such as 10m"},
	} {
		c, err := config.Load(config.Sources{Environ: tt.environ})
		switch {
		case tt.says != "":
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v: %v, want %q", tt.environ, err, tt.says)
			}
		case err != nil || c.Revisions.GitHub != tt.want:
			t.Errorf("%v: %+v, %v", tt.environ, c.Revisions.GitHub, err)
		}
	}
}
