package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRevisionsTellOfTheirUse holds the times of use and the groups, also over deployments that replace one another.
func TestRevisionsTellOfTheirUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
	w.agents.answering = true
	const commit = `{"revisionType":"GitHub","gitHubLocation":{"repository":"a/shop","commitId":"0123456789012345678901234567890123456789"}}`
	deployTo := func(revision string) {
		t.Helper()
		w.clock.Pass(time.Hour)
		w.must("CreateDeployment", `{"applicationName":"shop","deploymentGroupName":"flat","revision":`+revision+`}`)
		w.run()
	}
	info := func(revision string, path ...string) string {
		t.Helper()
		return w.must("GetApplicationRevision", `{"applicationName":"shop","revision":`+revision+`}`, append([]string{"revisionInfo"}, path...)...)
	}
	w.must("RegisterApplicationRevision", `{"applicationName":"shop","revision":`+bundle+`,"description":"registered"}`)
	registered := info(bundle, "registerTime")
	deployTo(bundle)
	first := info(bundle, "firstUsedTime")
	if first == registered || info(bundle, "lastUsedTime") != first {
		t.Errorf("registered at %s, used %s", registered, info(bundle))
	}
	deployTo(commit)
	same(t, "a deployment registers what is not known", info(commit, "registerTime"), info(commit, "firstUsedTime"))
	same(t, "the new one is the group's", info(commit, "deploymentGroups"), `["flat"]`)
	same(t, "the old one is nobody's", info(bundle, "deploymentGroups"), `[]`)
	deployTo(bundle)
	same(t, "the first use stays", info(bundle, "firstUsedTime"), first)
	same(t, "so does the time of registration", info(bundle, "registerTime"), registered)
	same(t, "and the description", info(bundle, "description"), `"registered"`)
	if info(bundle, "lastUsedTime") <= info(commit, "lastUsedTime") {
		t.Errorf("the last use of %s is before that of %s", info(bundle), info(commit))
	}
	batch := w.must("BatchGetApplicationRevisions", `{"applicationName":"shop","revisions":[`+commit+`,`+bundle+`]}`, "revisions")
	same(t, "a batch says the same, in the order asked for", batch,
		`[{"revisionLocation":`+commit+`,"genericRevisionInfo":`+info(commit)+`},{"revisionLocation":`+bundle+`,"genericRevisionInfo":`+info(bundle)+`}]`)
	for order, want := range map[string]string{
		`"sortBy":"firstUsedTime"`:                               `[` + bundle + `,` + commit + `]`,
		`"sortBy":"lastUsedTime"`:                                `[` + commit + `,` + bundle + `]`,
		`"sortBy":"lastUsedTime","sortOrder":"descending"`:       `[` + bundle + `,` + commit + `]`,
		`"deployed":"include"`:                                   `[` + bundle + `]`,
		`"deployed":"exclude"`:                                   `[` + commit + `]`,
		`"deployed":"ignore","s3Bucket":"bundles"`:               `[` + bundle + `]`,
		`"deployed":"exclude","s3Bucket":"bundles"`:              `[]`,
		`"s3Bucket":"bundles","s3KeyPrefix":"shop.zip and more"`: `[]`,
	} {
		same(t, order, w.must("ListApplicationRevisions", `{"applicationName":"shop",`+order+`}`, "revisions"), want)
	}
}

// TestRevisionsAreListedOnceEach holds that pages fit together while revisions are added, in either direction.
func TestRevisionsAreListedOnceEach(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"ascending", "descending"} {
		w := newWorld(t)
		w.stock(blueGreenBlock("STOP_DEPLOYMENT", 60, "TERMINATE", 60))
		n := 0
		register := func(count int) {
			for range count {
				n++
				w.must("RegisterApplicationRevision", fmt.Sprintf(`{"applicationName":"shop","revision":{"revisionType":"S3","s3Location":{"bucket":"builds","key":"k%03d","bundleType":"zip"}}}`, n))
			}
		}
		register(150)
		seen, token := map[string]int{}, ""
		for pages := 0; ; pages++ {
			if pages == 10 {
				t.Fatal("it does not end")
			}
			answer := w.must("ListApplicationRevisions", `{"applicationName":"shop","s3Bucket":"builds","sortBy":"registerTime","sortOrder":"`+order+`"`+token+`}`)
			for part := range strings.SplitSeq(answer, `"key":"`) {
				if strings.HasPrefix(part, "k") {
					seen[part[:4]]++
				}
			}
			next := dig(t, answer, "nextToken")
			if next == "" {
				break
			}
			token = `,"nextToken":` + next
			if n < 200 {
				w.clock.Pass(time.Second)
				register(10)
			}
		}
		for i := range 150 {
			if key := fmt.Sprintf("k%03d", i+1); seen[key] != 1 {
				t.Errorf("%s: %s came %d times", order, key, seen[key])
			}
		}
	}
}
