package revision

import "strings"

// gitHubBucket begins the names of the buckets that keep commits.
const gitHubBucket = "crossfade-github-"

// GitHubBucket is the bucket of the built-in store that keeps the commits that were downloaded for an account. Each account has its own, because
// one account's token may have opened what another's may not see.
func GitHubBucket(account string) string { return gitHubBucket + account }

// GitHubBundle is where the server keeps a commit of a repository (OWNER/NAME), as a tgz without the directory that source hosts put around it.
// It is there once the deployment of the commit was prepared.
func GitHubBundle(account, repository, commit string) Location {
	return Location{Bucket: GitHubBucket(account), Key: repository + "/" + strings.ToLower(commit) + ".tgz"}
}
