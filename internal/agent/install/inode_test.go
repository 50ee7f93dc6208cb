//go:build unix

package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestPermissionsAreNotLedElsewhere holds that who may write to a directory of the application can't have the agent, which is root, change another
// file: by putting a link in the place of what was just copied there.
func TestPermissionsAreNotLedElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret, copied := filepath.Join(dir, "shadow"), filepath.Join(dir, "app.conf")
	uid := strconv.Itoa(os.Getuid())
	for name, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		if err := errors.Join(os.WriteFile(secret, []byte("s"), 0o600), link(secret, copied)); err != nil {
			t.Fatal(err)
		}
		chmod := Instruction{Type: kindChmod, Mode: "4666", File: copied}
		if err := chmod.do(context.Background(), nil, nil); err == nil {
			t.Errorf("%s link: its mode was set", name)
		}
		acl := Instruction{Type: kindSetfacl, ACL: []string{"user::rw-"}, File: copied}
		if err := acl.do(context.Background(), silent{}, nil); err == nil {
			t.Errorf("%s link: its access control list was set", name)
		}
		if info, err := os.Stat(secret); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s link: the file that it leads to is now %v, %v", name, info.Mode(), err)
		}
		if name == "hard" {
			if err := (Instruction{Type: kindChown, Owner: uid, File: copied}).own(os.Getuid(), -1); err == nil {
				t.Error("hard link: its owner was set")
			}
		}
		if err := errors.Join(os.Remove(copied), os.Remove(secret)); err != nil {
			t.Fatal(err)
		}
	}
}

// silent is programs that succeed.
type silent struct{}

func (silent) Find(string) error                                      { return nil }
func (silent) Run(context.Context, string, ...string) (string, error) { return "", nil }

func TestModesAndOwnersOfWhatWasInstalled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o200), os.Symlink("nowhere", link)); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]string{file: "4750", dir: "1711"} {
		if err := (Instruction{Type: kindChmod, Mode: mode, File: path}).chmod(); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{file, link, dir} {
		if err := (Instruction{Type: kindChown, File: path}).own(os.Getuid(), os.Getgid()); err != nil {
			t.Error(err)
		}
	}
	for path, want := range map[string]fs.FileMode{file: 0o750 | fs.ModeSetuid, dir: 0o711 | fs.ModeSticky | fs.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s is %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}
