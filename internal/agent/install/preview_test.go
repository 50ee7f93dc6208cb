//go:build unix

package install

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"crossfade/internal/appspec"
)

// TestAPreviewIsWhatIsDoneThen holds the preview of each of two installations, one upon the other, against what Install writes down.
func TestAPreviewIsWhatIsDoneThen(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"a/x": "1", "a/sub/y": "2", "b": "3"})
	app := filepath.Join(b.host, "app")
	b.write(filepath.Join(b.host, "kept", "k"), "not ours")
	for round, spec := range []string{
		"version: 0.0\nos: linux\nfiles:\n- {source: a, destination: " + app + "}\n- {source: b, destination: " + b.host + "/kept}\npermissions:\n- {object: " + app + ", mode: 600, type: [file]}\n",
		"version: 0.0\nos: linux\nfiles:\n- {source: /, destination: " + app + "}\n- {source: b, destination: " + b.host + "/kept/new}\n",
	} {
		s, err := appspec.Parse("appspec.yml", []byte(spec), appspec.Linux)
		if err != nil {
			t.Fatal(err)
		}
		before := b.listing()
		r := Request{Archive: b.archive, Spec: s}
		p, err := b.installer.Preview(context.Background(), "g", r)
		if err != nil {
			t.Fatal(err)
		}
		if after := b.listing(); !slices.Equal(before, after) {
			t.Errorf("round %d: the preview made %q of %q", round, after, before)
		}
		if round == 0 && len(p.Remove) > 0 || round == 1 && !slices.Equal(p.Remove, []string{b.host + "/kept/b", app + "/x", app + "/sub/y", app + "/sub", app}) {
			t.Errorf("round %d: it would remove %q", round, p.Remove)
		}
		if err := b.installer.Install(context.Background(), "g", r); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(b.installer.Dir, "g-install.json"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(file{Instructions: p.List})
		if err != nil || string(want) != string(content) {
			t.Errorf("round %d: previewed\n%s, %v\ndone\n%s", round, want, err, content)
		}
	}
}

func TestAPreviewHasTheChecksOfAnInstallation(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{"a": "1"})
	b.write(filepath.Join(b.host, "a"), "theirs")
	s := &appspec.Spec{Name: "appspec.yml", Files: []appspec.File{{Source: "a", Destination: b.host}}}
	if _, err := b.installer.Preview(context.Background(), "g", Request{Archive: b.archive, Spec: s}); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("got %v", err)
	}
}

func TestInstructionsAreToldInALine(t *testing.T) {
	t.Parallel()
	var got []string
	for _, in := range []Instruction{
		{Type: kindCopy, Source: "/s", Destination: "/d"}, {Type: kindCopy, Source: "/s", Destination: "/d", replace: true}, {Type: kindMkdir, Directory: "/d"},
		{Type: kindChmod, Mode: "644", File: "/f"}, {Type: kindChown, Owner: "o", File: "/f"}, {Type: kindChown, Owner: "o", Group: "g", File: "/f"},
		{Type: kindSetfacl, ACL: []string{"u:a:r", "d:u:a:r"}, File: "/f"}, {Type: kindSemanage, Context: &Label{Type: "t"}, File: "/f"}, {Type: "else"},
	} {
		got = append(got, in.String())
	}
	want := []string{
		"copy /s to /d", "copy /s over /d", "make directory /d", "set mode 644 of /f", "set owner o of /f", "set owner o:g of /f", "set acls u:a:r,d:u:a:r of /f",
		"set context t of /f", "else",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

// listing is all that is on the host and in the lists.
func (b *bench) listing() (all []string) {
	b.Helper()
	for _, dir := range []string{b.host, b.installer.Dir} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			all = append(all, path)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return all
}
