//go:build unix

package install

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/appspec"
)

// bench is a host with a revision to install.
type bench struct {
	*testing.T
	dir, archive, host string
	installer          Installer
}

func newBench(t *testing.T, files map[string]string) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{T: t, dir: dir, archive: filepath.Join(dir, "archive"), host: filepath.Join(dir, "host")}
	b.installer = Installer{Dir: filepath.Join(dir, "instructions"), Log: slog.New(slog.DiscardHandler)}
	for _, d := range []string{b.archive, b.host, b.installer.Dir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.revision(files)
	return b
}

func (b *bench) revision(files map[string]string) {
	b.Helper()
	if err := os.RemoveAll(b.archive); err != nil {
		b.Fatal(err)
	}
	for name, body := range files {
		b.write(filepath.Join(b.archive, name), body)
	}
}

func (b *bench) write(path, body string) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if target, ok := strings.CutPrefix(body, "-> "); ok {
		if err := os.Symlink(target, path); err != nil {
			b.Fatal(err)
		}
		return
	}
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(body, "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(path, []byte(body), mode); err != nil {
		b.Fatal(err)
	}
}

// install takes the AppSpec's text, in which HOST stands for the directory that plays the host.
func (b *bench) install(spec, behavior string) error {
	b.Helper()
	s, err := appspec.Parse("appspec.yml", []byte("version: 0.0\nos: linux\n"+strings.ReplaceAll(spec, "HOST", b.host)), appspec.Linux)
	if err != nil {
		b.Fatal(err)
	}
	return b.installer.Install(context.Background(), "g", Request{Archive: b.archive, Spec: s, Behavior: behavior})
}

// tree lists what is on the host: path, and content or link.
func (b *bench) tree() string {
	b.Helper()
	var all []string
	err := filepath.WalkDir(b.host, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == b.host {
			return err
		}
		rel := strings.TrimPrefix(path, b.host+"/")
		switch {
		case d.IsDir():
			all = append(all, rel+"/")
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			all = append(all, rel+"->"+target)
			return err
		default:
			body, err := os.ReadFile(path)
			all = append(all, rel+"="+string(body))
			return err
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return strings.Join(all, " ")
}

func (b *bench) wantTree(want string) {
	b.Helper()
	if got := b.tree(); got != want {
		b.Errorf("the host has\n%s, want\n%s", got, want)
	}
}

func (b *bench) wantFile(name, want string) {
	b.Helper()
	got, err := os.ReadFile(filepath.Join(b.installer.Dir, name))
	if plain := strings.ReplaceAll(string(got), b.dir, ""); err != nil || plain != want {
		b.Errorf("%s is\n%s, %v, want\n%s", name, plain, err, want)
	}
}

const whole = "files:\n  - source: /\n    destination: HOST/www\n"

// TestWhatALinkToADirectoryHoldsIsInstalled holds for links whose target is not among what is installed, too: the official agent does the same.
func TestWhatALinkToADirectoryHoldsIsInstalled(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"site/shared": "-> ../shared", "site/again": "-> sub", "site/sub/s": "s", "shared/data": "d", "shared/l": "-> data"})
	if err := b.install("files:\n  - source: site\n    destination: HOST/www\n", ""); err != nil {
		t.Fatal(err)
	}
	b.wantTree("www/ www/again/ www/again/s=s www/shared/ www/shared/data=d www/shared/l->data www/sub/ www/sub/s=s")
}

func TestALinkToADirectoryThatItIsInIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"site/a/up": "-> ../../site", "site/f": "f"})
	err := b.install("files:\n  - source: site\n    destination: HOST/www\n", "")
	if err == nil || !strings.Contains(err.Error(), "a/up is a link to a directory that it is in") {
		t.Errorf("got %v", err)
	}
	b.wantTree("")
}

func TestFilesDirectoriesAndLinksAreInstalled(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"appspec.yml": "x", "a/run.sh": "#!", "a/.hidden": "h", "l": "-> a/run.sh"})
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(b.archive, "a/run.sh"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := b.install(whole+"  - source: a/run.sh\n    destination: HOST/deep/er\n", ""); err != nil {
		t.Fatal(err)
	}
	b.wantTree("deep/ deep/er/ deep/er/run.sh=#! www/ www/a/ www/a/.hidden=h www/a/run.sh=#! www/appspec.yml=x www/l->a/run.sh")
	info, err := os.Stat(filepath.Join(b.host, "deep/er/run.sh"))
	if err != nil || info.Mode() != 0o755 || !info.ModTime().Equal(old) {
		t.Errorf("mode or time is not kept: %v, %v", info, err)
	}
}

func TestTheListsAreTheOfficialAgents(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"a/x": "1"})
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.install(whole+fmt.Sprintf("permissions:\n  - object: HOST/www\n    mode: 640\n    owner: %s\n    type: [file]\n", me.Username), ""); err != nil {
		t.Fatal(err)
	}
	b.wantFile("g-install.json", `{"instructions":[`+
		`{"type":"mkdir","directory":"/host/www"},{"type":"mkdir","directory":"/host/www/a"},`+
		`{"type":"copy","source":"/archive/a/x","destination":"/host/www/a/x"},`+
		`{"type":"chmod","mode":"640","file":"/host/www/a/x"},{"type":"chown","owner":"`+me.Username+`","file":"/host/www/a/x"}]}`)
	b.wantFile("g-cleanup", "/host/www\n/host/www/a\n/host/www/a/x\n")
}

func TestTheNextInstallationTakesAwayTheLast(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"old/x": "1", "old/y": "1", "both": "1"})
	if err := b.install(whole, ""); err != nil {
		t.Fatal(err)
	}
	b.write(filepath.Join(b.host, "www/old/data"), "the user's")
	b.revision(map[string]string{"new": "2", "both": "2"})
	if err := b.install(whole, ""); err != nil {
		t.Fatal(err)
	}
	b.wantTree("www/ www/both=2 www/new=2 www/old/ www/old/data=the user's")
}

func TestCleanupForgivesWhatIsGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"x": "1"})
	b.write(filepath.Join(b.host, "a"), "a file where a directory was")
	b.write(filepath.Join(b.host, "kept"), "k")
	b.write(filepath.Join(b.installer.Dir, "g-cleanup"), strings.ReplaceAll("HOST/gone\nHOST/a/b\nrelative\n\nHOST/kept", "HOST", b.host))
	if err := b.install(whole, ""); err != nil {
		t.Fatal(err)
	}
	b.wantTree("a=a file where a directory was kept=k www/ www/x=1")
}

func TestFilesThatExist(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, spec, deployment, want, cleanup string }{
		{"nothing said", "", "", "", ""},
		{"the deployment", "", "OVERWRITE", "www/ www/new=n www/x=new", "/host/www/new\n/host/www/x\n/host/www/.crossfade-new\n"},
		{"the AppSpec first", "file_exists_behavior: RETAIN\n", "OVERWRITE", "www/ www/new=n www/x=old", "/host/www/new\n"},
	} {
		b := newBench(t, map[string]string{"x": "new", "new": "n"})
		b.write(filepath.Join(b.host, "www/x"), "old")
		err := b.install(tc.spec+whole, tc.deployment)
		if tc.want == "" {
			if err == nil || !strings.Contains(err.Error(), "already exists at this location: "+b.host+"/www/x") {
				t.Errorf("%s: got %v", tc.name, err)
			}
			b.wantTree("www/ www/x=old")
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		b.wantTree(tc.want)
		b.wantFile("g-cleanup", tc.cleanup)
	}
}

func TestOverwritingDoesNotFollowLinks(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"x": "new"})
	b.write(filepath.Join(b.host, "precious"), "old")
	b.write(filepath.Join(b.host, "www/x"), "-> ../precious")
	if err := b.install(whole, "OVERWRITE"); err != nil {
		t.Fatal(err)
	}
	b.wantTree("precious=old www/ www/x=new")
}

func TestNothingIsTouchedWhenThePlanFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, spec, want string }{
		{"missing source", "files:\n  - source: good\n    destination: HOST/www\n  - source: nothing\n    destination: HOST/www\n", `appspec.yml line 6`},
		{"two sources", whole + "  - source: sub/good\n    destination: HOST/www\n", "goes too"},
		{"file as directory", "files:\n  - source: good\n    destination: HOST/www\n  - source: good\n    destination: HOST/www/good\n", "makes it a file"},
		{"directory as file", "files:\n  - source: sub\n    destination: HOST/www/good\n  - source: good\n    destination: HOST/www\n", "makes it a directory"},
		{"file in the way", "files:\n  - source: good\n    destination: HOST/taken\n", "is a file on this host"},
		{"directory in the way", "files:\n  - source: taken-too\n    destination: HOST\n", "is a directory on this host"},
		{"unknown owner", whole + "permissions:\n  - object: HOST/www\n    owner: no-such-user\n", "no-such-user"},
		{"permissions twice", whole + "permissions:\n  - object: HOST/www\n    mode: 600\n  - object: HOST/www/good\n    mode: 600\n", "more than once"},
		{"pattern for a file", whole + "permissions:\n  - object: HOST/www/good\n    pattern: \"*\"\n", "remove pattern"},
		{"default acls for a file", whole + "permissions:\n  - object: HOST/www\n    acls: [\"d:u:root:r\"]\n", "default entries of acls are for directories"},
		{"acls of nobody", whole + "permissions:\n  - object: HOST/www\n    acls: [\"u:no-such-user:r\"]\n", "no-such-user"},
		{"acls of no group", whole + "permissions:\n  - object: HOST/www\n    acls: [\"g:no-such-group:r\"]\n", "no-such-group"},
	} {
		b := newBench(t, map[string]string{"good": "1", "sub/good": "2", "taken-too": "3"})
		b.installer.Runner = &recorder{}
		b.write(filepath.Join(b.host, "taken"), "t")
		b.write(filepath.Join(b.host, "taken-too/x"), "t")
		if err := b.install(tc.spec, ""); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
		b.wantTree("taken=t taken-too/ taken-too/x=t")
	}
}

func TestNamesThatTheCleanupListCanNotHoldAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\n/etc/hostname", "d\ne/f"} {
		b := newBench(t, map[string]string{name: "1"})
		if err := b.install(whole, ""); err == nil || !strings.Contains(err.Error(), "line break") {
			t.Errorf("%q: got %v", name, err)
		}
		b.wantTree("")
	}
}

func TestSetuidSurvivesTheChangeOfTheOwner(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, map[string]string{"x": "1"})
	if err := b.install(whole+"permissions:\n  - object: HOST/www/x\n    owner: "+me.Username+"\n    mode: 4755\n", ""); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(b.host, "www/x")); err != nil || info.Mode() != 0o755|fs.ModeSetuid {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}

func TestPermissionsAreForWhatWasInstalled(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"a.sh": "1", "b.txt": "1", "keep.sh": "1", "sub/c.sh": "1"})
	b.write(filepath.Join(b.host, "www/mine.sh"), "the user's")
	err := b.install(whole+"permissions:\n  - object: HOST/www\n    pattern: \"*.sh\"\n    except: [keep.sh]\n    mode: 0750\n    type: [file]\n"+
		"  - object: HOST/www\n    mode: 700\n    type: [directory]\n  - object: HOST/nowhere\n    mode: 777\n", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		"a.sh": 0o750, "b.txt": 0o644, "keep.sh": 0o644, "sub/c.sh": 0o644, "mine.sh": 0o644,
		"sub": 0o700 | fs.ModeDir, "": 0o755 | fs.ModeDir,
	} {
		if info, err := os.Stat(filepath.Join(b.host, "www", name)); err != nil || info.Mode() != want {
			t.Errorf("%q is %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestOwnersAreSetByName(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no nobody on this host")
	}
	b := newBench(t, map[string]string{"x": "1"})
	if err := b.install(whole+"permissions:\n  - object: HOST/www/x\n    owner: nobody\n    mode: 4711\n", ""); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(b.host, "www/x"))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(ownerOf(info)); got != nobody.Uid {
		t.Errorf("the owner is %s, want %s", got, nobody.Uid)
	}
}
