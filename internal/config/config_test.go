package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crossfade.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSayingNothingGivesTheDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load(Sources{Environ: []string{"HOME=/root", "CROSSFADE_CONFIG=x", "CROSSFADE_ROOT_ACCESS_KEY_ID=AKIA"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestLaterLayersWin(t *testing.T) {
	t.Parallel()
	file := write(t, "listen: 127.0.0.1:1\nregion: eu-central-1\nlog:\n  level: warn\n  format: json\nrevisions:\n  buckets: [one, two, three]\n")
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.String("listen", "unused default", "")
	flags.String("region", "unused default", "")
	if err := flags.Parse([]string{"--listen", "127.0.0.1:3"}); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Sources{
		File: file, Flags: flags, FlagKeys: map[string]string{"listen": "listen", "region": "region"},
		Environ: []string{"CROSSFADE_LISTEN=127.0.0.1:2", "CROSSFADE_LOG_LEVEL=error", "CROSSFADE_REVISIONS_BUCKETS=[four]", "CROSSFADE_AGENTS_POLL_HOLD=3s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.Region = "127.0.0.1:3", "eu-central-1"
	want.Log = Log{Level: "error", Format: "json"}
	want.Revisions.Buckets = []string{"four"}
	want.Agents.PollHold = 3 * time.Second
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestAMistakeIsNamedWithItsPlaceAndWhatToDo(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		file    string
		environ []string
		want    []string
	}{
		"unknown key":        {file: "region: x\nlisen: 127.0.0.1:1\n", want: []string{":2: there is no key lisen", "did you mean listen?"}},
		"unknown inner key":  {file: "log:\n  levle: info\n", want: []string{":2: there is no key log.levle", "did you mean log.level?"}},
		"unknown list key":   {file: "loadBalancer:\n  targetGroups:\n  - name: web\n    prot: 80\n", want: []string{":4: there is no key loadBalancer.targetGroups[0].prot", "did you mean loadBalancer.targetGroups.port?"}},
		"unknown far key":    {file: "zzzzzz: 1\n", want: []string{":1: there is no key zzzzzz; remove it"}},
		"wrong case":         {file: "Listen: 127.0.0.1:1\n", want: []string{"there is no key Listen; did you mean listen?"}},
		"number for text":    {file: "account: 123456789012\n", want: []string{":1: account: 123456789012 is a whole number where text belongs; put it in quotes"}},
		"text for number":    {file: "loadBalancer:\n  targetGroups:\n  - name: web\n    port: eighty\n", want: []string{":4: loadBalancer.targetGroups[0].port", "where a whole number belongs"}},
		"list for text":      {file: "listen: [a]\n", want: []string{":1: listen: [a] is a list where text belongs"}},
		"bare duration":      {file: "shutdownTimeout: 30\n", want: []string{":1: shutdownTimeout: ", "30 has no unit", "30s"}},
		"long linger":        {file: "linger: 6m\n", want: []string{":1: linger 6m0s is not between 0s and 5m0s"}},
		"bad duration":       {file: "agents: {pollHold: soon}\n", want: []string{":1: agents.pollHold", `"soon" is no duration`}},
		"not YAML":           {file: "a: [\n", want: []string{"is not YAML", "line"}},
		"not keys":           {file: "- a\n", want: []string{"is not a YAML file of keys"}},
		"key twice":          {file: "region: a\nregion: b\n", want: []string{"region", "line 2"}},
		"bad account":        {file: "region: eu-west-1\naccount: \"12\"\n", want: []string{":2: account", "twelve digits"}},
		"bad level":          {environ: []string{"CROSSFADE_LOG_LEVEL=loud"}, want: []string{"environment variable CROSSFADE_LOG_LEVEL: log.level", "debug, info, warn or error"}},
		"unknown variable":   {environ: []string{"CROSSFADE_LOGLEVEL=info"}, want: []string{"CROSSFADE_LOGLEVEL is not known; did you mean CROSSFADE_LOG_LEVEL?"}},
		"variable bool":      {environ: []string{"CROSSFADE_INSECURE_PLAIN_HTTP=perhaps"}, want: []string{"CROSSFADE_INSECURE_PLAIN_HTTP", "is not true or false"}},
		"variable no list":   {environ: []string{"CROSSFADE_REVISIONS_BUCKETS={a: b}"}, want: []string{"CROSSFADE_REVISIONS_BUCKETS is not a YAML list"}},
		"bad balancer mode":  {file: "loadBalancer: {mode: extern}\n", want: []string{"loadBalancer.mode", "embedded or proxies"}},
		"bad forgetting":     {file: "loadBalancer: {forgetProxyAfter: 1s}\n", want: []string{"loadBalancer.forgetProxyAfter", "less than 1m0s"}},
		"bad bucket":         {file: "revisions: {buckets: [ok-bucket, NO]}\n", want: []string{"revisions.buckets[1]", "no bucket name"}},
		"long hold":          {file: "agents: {pollHold: 90s}\n", want: []string{"agents.pollHold", "agents give up after 80s"}},
		"no port":            {file: "listen: localhost\n", want: []string{`"localhost" is not host:port`}},
		"TLS and plain HTTP": {file: "insecurePlainHttp: true\ntls: {on: true}\n", want: []string{"insecurePlainHttp is set, and so is tls"}},
		"no name":            {file: "tls: {names: [\"a b\"]}\n", want: []string{"tls.names[0]", "neither a host name"}},
		"half of TLS":        {file: "tls: {cert: a.pem}\n", want: []string{"tls.cert is given without tls.key"}},
		"endpoint no URL":    {file: "endpoint: deploy.example.com\n", want: []string{"endpoint", "https://deploy.example.com"}},
		"endpoint with path": {file: "endpoint: https://deploy.example.com/x\n", want: []string{"endpoint"}},
		"bucket twice":       {file: "revisions:\n  buckets: [one]\n  external:\n  - buckets: [two, one]\n", want: []string{":4: revisions.external[0].buckets[1]", "named by revisions.buckets[0] already"}},
		"external, nothing":  {file: "revisions: {external: [{endpoint: \"https://s3.example.com\"}]}\n", want: []string{"revisions.external[0] names no buckets"}},
		"external, half key": {file: "revisions: {external: [{buckets: [one], accessKeyId: A}]}\n", want: []string{"give both or neither"}},
		"external, no URL":   {file: "revisions: {external: [{buckets: [one], endpoint: s3}]}\n", want: []string{"revisions.external[0].endpoint"}},
		"no data":            {file: "data: \"\"\n", want: []string{"data is empty"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Sources{Environ: c.environ}
			if c.file != "" {
				s.File = write(t, c.file)
			}
			_, err := Load(s)
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if s.File != "" && !strings.Contains(err.Error(), s.File) {
				t.Errorf("%q does not name the file", err)
			}
		})
	}
}

func TestTLSBeyondLoopbackUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	for file, https := range map[string]bool{
		"listen: 0.0.0.0:80\n":                                                           true,
		"listen: 0.0.0.0:80\ninsecurePlainHttp: true\n":                                  false,
		"listen: 0.0.0.0:443\ntls: {cert: c.pem, key: k.pem}\n":                          true,
		"listen: 127.0.0.1:443\ntls: {cert: c.pem, key: k.pem}\n":                        true,
		"listen: \"[::1]:80\"\n":                                                         false,
		"listen: localhost:80\n":                                                         false,
		"listen: localhost:80\ntls: {on: true, names: [deploy.example.com, 10.0.0.7]}\n": true,
		"endpoint: https://deploy.example.com\n":                                         false,
	} {
		c, err := Load(Sources{File: write(t, file)})
		if err != nil || c.HTTPS() != https {
			t.Errorf("%q: HTTPS %v, %v", file, c.HTTPS(), err)
		}
	}
}

// commentedOut is a key behind a sign: no space, or the indentation of a key.
var commentedOut = regexp.MustCompile(`^#((?:  )*(?:- )?[A-Za-z]+:.*)$`)

// TestTheExampleNamesEveryKey keeps the example complete, and loads it twice: as it is, and with all that is commented out in force.
func TestTheExampleNamesEveryKey(t *testing.T) {
	t.Parallel()
	const path = "../../examples/crossfade.yaml"
	if _, err := Load(Sources{File: path}); err != nil {
		t.Errorf("as it is: %v", err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(string(content), "\n") {
		lines = append(lines, commentedOut.ReplaceAllString(line, "$1"))
	}
	all := write(t, strings.Join(lines, "\n"))
	if _, err := Load(Sources{File: all}); err != nil {
		t.Errorf("with everything in force: %v", err)
	}
	l, err := fileLayer(all)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Keys() {
		if !l.values.Exists(k.Name) {
			t.Errorf("the example lacks the key %s", k.Name)
		}
		if !strings.Contains(string(docs), "`"+k.Name+"`") || !strings.Contains(string(docs), "`"+k.Variable+"`") {
			t.Errorf("docs/configuration.md lacks %s or %s", k.Name, k.Variable)
		}
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\nlog: {level: debug}\n")
	f.Add("loadBalancer:\n  targetGroups:\n  - name: web\n    port: 80\n    healthCheck: {interval: 2s}\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, content string) {
		l, err := parseFile("f.yaml", []byte(content))
		if err != nil {
			return
		}
		c := Default()
		if err := l.decode(&c); err != nil {
			return
		}
		if p := c.check(); p != nil && !strings.Contains(p.at([]layer{l}).Error(), p.key) {
			t.Errorf("%q is refused without its key", content)
		}
	})
}
