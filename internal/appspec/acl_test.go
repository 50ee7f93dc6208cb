package appspec

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestACLEntriesOfEachForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"u:bob:rw":              "user:bob:rw-",
		"user:bob:rwx":          "user:bob:rwx",
		"bob:r":                 "user:bob:r--",
		"g:dev:x":               "group:dev:--x",
		"group:dev:-":           "group:dev:---",
		"u:bob:7":               "user:bob:rwx",
		"u:bob:0":               "user:bob:---",
		"u:1000:5":              "user:1000:r-x",
		"m::rw":                 "mask::rw-",
		"mask:6":                "mask::rw-",
		"m:r":                   "mask::r--",
		"d:u:bob:xwr":           "default:user:bob:rwx",
		"default:g:dev:rx":      "default:group:dev:r-x",
		"d:bob:r":               "default:user:bob:r--",
		"d::rwx":                "default:user::rwx",
		"d:u::rwx":              "default:user::rwx",
		"default:group::rx":     "default:group::r-x",
		"d:o:r":                 "default:other::r--",
		"d:other::4":            "default:other::r--",
		"d:m:rw":                "default:mask::rw-",
		"default:mask::rw":      "default:mask::rw-",
		"u:mask:r":              "user:mask:r--",
		"d:rw":                  "user:d:rw-",
		"user:dom.name@x:rr-ww": "user:dom.name@x:rw-",
	} {
		e, err := ParseACE(text)
		if err != nil || e.String() != want {
			t.Errorf("%q is %q, %v, want %q", text, e, err, want)
			continue
		}
		if again, err := ParseACE(e.String()); err != nil || again != e {
			t.Errorf("%q is read back as %q, %v", e, again, err)
		}
	}
}

func TestACLEntriesThatAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":             "not of the form",
		"bob":          "not of the form",
		"a:b:c:d:e":    "not of the form",
		"x:u:bob:rw":   "more parts",
		"d:d:bob:rw":   "none of user, group, mask and other",
		"z:bob:rw":     "none of user, group, mask and other",
		"m:bob:rw":     "names somebody for mask",
		"o:bob:rw":     "names somebody for other",
		"d:o:bob:rw":   "names somebody for other",
		"m:m:rw":       "names somebody for mask",
		"u::rw":        "mode sets",
		"g::rw":        "mode sets",
		"o::r":         "mode sets",
		"o:r":          "mode sets",
		":rw":          "mode sets",
		"u:bob:":       "without permissions",
		"u:bob:8":      "none of r, w, x and -",
		"u:bob:77":     "none of r, w, x and -",
		"u:bob:rwX":    "none of r, w, x and -",
		"u:a,u:b:rw":   "more parts",
		"u:a,b:rw":     "no user or group",
		"u:a b:rw":     "no user or group",
		"u:a\\072b:rw": "no user or group",
	} {
		if e, err := ParseACE(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %q", text, e, err, want)
		}
	}
	if _, err := ParseACL([]string{"u:bob:r", "g:bob:r", "bob:w"}); err == nil || !strings.Contains(err.Error(), "same as one before") {
		t.Errorf("two entries for one user: %v", err)
	}
}

func TestACLsAreCompletedFromTheMode(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		entries, want string
		mode          fs.FileMode
	}{
		{"u:bob:rw", "user:bob:rw-,user::rwx,group::r-x,other::---,mask::r-x", 0o750},
		{"u:bob:rw m::rw", "user:bob:rw-,mask::rw-,user::rw-,group::r--,other::r--", 0o644},
		{"m::r", "mask::r--,user::rwx,group::rwx,other::rwx", 0o777},
		{"d:u:bob:r", "default:user:bob:r--,user::rwx,group::r-x,other::--x,default:user::rwx,default:group::r-x,default:other::--x,default:mask::r-x", 0o751},
		{"d:g::rw d:g:dev:r", "default:group::rw-,default:group:dev:r--,user::rwx,group::---,other::---,default:user::rwx,default:other::---,default:mask::rw-", 0o700},
		{"d::r d:o:7", "default:user::r--,default:other::rwx,user::rwx,group::r-x,other::---,default:group::r-x", 0o750 | fs.ModeSetgid | fs.ModeDir},
	} {
		acl, err := ParseACL(strings.Fields(tc.entries))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(acl.Complete(tc.mode).Strings(), ","); got != tc.want {
			t.Errorf("%s with %v is\n%s, want\n%s", tc.entries, tc.mode, got, tc.want)
		}
	}
}

func FuzzParseACL(f *testing.F) {
	for _, s := range []string{"u:bob:rw", "d:g::7", "m:r", "d:d:d:d", "o:x", ":::", "u:a,b:r"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		acl, err := ParseACL([]string{text})
		if err != nil {
			return
		}
		again, err := ParseACL(acl.Strings())
		if err != nil || !slices.Equal(again, acl) {
			t.Errorf("%q is %v, read back as %v, %v", text, acl, again, err)
		}
		full := acl.Complete(0o640)
		for i, e := range full {
			if slices.ContainsFunc(full[:i], e.same) {
				t.Errorf("%q is completed with two entries for the same: %v", text, full)
			}
			if strings.ContainsAny(e.String(), ", \n\x00") {
				t.Errorf("%q breaks the list of setfacl: %v", text, full)
			}
		}
	})
}
