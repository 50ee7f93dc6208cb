package tree_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"crossfade/internal/revision/tree"
)

type entry struct {
	name   string
	kind   tree.Kind
	target string
}

func build(entries []entry) (*tree.Tree, error) {
	t := tree.New(0)
	for _, e := range entries {
		if err := t.Add(e.name, e.kind, e.target, true); err != nil {
			return t, err
		}
	}
	return t, t.Check()
}

func file(name string) entry         { return entry{name, tree.File, ""} }
func link(name, target string) entry { return entry{name, tree.Link, target} }
func dir(name string) entry          { return entry{name, tree.Directory, ""} }

func TestWhatLeavesTheRootIsRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		entries []entry
		says    string // empty: accepted
	}{
		"plain":                   {[]entry{dir("a/"), file("a/b"), file("./c"), dir("./"), dir("a")}, ""},
		"an appended version":     {[]entry{file("a"), file("a")}, ""},
		"a link inside":           {[]entry{file("a/b"), link("c", "a/b"), link("a/d", "../c")}, ""},
		"a link to nothing":       {[]entry{link("a", "none/at/all")}, ""},
		"no name":                 {[]entry{file("")}, "has no name"},
		"NUL":                     {[]entry{file("a\x00b")}, "NUL"},
		"absolute":                {[]entry{file("/etc/passwd")}, "absolute"},
		"climbing":                {[]entry{file("a/../../b")}, "climbs"},
		"climbing back":           {[]entry{file("a/../b")}, "climbs"},
		"a long name":             {[]entry{file(strings.Repeat("a", 5000))}, "5000 bytes"},
		"the root as a file":      {[]entry{file("./.")}, "root"},
		"twice":                   {[]entry{link("a", "b"), link("a", "c")}, "twice"},
		"a file and a link":       {[]entry{file("a"), link("a", "c")}, "twice"},
		"a file and a directory":  {[]entry{file("a"), file("a/b")}, "is a file in the same bundle"},
		"a directory and a file":  {[]entry{file("a/b"), file("a")}, "twice"},
		"through a link":          {[]entry{dir("b"), link("a", "b"), file("a/c")}, "through the link"},
		"an absolute link":        {[]entry{link("a", "/etc")}, "leads out"},
		"a climbing link":         {[]entry{link("a", "..")}, "leads out"},
		"a link that climbs deep": {[]entry{link("a/b", "../../c")}, "leads out"},
		"a senseless link":        {[]entry{link("a", "")}, "no sense"},
		"by another link":         {[]entry{dir("x/y"), link("d", "x/y"), link("e", "d/../../.."), link("x/y/z", "../../d")}, "leads out"},
		"by a link to a link":     {[]entry{dir("x/y"), link("s", "x/y/t"), link("x/y/t", "../.."), link("u", "s/x/../x")}, ""},
		"by a shortened way":      {[]entry{link("a/b/c", "../.."), link("out", "a/b/c/..")}, "leads out"},
		"a circle":                {[]entry{link("a", "b"), link("b", "a")}, "circle"},
		"itself":                  {[]entry{link("a", "a")}, "circle"},
	} {
		_, err := build(tt.entries)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.says != "" && (!errors.Is(err, tree.ErrRefused) || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

func TestFindFollowsLinks(t *testing.T) {
	t.Parallel()
	b, err := build([]entry{file("scripts/start.sh"), link("current", "scripts"), link("go", "current/start.sh"), link("none", "x/y")})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]tree.Kind{
		".": tree.Directory, "scripts": tree.Directory, "scripts/": tree.Directory, "scripts/start.sh": tree.File, "current/start.sh": tree.File,
		"go": tree.File, "current": tree.Directory, "none": 0, "x": 0, "scripts/start.sh/x": 0, "../scripts": 0, "/scripts": 0, "": 0,
		"scripts/../go": tree.File,
	} {
		_, kind, ok := b.Find(name)
		if ok != (want != 0) || ok && kind != want {
			t.Errorf("%q: %v, %v; want %v", name, kind, ok, want)
		}
	}
	if b.Len() != 5 {
		t.Errorf("%d names", b.Len())
	}
}

func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	for name, entry := range map[string]func(i int) string{
		"entries":               func(i int) string { return fmt.Sprint(i) },
		"mentioned directories": func(i int) string { return strings.Repeat(fmt.Sprint(i, "/"), 50) + "x" },
	} {
		b := tree.New(100)
		var err error
		i := 0
		for ; err == nil && i < 200; i++ {
			err = b.Add(entry(i), tree.File, "", false)
		}
		if !errors.Is(err, tree.ErrRefused) || b.Len() > 100 {
			t.Errorf("%s: %v after %d entries, %d names", name, err, i, b.Len())
		}
	}
}

func FuzzTree(f *testing.F) {
	f.Add("a/b\na>b\nc/\n")
	f.Add("a>b\nb>a\n../x\n")
	f.Fuzz(func(t *testing.T, text string) {
		b := tree.New(1000)
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			name, target, isLink := strings.Cut(line, ">")
			kind := tree.File
			if isLink {
				kind = tree.Link
			}
			if b.Add(name, kind, target, true) != nil {
				return
			}
		}
		if b.Check() != nil {
			return
		}
		for line := range strings.Lines(text) {
			name, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ">")
			if at, _, ok := b.Find(name); ok && (strings.HasPrefix(at, "/") || at == ".." || strings.HasPrefix(at, "../")) {
				t.Fatalf("%q is at %q", name, at)
			}
		}
	})
}
