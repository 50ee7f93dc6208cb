package appspec_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/appspec.md anew")

const documentPath = "../../docs/appspec.md"

// TestTheDocumentHasTheRules keeps docs/appspec.md made from the lists of rules and differences.
func TestTheDocumentHasTheRules(t *testing.T) {
	t.Parallel()
	want := document()
	if *update {
		if err := os.WriteFile(documentPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/appspec.md is not what the rules say; run go test ./internal/appspec -run TestTheDocumentHasTheRules -update")
	}
}

// TestEveryRuleHasItsTests holds that the tests named in docs/appspec.md exist.
func TestEveryRuleHasItsTests(t *testing.T) {
	t.Parallel()
	known := map[string]map[string]bool{}
	for _, s := range rules() {
		for _, r := range s.rules {
			if len(r.tests) == 0 {
				t.Errorf("no test holds %q", r.rule)
			}
			for _, name := range r.tests {
				dir, function, _ := strings.Cut(name, ".")
				if known[dir] == nil {
					known[dir] = testsOf(t, filepath.Join("..", filepath.FromSlash(dir)))
				}
				if !known[dir][function] {
					t.Errorf("%q is held by %s, which does not exist", r.rule, name)
				}
			}
		}
	}
}

// testsOf names the tests of the package in a directory.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}

func document() []byte {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# The AppSpec file\n\nMade from the lists in `internal/appspec/rules_test.go` (`go test ./internal/appspec -run TestTheDocumentHasTheRules -update`); don't edit.\n\n")
	p("The AppSpec tells a host's agent where the files of a bundle go, and which scripts run at which lifecycle event. It is the file that AWS CodeDeploy\n" +
		"uses, read in the same way but for the few differences at the end. These are all of its rules for servers, what happens when one is broken, and the test that holds it.\n" +
		"\"The event fails\" means that the deployment fails on that host, with a message that says where in the file, what is wrong and what to do.\n\n" +
		"Check yours before you deploy it:\n\n```\ncrossfade appspec validate            # ./appspec.yml\ncrossfade appspec validate bundle/    # and what it names in the bundle\n```\n\n" +
		"The same command checks AppSpec files for AWS Lambda and Amazon ECS, YAML or JSON.\n\n")
	p("```yaml\nversion: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /srv/shop\npermissions:\n  - object: /srv/shop\n    pattern: \"*.sh\"\n    mode: 755\n    owner: shop\n    type: [file]\nhooks:\n  ApplicationStop:\n    - location: scripts/stop.sh\n      timeout: 60\n  ApplicationStart:\n    - location: scripts/start.sh\n      timeout: 120\n      runas: shop\n```\n")
	for _, s := range rules() {
		p("\n## %s\n\n", s.title)
		if s.about != "" {
			p("%s\n\n", s.about)
		}
		p("| rule | when broken | held by |\n|---|---|---|\n")
		for _, r := range s.rules {
			var tests []string
			for _, name := range r.tests {
				tests = append(tests, "`"+name+"`")
			}
			p("| %s | %s | %s |\n", cell(r.rule), cell(r.broken), strings.Join(tests, ", "))
		}
	}
	p("\n## Differences from the official agent\n\nWhere the official agent has a fault, or leaves a host worse than it need be, Crossfade's does the following. `crossfade appspec validate` warns of\nwhat the two would read differently.\n\n| matter | official agent | Crossfade's agent |\n|---|---|---|\n")
	for _, d := range differences() {
		p("| %s | %s | %s |\n", cell(d.matter), cell(d.official), cell(d.ours))
	}
	return b.Bytes()
}

// cell keeps text from ending its cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
