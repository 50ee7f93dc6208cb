package appspec

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ACEKind is whom an entry of an access control list is for.
type ACEKind string

// The kinds of entries.
const (
	ACEUser  ACEKind = "user"
	ACEGroup ACEKind = "group"
	ACEMask  ACEKind = "mask"
	ACEOther ACEKind = "other"
)

// ACE is one entry of an access control list.
type ACE struct {
	Default bool // what new objects in a directory get, not the directory itself
	Kind    ACEKind
	Name    string // a user or group; empty: the owner, the owning group, the mask, all others
	Perms   uint8  // read 4, write 2, execute 1
}

// String is the entry in setfacl's long form, [default:]kind:name:rwx.
func (e ACE) String() string {
	perms := []byte("---")
	for i, letter := range "rwx" {
		if e.Perms&(4>>i) != 0 {
			perms[i] = byte(letter)
		}
	}
	prefix := ""
	if e.Default {
		prefix = "default:"
	}
	return fmt.Sprintf("%s%s:%s:%s", prefix, e.Kind, e.Name, perms)
}

// same tells whether two entries are for the same, so that a list can't have both.
func (e ACE) same(o ACE) bool {
	return e.Default == o.Default && e.Kind == o.Kind && e.Name == o.Name
}

// ACL is the entries that an AppSpec gives an object. The entries for the owner, the owning group and all others are not in it: they come
// from the object's mode.
type ACL []ACE

// ParseACL reads the entries of acls: [d|default:][u|user|g|group|m|mask|o|other:]name:perms with rwx- letters or one digit from 0 to 7;
// without a kind the entry is a user's. Entries that mode sets are refused.
func ParseACL(entries []string) (ACL, error) {
	var all ACL
	for _, text := range entries {
		e, err := ParseACE(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, e.same) {
			return nil, fmt.Errorf("the acls entry %s is for the same as one before it", quote(text))
		}
		all = append(all, e)
	}
	return all, nil
}

// ParseACE reads one entry, see [ParseACL].
func ParseACE(text string) (ACE, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 4 {
		return ACE{}, fmt.Errorf("the acls entry %s is not of the form [default:][user|group|mask|other:]name:rwx", quote(text))
	}
	var e ACE
	perms := parts[len(parts)-1]
	rest := parts[:len(parts)-1]
	// "d:rw" is for a user of that name: the prefix needs two more parts.
	if len(rest) > 1 && (rest[0] == "d" || rest[0] == "default") {
		e.Default, rest = true, rest[1:]
	}
	switch len(rest) {
	case 2:
		if e.Kind, e.Name = aceKind(rest[0]), rest[1]; e.Kind == "" {
			return ACE{}, fmt.Errorf("the acls entry %s is for a %s, which is none of user, group, mask and other", quote(text), quote(rest[0]))
		}
	case 1:
		switch kind := aceKind(rest[0]); kind {
		case ACEMask, ACEOther:
			e.Kind = kind
		default:
			e.Kind, e.Name = ACEUser, rest[0]
		}
	default:
		return ACE{}, fmt.Errorf("the acls entry %s has more parts than [default:][user|group|mask|other:]name:rwx", quote(text))
	}
	// Both must hold for the official agent too, which reads "m:m:rw" as a mask with a name.
	if (e.Kind == ACEMask || e.Kind == ACEOther) && e.Name != "" {
		return ACE{}, fmt.Errorf("the acls entry %s names somebody for %s, which is nobody's", quote(text), e.Kind)
	}
	if !e.Default && e.Kind != ACEMask && e.Name == "" {
		return ACE{}, fmt.Errorf("the acls entry %s is one that mode sets", quote(text))
	}
	if strings.ContainsFunc(e.Name, func(r rune) bool { return r <= ' ' || r == ',' || r == '\\' || r == 0x7f }) {
		return ACE{}, fmt.Errorf("the acls entry %s has a name that no user or group can have", quote(text))
	}
	var err error
	if e.Perms, err = acePerms(perms); err != nil {
		return ACE{}, fmt.Errorf("the acls entry %s %w", quote(text), err)
	}
	return e, nil
}

func aceKind(word string) ACEKind {
	switch word {
	case "u", "user":
		return ACEUser
	case "g", "group":
		return ACEGroup
	case "m", "mask":
		return ACEMask
	case "o", "other":
		return ACEOther
	default:
		return ""
	}
}

func acePerms(text string) (uint8, error) {
	if len(text) == 1 && text[0] >= '0' && text[0] <= '7' {
		return text[0] - '0', nil
	}
	if text == "" {
		return 0, errors.New("ends without permissions")
	}
	var bits uint8
	for _, r := range text {
		switch r {
		case 'r':
			bits |= 4
		case 'w':
			bits |= 2
		case 'x':
			bits |= 1
		case '-':
		default:
			return 0, fmt.Errorf("has the permission %q, which is none of r, w, x and -", r)
		}
	}
	return bits, nil
}

// HasDefaults tells whether some entries are defaults, which only directories can have.
func (l ACL) HasDefaults() bool {
	return slices.ContainsFunc(l, func(e ACE) bool { return e.Default })
}

// Strings are the entries in setfacl's long form.
func (l ACL) Strings() []string {
	all := make([]string, len(l))
	for i, e := range l {
		all[i] = e.String()
	}
	return all
}

// Complete adds what setfacl --set needs besides the entries: those of the owner, the owning group and all others from the object's mode,
// and a mask, equal to the group's permissions, when somebody is named. A default list is completed in the same way.
func (l ACL) Complete(mode fs.FileMode) ACL {
	bits := uint8(mode>>6) & 7
	owner, group, other := bits, uint8(mode>>3)&7, uint8(mode)&7
	full := slices.Clone(l)
	full = append(full, ACE{Kind: ACEUser, Perms: owner}, ACE{Kind: ACEGroup, Perms: group}, ACE{Kind: ACEOther, Perms: other})
	if l.named(false) {
		full = full.with(ACE{Kind: ACEMask, Perms: group})
	}
	if !l.HasDefaults() {
		return full
	}
	full = full.with(ACE{Default: true, Kind: ACEUser, Perms: owner})
	full = full.with(ACE{Default: true, Kind: ACEGroup, Perms: group})
	full = full.with(ACE{Default: true, Kind: ACEOther, Perms: other})
	if l.named(true) {
		at := slices.IndexFunc(full, ACE{Default: true, Kind: ACEGroup}.same)
		full = full.with(ACE{Default: true, Kind: ACEMask, Perms: full[at].Perms})
	}
	return full
}

func (l ACL) named(defaults bool) bool {
	return slices.ContainsFunc(l, func(e ACE) bool { return e.Default == defaults && e.Name != "" })
}

// with adds an entry unless there is one for the same.
func (l ACL) with(e ACE) ACL {
	if slices.ContainsFunc(l, e.same) {
		return l
	}
	return append(l, e)
}
