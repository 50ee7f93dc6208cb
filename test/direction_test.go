// Package test holds what no single package can: the direction of dependencies, and whole deployments through the doors that users have.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// rules says which imports a package (and everything below it) may not have, and why.
var rules = []struct {
	who    string
	never  []string
	except []string
	why    string
}{
	{"crossfade/internal/deploy", []string{"crossfade/", "log", "log/slog", "math/rand", "math/rand/v2", "os", "net", "net/http", "context", "database/sql"}, nil,
		"the domain decides; what it decides on is given to it"},
	{"crossfade/internal/engine", []string{"crossfade/internal/wire", "net/http", "crossfade/internal/store/sqlite", "crossfade/internal/traffic/builtin", "crossfade/internal/lb", "crossfade/internal/api", "crossfade/internal/hostapi"}, nil,
		"the engine knows ports, never a driver or the wire"},
	{"crossfade/internal/agent", []string{"crossfade/internal/engine", "crossfade/internal/store", "crossfade/internal/deploy", "github.com/aws/", "database/sql"}, nil,
		"an agent runs on the user's machines: no server, no database, no cloud SDK"},
	{"crossfade/internal/lb", []string{"crossfade/", "github.com/aws/", "database/sql"}, []string{"crossfade/internal/lb"},
		"the data plane knows nothing of deployments"},
	{"crossfade/internal/traffic", []string{"crossfade/internal/engine", "crossfade/internal/store", "crossfade/internal/wire", "crossfade/internal/api"}, nil,
		"a driver knows its port only"},
	{"crossfade/internal/store", []string{"crossfade/internal/engine", "crossfade/internal/wire", "crossfade/internal/api", "crossfade/internal/hostapi", "net/http"}, nil,
		"the store keeps what the domain decided"},
	{"crossfade/internal/fleet", []string{"crossfade/internal/engine", "crossfade/internal/wire", "crossfade/internal/api"}, nil,
		"a port imports the domain and what it reads"},
	{"crossfade/internal/api", []string{"crossfade/internal/store/sqlite", "crossfade/internal/traffic/builtin", "crossfade/internal/lb", "crossfade/internal/agent", "crossfade/internal/hostapi"}, nil,
		"the control plane speaks to contracts"},
	{"crossfade/internal/hostapi", []string{"crossfade/internal/store/sqlite", "crossfade/internal/api", "crossfade/internal/agent", "crossfade/internal/wire/control"}, nil,
		"the agents' door is not the operators' door"},
	{"crossfade/internal/alarm", []string{"crossfade/internal/"}, []string{"crossfade/internal/alarm"},
		"an alarm source knows no deployment"},
	{"crossfade/internal/notify", []string{"crossfade/internal/engine", "crossfade/internal/wire", "crossfade/internal/api", "crossfade/internal/store/sqlite"}, nil,
		"what others are told is made from notices, and kept by the store's contract"},
	{"crossfade/internal/revision", []string{"crossfade/internal/engine", "crossfade/internal/store", "crossfade/internal/wire", "crossfade/internal/api"}, nil,
		"a bundle knows nobody who deploys it"},
	{"crossfade/internal/explain", []string{"crossfade/internal/engine", "crossfade/internal/store", "crossfade/internal/api"}, nil,
		"explaining reads what everybody can read"},
	{"crossfade/internal/sigv4", []string{"crossfade/internal/", "github.com/"}, []string{"crossfade/internal/sigv4", "crossfade/internal/recent"},
		"signatures are a pure matter"},
	{"crossfade/internal/recent", []string{"crossfade/"}, nil,
		"a bounded map knows nothing of what is in it"},
	{"crossfade/internal/appspec", []string{"crossfade/internal/"}, []string{"crossfade/internal/appspec"},
		"the AppSpec knows nobody"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// TestDependenciesPointFromTheEdgeToTheCore holds the rules over the imports of all packages, tests aside.
func TestDependenciesPointFromTheEdgeToTheCore(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "crossfade/...").Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	checked := map[string]int{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if !under(p.ImportPath, r.who) {
				continue
			}
			checked[r.who]++
			for _, i := range p.Imports {
				if forbidden(i, r.never) && !forbidden(i, r.except) {
					t.Errorf("%s imports %s: %s", p.ImportPath, i, r.why)
				}
			}
		}
	}
	for _, r := range rules {
		if checked[r.who] == 0 {
			t.Errorf("the rule for %s concerns no package", r.who)
		}
	}
}

func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func forbidden(path string, roots []string) bool {
	for _, r := range roots {
		if under(path, strings.TrimSuffix(r, "/")) || strings.HasSuffix(r, "/") && strings.HasPrefix(path, r) {
			return true
		}
	}
	return false
}
