package api_test

import (
	"strings"
	"testing"
)

// TestTagsThatDifferInCaseAlone holds that no tag hides behind another from a policy, in which the case of their keys does not count.
func TestTagsThatDifferInCaseAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for operation, body := range map[string]string{
		"CreateApplication": `{"applicationName":"a","tags":[{"Key":"Team","Value":"red"},{"Key":"team","Value":"blue"}]}`,
	} {
		if code, message := w.call(operation, body); !strings.HasPrefix(code, "InvalidTagsToAdd") {
			t.Errorf("%s: %s %s", operation, code, message)
		}
	}
}
