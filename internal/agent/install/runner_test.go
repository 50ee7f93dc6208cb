//go:build unix

package install

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorder is a system whose programs only note how they are called.
type recorder struct {
	missing []string          // programs that it lacks
	fails   map[string]string // program, and its first argument if that matters, to what it prints when it fails
	answers map[string]string // command line to what it prints; getent knows what is here
	calls   []string
}

var _ Runner = (*recorder)(nil)

func (r *recorder) Find(program string) error {
	if slices.Contains(r.missing, program) {
		return exec.ErrNotFound
	}
	return nil
}

func (r *recorder) Run(_ context.Context, program string, args ...string) (string, error) {
	line := program + " " + strings.Join(args, " ")
	if program == "getent" {
		answer, ok := r.answers[line]
		if !ok {
			return "", errors.New("exit status 2")
		}
		return answer, nil
	}
	// The vector, not the line: an argument that breaks in two must show.
	r.calls = append(r.calls, program+"|"+strings.Join(args, "|"))
	if output, bad := r.fails[program+" "+args[0]]; bad {
		return output, errors.New("exit status 1")
	}
	return "", nil
}

func (b *bench) wantCalls(r *recorder, want ...string) {
	b.Helper()
	got := slices.Clone(r.calls)
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], b.dir, "")
	}
	if !slices.Equal(got, want) {
		b.Errorf("the calls are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEverythingIsSetInTheOfficialOrder(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	b := newBench(t, map[string]string{"a.x/f": "1"})
	b.installer.Runner = r
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	err = b.install(whole+`permissions:
  - object: HOST/www/a.x/f
    context: {user: system_u, type: httpd_sys_content_t, range: "s0-s1:c1,c0"}
    acls: ["u:root:rw", "m::7"]
    mode: 640
    owner: `+me.Username+"\n", "")
	if err != nil {
		t.Fatal(err)
	}
	b.wantFile("g-install.json", `{"instructions":[{"type":"mkdir","directory":"/host/www"},{"type":"mkdir","directory":"/host/www/a.x"},`+
		`{"type":"copy","source":"/archive/a.x/f","destination":"/host/www/a.x/f"},`+
		`{"type":"chmod","mode":"640","file":"/host/www/a.x/f"},`+
		`{"type":"setfacl","acl":["user:root:rw-","mask::rwx"],"file":"/host/www/a.x/f"},`+
		`{"type":"semanage","context":{"user":"system_u","role":null,"type":"httpd_sys_content_t","range":"s0-s1:c0.c1"},"file":"/host/www/a.x/f"},`+
		`{"type":"chown","owner":"`+me.Username+`","file":"/host/www/a.x/f"}]}`)
	b.wantCalls(r,
		"setfacl|--set|user:root:rw-,mask::rwx,user::rw-,group::r--,other::---|/host/www/a.x/f",
		"semanage|fcontext|-a|-s|system_u|-t|httpd_sys_content_t|-r|s0-s1:c0.c1|"+`/host/www/a\.x/f`,
		"restorecon|-v|/host/www/a.x/f")
	b.wantFile("g-cleanup", "/host/www\n/host/www/a.x\n/host/www/a.x/f\nsemanage\x00'"+`/host/www/a\.x/f'`+"\n")
}

func TestACLsOfDirectoriesAndOfWhatMatches(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	b := newBench(t, map[string]string{"sub/f": "1", "sub/l": "-> f", "other": "1"})
	b.installer.Runner = r
	err := b.install(whole+`permissions:
  - object: HOST/www
    type: [directory]
    acls: ["d:g:root:rx"]
  - object: HOST/www/sub
    acls: ["g:root:r"]
    context: {type: t}
`, "")
	if err != nil {
		t.Fatal(err)
	}
	b.wantCalls(r,
		"setfacl|--set|default:group:root:r-x,user::rwx,group::r-x,other::r-x,default:user::rwx,default:group::r-x,default:other::r-x,default:mask::r-x|/host/www/sub",
		"setfacl|--set|group:root:r--,user::rw-,group::r--,other::r--,mask::r--|/host/www/sub/f",
		"semanage|fcontext|-a|-t|t|/host/www/sub/f",
		"restorecon|-v|/host/www/sub/f")
}

func TestWhatPermissionsNeedIsMissedBeforeAnythingIsTouched(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ program, permission, want string }{
		{"setfacl", `acls: ["u:root:r"]`, "apt-get install acl)"},
		{"semanage", "context: {type: t}", "apt-get install policycoreutils-python-utils)"},
		{"restorecon", "context: {type: t}", "apt-get install policycoreutils)"},
	} {
		b := newBench(t, map[string]string{"old": "1"})
		if err := b.install(whole, ""); err != nil {
			t.Fatal(err)
		}
		r := &recorder{missing: []string{tc.program}}
		b.installer.Runner = r
		b.revision(map[string]string{"new": "1"})
		err := b.install(whole+"permissions:\n  - object: HOST/www\n    "+tc.permission+"\n", "")
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "appspec.yml line 7: ") {
			t.Errorf("%s: got %v, want %q", tc.program, err, tc.want)
		}
		b.wantTree("www/ www/old=1")
		b.wantCalls(r)
	}
}

func TestAProgramThatFailsIsQuoted(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"f": "1"})
	r := &recorder{fails: map[string]string{"setfacl --set": "setfacl: f: Operation not supported\n"}}
	b.installer.Runner = r
	err := b.install(whole+"permissions:\n  - object: HOST/www/f\n    acls: [\"u:root:r\"]\n", "")
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 1: setfacl: f: Operation not supported") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyARuleThatWasAddedIsTakenAway(t *testing.T) {
	t.Parallel()
	const permission = "permissions:\n  - object: HOST/www/f\n    context: {type: t}\n"
	b := newBench(t, map[string]string{"f": "1"})
	b.installer.Runner = &recorder{fails: map[string]string{"restorecon -v": ""}}
	if err := b.install(whole+permission, ""); err == nil || !strings.Contains(err.Error(), "restorecon") {
		t.Errorf("got %v", err)
	}
	b.wantFile("g-cleanup", "/host/www\n/host/www/f\nsemanage\x00/host/www/f\n")
	r := &recorder{fails: map[string]string{"semanage fcontext": "is there already"}}
	b.installer.Runner = r
	if err := b.install(whole+permission, ""); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("got %v", err)
	}
	b.wantCalls(r, "semanage|fcontext|-d|/host/www/f", "semanage|fcontext|-a|-t|t|/host/www/f")
	b.wantFile("g-cleanup", "/host/www\n/host/www/f\n")
}

func TestPatternsAreQuotedForAShellAndReadBack(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/srv/www/page":   "/srv/www/page",
		"/srv/a.b/x+y":    `'/srv/a\.b/x\+y'`,
		"/srv/it's (one)": `'/srv/it'\''s\x20\(one\)'`,
		"/srv/$(reboot);": `'/srv/\$\(reboot\);'`,
	} {
		pattern := policyPattern(path)
		if got := quotePattern(pattern); got != want || unquotePattern(got) != pattern {
			t.Errorf("%s is written %s and read back as %s", path, got, unquotePattern(got))
		}
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+quotePattern(pattern)).Output()
		if err != nil || string(out) != pattern {
			t.Errorf("a shell makes %s of %s, %v", out, path, err)
		}
	}
}

func TestNamesOfADirectoryServiceAreAskedFor(t *testing.T) {
	t.Parallel()
	r := &recorder{answers: map[string]string{"getent group of-ldap": "of-ldap:*:4711:bob\n", "getent passwd of-ldap": "of-ldap:*:4712:4711::/:/bin/sh\n"}}
	uid, gid, err := ids(t.Context(), r, "of-ldap", "of-ldap")
	if err != nil || uid != 4712 || gid != 4711 {
		t.Errorf("got %d, %d, %v", uid, gid, err)
	}
	if _, _, err := ids(t.Context(), r, "nobody-at-all", ""); err == nil {
		t.Error("a name that nobody knows passed")
	}
}

func TestPatternsHaveNoOtherWildcardThanTheStar(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a", true}, {"*", ".hidden", true}, {"*.sh", "a.sh", true}, {"*.sh", "a.sh.txt", false}, {"a*b*c", "axxbyyc", true},
		{"a*b*c", "axxbyy", false}, {"a?", "ab", false}, {"a?", "a?", true}, {"[ab]", "a", false}, {"[ab]", "[ab]", true},
		{"", "", true}, {"", "a", false}, {"**", "x", true}, {"*a*", "bab", true}, {`\*`, "*", false},
	} {
		if got := glob(tc.pattern, tc.name); got != tc.want {
			t.Errorf("%q on %q is %t", tc.pattern, tc.name, got)
		}
	}
}

func TestARealAccessControlList(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"setfacl", "getfacl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("this host has no %s: install the package acl", program)
		}
	}
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("setfacl", "-m", "u:0:r", probe).CombinedOutput(); err != nil {
		t.Skipf("the file system of %s keeps no access control lists: %s", probe, out)
	}
	b := newBench(t, map[string]string{"sub/f": "1"})
	err := b.install(whole+`permissions:
  - object: HOST/www
    mode: 750
    acls: ["u:root:rwx", "d:u:root:r"]
    type: [directory]
  - object: HOST/www/sub
    mode: 640
    acls: ["u:root:rw"]
    type: [file]
`, "")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"www/sub":   "user::rwx user:root:rwx group::r-x mask::r-x other::--- default:user::rwx default:user:root:r-- default:group::r-x default:mask::r-x default:other::---",
		"www/sub/f": "user::rw- user:root:rw- group::r-- mask::r-- other::---",
	} {
		out, err := exec.Command("getfacl", "--absolute-names", "--omit-header", "--no-effective", filepath.Join(b.host, path)).Output()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
			t.Errorf("%s has\n%s, %v, want\n%s", path, got, err, want)
		}
	}
}
