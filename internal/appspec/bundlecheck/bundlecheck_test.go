package bundlecheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/appspec"
)

func bundle(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	return root
}

func lines(all []*appspec.Problem) []string {
	var out []string
	for _, p := range all {
		out = append(out, p.Error())
	}
	return out
}

func TestWhatIsNamedMustBeThereAndRun(t *testing.T) {
	t.Parallel()
	root := bundle(t, map[string]string{
		"good.sh": "#!/bin/sh\n", "dos.sh": "#!/bin/sh\necho\r\n", "bom.sh": "\xef\xbb\xbf#!/bin/sh\n", "plain.sh": "echo\n",
		"env.sh": "#!bash\n", "program": "\x7fELF\x00\r\n", "Scripts/a.sh": "#!/bin/sh\n", "dir/x": "",
	})
	spec, err := appspec.Parse("appspec.yml", []byte(`version: 0.0
os: linux
files:
  - {source: /, destination: /x}
  - {source: dir, destination: /x}
  - {source: none, destination: /x}
  - {source: good.sh/x, destination: /x}
hooks:
  AfterInstall:
    - location: good.sh
    - location: program
    - location: plain.sh
    - location: env.sh
  BeforeInstall:
    - location: dos.sh
    - location: bom.sh
    - location: scripts/A.sh
    - location: dir
    - location: missing.sh
    - location: dos.sh
`), appspec.Linux)
	if err != nil {
		t.Fatal(err)
	}
	problems, warnings, err := Check(root, spec)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{
		`appspec.yml line 6: the source "none" is not in the bundle: add it to the bundle, or name what is there`,
		`appspec.yml line 7: the source "good.sh/x" is not in the bundle: add it to the bundle, or name what is there`,
		`appspec.yml line 15: the script "dos.sh" has Windows line ends, in line 2 first: convert it, for example with dos2unix`,
		`appspec.yml line 16: the script "bom.sh" begins with a byte-order mark, so that hosts don't see its first line: save it without one`,
		`appspec.yml line 17: the script "scripts/A.sh" of BeforeInstall is not in the bundle: the bundle has "Scripts/a.sh": capitals count on most hosts`,
		`appspec.yml line 18: the script "dir" of BeforeInstall is a directory: name the script in it`,
		`appspec.yml line 19: the script "missing.sh" of BeforeInstall is not in the bundle: add it to the bundle, or name what is there`,
	}; !slices.Equal(lines(problems), want) {
		t.Errorf("got\n%s, want\n%s", strings.Join(lines(problems), "\n"), strings.Join(want, "\n"))
	}
	if want := []string{
		`appspec.yml line 12: the script "plain.sh" has no interpreter line, so it runs with /bin/sh: begin it with a line such as "#!/bin/bash"`,
		`appspec.yml line 13: the interpreter of the script "env.sh" is not an absolute path: write it as in "#!/bin/bash"`,
	}; !slices.Equal(lines(warnings), want) {
		t.Errorf("got\n%s, want\n%s", strings.Join(lines(warnings), "\n"), strings.Join(want, "\n"))
	}
}

func TestScriptsForWindowsMayHaveItsLineEnds(t *testing.T) {
	t.Parallel()
	root := bundle(t, map[string]string{"a.ps1": "echo\r\n"})
	spec, err := appspec.Parse("appspec.yml", []byte("version: 0.0\nos: windows\nhooks:\n  AfterInstall:\n    - location: a.ps1\n"), appspec.Windows)
	if err != nil {
		t.Fatal(err)
	}
	problems, warnings, err := Check(root, spec)
	if err != nil || len(problems)+len(warnings) > 0 {
		t.Errorf("got %v, %v, %v", lines(problems), lines(warnings), err)
	}
}

func TestLinksAreNotFollowedOutOfTheBundle(t *testing.T) {
	t.Parallel()
	root := bundle(t, map[string]string{"a": ""})
	outside := filepath.Join(t.TempDir(), "outside.sh")
	if err := os.WriteFile(outside, []byte("no interpreter\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"l.sh", "l"} {
		if err := os.Symlink(outside, filepath.Join(root.Name(), name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	spec, err := appspec.Parse("appspec.yml", []byte("version: 0.0\nos: linux\nfiles:\n  - {source: l, destination: /x}\nhooks:\n  AfterInstall:\n    - location: l.sh\n"), appspec.Linux)
	if err != nil {
		t.Fatal(err)
	}
	problems, warnings, err := Check(root, spec)
	if err != nil || len(problems)+len(warnings) > 0 {
		t.Errorf("got %v, %v, %v", lines(problems), lines(warnings), err)
	}
}
