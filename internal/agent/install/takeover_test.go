//go:build unix

package install

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crossfade/internal/agent/rootdir"
)

// TestAHostOfTheOfficialAgentIsTakenOver installs over a root directory as the official agent leaves it, written by hand from its description.
func TestAHostOfTheOfficialAgentIsTakenOver(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	b := newBench(t, map[string]string{"new": "2", "both": "2"})
	b.installer.Runner = r
	root := filepath.Join(b.dir, "deployment-root")
	b.installer.Dir = filepath.Join(root, "deployment-instructions")
	old := filepath.Join(root, "g", "d-OLD")
	b.write(filepath.Join(old, "deployment-archive", "appspec.yml"), "version: 0.0\nos: linux\n")
	b.write(filepath.Join(b.installer.Dir, "g_last_successful_install"), old)
	b.write(filepath.Join(b.installer.Dir, "g_most_recent_install"), old)
	host := func(text string) string { return strings.ReplaceAll(text, "HOST", b.host) }
	b.write(filepath.Join(b.installer.Dir, "g-install.json"), host(`{"instructions":[{"type":"mkdir","directory":"HOST/www"},`+
		`{"type":"copy","source":"/gone/both","destination":"HOST/www/both"},{"type":"copy","source":"/gone/l","destination":"HOST/www/l"},`+
		`{"type":"mkdir","directory":"HOST/www/data"},{"type":"chown","owner":"root","group":null,"file":"HOST/www/both"},`+
		`{"type":"semanage","context":{"user":null,"role":null,"type":"t","range":"s0"},"file":"HOST/www/both"}]}`))
	b.write(filepath.Join(b.installer.Dir, "g-cleanup"), host("HOST/www\nHOST/www/both\nHOST/www/l\nHOST/www/data\nsemanage\x00HOST/www/both.x\nHOST/kept"))
	b.write(filepath.Join(b.host, "www/both"), "1")
	b.write(filepath.Join(b.host, "www/l"), "-> /etc/hostname")
	b.write(filepath.Join(b.host, "www/data/the-users"), "u")
	b.write(filepath.Join(b.host, "kept"), "its line was not finished")

	dir := openRoot(t, root)
	marked, found, err := dir.Marked("g", rootdir.LastSuccessful)
	if err != nil || !found || marked.Path() != old {
		t.Errorf("the last successful installation is %v, %t, %v", marked, found, err)
	}
	if err := b.install(whole, ""); err != nil {
		t.Fatal(err)
	}
	b.wantTree("kept=its line was not finished www/ www/both=2 www/data/ www/data/the-users=u www/new=2")
	b.wantCalls(r, "semanage|fcontext|-d|/host/www/both.x")
	b.wantFile("g-cleanup", "/host/www/both\n/host/www/new\n")
}

// TestTheOfficialAgentCanTakeOver reads what an installation leaves as the official agent does.
func TestTheOfficialAgentCanTakeOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"f": "1", "sub.d/g": "1", "l": "-> f"})
	b.installer.Runner = &recorder{}
	root := filepath.Join(b.dir, "deployment-root")
	dir := openRoot(t, root)
	b.installer.Dir = dir.Instructions()
	if err := b.install(whole+`permissions:
  - object: HOST/www
    mode: 640
    acls: ["u:root:r"]
    context: {type: t, user: u_u, range: s0}
    type: [file]
`, ""); err != nil {
		t.Fatal(err)
	}
	own := dir.Deployment("g", "d-NEW")
	if err := dir.SetMark("g", rootdir.LastSuccessful, own); err != nil {
		t.Fatal(err)
	}
	b.wantBytes("g_last_successful_install", root+"/g/d-NEW")

	content, err := os.ReadFile(filepath.Join(b.installer.Dir, "g-install.json"))
	if err != nil {
		t.Fatal(err)
	}
	officialInstructions(t, content)

	list, err := os.ReadFile(filepath.Join(b.installer.Dir, "g-cleanup"))
	if err != nil {
		t.Fatal(err)
	}
	rules := officialCleanup(t, list)
	b.wantTree("")
	if got := strings.ReplaceAll(strings.Join(rules, " "), b.dir, ""); got != `'/host/www/sub\.d/g' /host/www/f` {
		t.Errorf("the rules to drop are %s", got)
	}
}

func openRoot(t *testing.T, path string) *rootdir.Dir {
	t.Helper()
	dir, err := rootdir.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (b *bench) wantBytes(name, want string) {
	b.Helper()
	got, err := os.ReadFile(filepath.Join(b.installer.Dir, name))
	if err != nil || string(got) != want {
		b.Errorf("%s is %q, %v, want %q", name, got, err, want)
	}
}

// officialInstructions holds that each instruction has the keys that the official agent reads, and no others.
func officialInstructions(t *testing.T, content []byte) {
	t.Helper()
	var list struct {
		Instructions []map[string]json.RawMessage `json:"instructions"`
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		t.Fatal(err)
	}
	keys := map[string]map[string]bool{ // true: never absent
		"copy": {"source": true, "destination": true}, "mkdir": {"directory": true}, "chmod": {"mode": true, "file": true},
		"chown": {"owner": false, "group": false, "file": true}, "setfacl": {"acl": true, "file": true}, "semanage": {"context": true, "file": true},
	}
	seen := map[string]bool{}
	for _, in := range list.Instructions {
		kind := strings.Trim(string(in["type"]), `"`)
		seen[kind] = true
		for key := range in {
			if _, ok := keys[kind][key]; !ok && key != "type" {
				t.Errorf("%s has the key %s", kind, key)
			}
		}
		for key, must := range keys[kind] {
			if _, there := in[key]; must && !there {
				t.Errorf("%s lacks the key %s", kind, key)
			}
		}
		if kind == "semanage" && string(in["context"]) != `{"user":"u_u","role":null,"type":"t","range":"s0"}` {
			t.Errorf("the context is %s", in["context"])
		}
	}
	for _, kind := range []string{"copy", "mkdir", "chmod", "setfacl", "semanage"} {
		if !seen[kind] {
			t.Errorf("no instruction is %s", kind)
		}
	}
}

// officialCleanup does with a cleanup list what the official agent does, and gives the rules that it would drop.
func officialCleanup(t *testing.T, list []byte) (rules []string) {
	t.Helper()
	lines := strings.Split(string(list), "\n")
	for i := len(lines) - 2; i >= 0; i-- { // what is after the last line's end is not finished
		if rule, ok := strings.CutPrefix(lines[i], "semanage\x00"); ok {
			rules = append(rules, rule)
			continue
		}
		if err := os.Remove(strings.TrimSpace(lines[i])); err != nil {
			t.Errorf("remove %q: %v", lines[i], err)
		}
	}
	return rules
}
