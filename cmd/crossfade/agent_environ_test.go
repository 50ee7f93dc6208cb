package main

import (
	"slices"
	"testing"
)

// TestScriptsSeeNoSecretsOfTheServer holds what the environment of an operator's shell does not hand on to every deployment's scripts.
func TestScriptsSeeNoSecretsOfTheServer(t *testing.T) {
	t.Parallel()
	kept := []string{"PATH=/bin", "CROSSFADE_ENDPOINT=https://x", "CROSSFADE_REGION=r", "MY_TOKEN=the application's own", "EMPTY="}
	all := append(slices.Clone(kept), "CROSSFADE_ROOT_ACCESS_KEY_ID=a", "CROSSFADE_ROOT_SECRET_ACCESS_KEY=b", "CROSSFADE_STORE=postgres://u:p@h/d",
		"CROSSFADE_JOIN_TOKEN=cfj1.x", "CROSSFADE_REVISIONS_EXTERNAL_0_SECRETACCESSKEY=s")
	if got := withoutSecrets(all); !slices.Equal(got, kept) {
		t.Errorf("scripts see %q", got)
	}
}
