package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"crossfade/internal/config"
)

func load(t *testing.T, file string, environ ...string) (config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crossfade.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(config.Sources{File: path, Environ: environ})
}

func TestFleetsAreConfigured(t *testing.T) {
	t.Parallel()
	const file = `
fleets:
- name: web
  size: 3
  start: [/etc/crossfade/start, --now]
  stop: [incus-stop]
  check: [/bin/true]
  environment: {IMAGE: debian}
  tags: {Environment: blue, "a.b": c}
  zones: [a, b]
  startTimeout: 2m
- {kind: aws, region: eu-central-1, endpoint: "http://127.0.0.1:5000", accessKeyId: A, secretAccessKey: B}
`
	want := []config.Fleet{
		{
			Name: "web", Size: 3, Start: []string{"/etc/crossfade/start", "--now"}, Stop: []string{"incus-stop"}, Check: []string{"/bin/true"},
			Environment: map[string]string{"IMAGE": "debian"}, Tags: map[string]string{"Environment": "blue", "a.b": "c"},
			Zones: []string{"a", "b"}, StartTimeout: 2 * time.Minute,
		},
		{Kind: "aws", Region: "eu-central-1", Endpoint: "http://127.0.0.1:5000", AccessKeyID: "A", SecretAccessKey: "B"},
	}
	c, err := load(t, file)
	if err != nil || !reflect.DeepEqual(c.Fleets, want) {
		t.Errorf("got %+v, %v", c.Fleets, err)
	}
	// A later layer's list is the whole list.
	c, err = load(t, file, "CROSSFADE_FLEETS=[{name: api, start: [a], stop: [b]}]")
	if err != nil || !reflect.DeepEqual(c.Fleets, []config.Fleet{{Name: "api", Start: []string{"a"}, Stop: []string{"b"}}}) {
		t.Errorf("got %+v, %v", c.Fleets, err)
	}
}

func TestAFleetThatCanNotBeIsRefused(t *testing.T) {
	t.Parallel()
	for fleet, says := range map[string]string{
		`{start: [a], stop: [b]}`:                                           "fleets[0] has no name",
		`{name: a/b, start: [a], stop: [b]}`:                                `fleets[0].name "a/b" is no name`,
		`{name: CodeDeploy_x, start: [a], stop: [b]}`:                       "take another name",
		`{name: web, stop: [b]}`:                                            "has no start command: give a program",
		`{name: web, start: [a]}`:                                           "has no stop command",
		`{name: web, start: [a], stop: [./b]}`:                              `fleets[0].stop "./b" is relative to no directory`,
		`{name: web, start: [""], stop: [b]}`:                               "fleets[0].start names no program",
		`{name: web, start: [a], stop: [b], size: -1}`:                      "fleets[0].size -1 is not between 0 and 1000",
		`{name: web, start: [a], stop: [b], size: 1001}`:                    "not between 0 and 1000",
		`{name: web, start: [a], stop: [b], checkInterval: -1s}`:            "fleets[0].checkInterval -1s is negative",
		`{name: web, start: [a], stop: [b], environment: {CROSSFADE_X: a}}`: "CROSSFADE_X can't be set",
		`{name: web, start: [a], stop: [b], environment: {"a b": a}}`:       "is no name of a variable",
		`{name: web, start: [a], stop: [b], tags: {"crossfade:fleet": x}}`:  "crossfade:fleet is set by the server",
		`{name: web, start: [a], stop: [b], tags: {"": x}}`:                 "is no tag",
		`{name: web, start: [a], stop: [b], zones: [a, ""]}`:                "fleets[0].zones[1] is empty",
		`{name: web, start: [a], stop: [b], region: x}`:                     "add kind: aws",
		`{kind: gcp}`:                 `fleets[0].kind "gcp" is not local or aws`,
		`{kind: aws, name: web}`:      "has keys of the kind local",
		`{kind: aws, accessKeyId: x}`: "give both or neither",
		`{kind: aws, endpoint: x}`:    "fleets[0].endpoint",
		`{kind: aws, region: "EU 1"}`: "is no region",
		`{kind: aws}, {kind: aws}`:    "fleets[1] is AWS in the region",
		`{name: a, start: [a], stop: [b]}, {name: a, start: [a], stop: [b]}`: "fleets[1] is the group a, which fleets[0] is already",
		`{name: web, start: a, stop: [b]}`:                                   "fleets[0].start",
		`{name: web, strat: [a], stop: [b]}`:                                 "did you mean fleets.start?",
	} {
		_, err := load(t, "fleets: ["+fleet+"]\n")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", fleet, err, says)
		}
	}
}
