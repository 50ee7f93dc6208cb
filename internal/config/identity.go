package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"crossfade/internal/auth"
)

// Identity is who there is beside the root and the users that are made with IAM's operations.
type Identity struct {
	Roles []Role `koanf:"roles"`
}

// Role is what others become for a while with sts:AssumeRole.
type Role struct {
	Name string `koanf:"name"`
	// Trust lists who may assume it, if their policies allow it too: the account's number for everybody in it, the ARN of a user, of a role for all of
	// its sessions, or of one session.
	Trust    []string     `koanf:"trust"`
	Policies []RolePolicy `koanf:"policies"`
	// MaxDuration is how long a session may last, 1h to 12h. Zero: 1h.
	MaxDuration time.Duration `koanf:"maxDuration"`
}

// RolePolicy is what a role may do.
type RolePolicy struct {
	Name     string `koanf:"name"`
	Document string `koanf:"document"` // JSON
}

// The bounds of [Role.MaxDuration] (IAM user guide, maximum session duration).
const (
	leastSession = time.Hour
	mostSession  = 12 * time.Hour
)

// hostRole is the role of which enrolled hosts' identities are sessions; nobody else may have such a session.
const hostRole = "crossfade-host"

var (
	identityNameForm = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	policyNameForm   = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)
	trustForm        = regexp.MustCompile(`^(?:[0-9]{12}|arn:aws:iam::[0-9]{12}:(?:root|(?:user|role)/[\w+=,.@/-]+)|arn:aws:sts::[0-9]{12}:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+)$`)
)

// replace empties the list that a later layer has: it replaces it whole.
func (i *Identity) replace(has func(key string) bool) {
	if has("identity.roles") {
		i.Roles = nil
	}
}

// check finds the first value that can't be.
func (i Identity) check(account string) *problem {
	names := map[string]bool{}
	for n, r := range i.Roles {
		key := fmt.Sprintf("identity.roles[%d]", n)
		if p := r.check(key, account); p != nil {
			return p
		}
		folded := strings.ToLower(r.Name)
		if names[folded] {
			return &problem{key + ".name", fmt.Sprintf("%q is the name of another role already, whatever the case of its letters", r.Name)}
		}
		names[folded] = true
	}
	return nil
}

func (r Role) check(key, account string) *problem {
	switch {
	case !identityNameForm.MatchString(r.Name):
		return &problem{key + ".name", fmt.Sprintf("%q is no name of a role: use up to 64 letters, digits and _+=,.@-", r.Name)}
	case strings.EqualFold(r.Name, hostRole):
		return &problem{key + ".name", fmt.Sprintf("%q is the role of enrolled hosts: choose another name", r.Name)}
	case len(r.Trust) == 0:
		return &problem{key, "names nobody who may assume it: list accounts and ARNs under trust"}
	case r.MaxDuration != 0 && (r.MaxDuration < leastSession || r.MaxDuration > mostSession):
		return &problem{key + ".maxDuration", fmt.Sprintf("%s is not between %s and %s", r.MaxDuration, leastSession, mostSession)}
	}
	for i, who := range r.Trust {
		at := fmt.Sprintf("%s.trust[%d]", key, i)
		if !trustForm.MatchString(who) {
			return &problem{at, fmt.Sprintf("%q is neither an account's number in quotes nor the ARN of a root, a user, a role or a role's session; there are no wildcards", who)}
		}
		if who != account && !slices.Contains(strings.Split(who, ":"), account) {
			return &problem{at, fmt.Sprintf("%q is not of the account %s: this server knows nobody else", who, account)}
		}
	}
	for i, p := range r.Policies {
		at := fmt.Sprintf("%s.policies[%d]", key, i)
		if !policyNameForm.MatchString(p.Name) {
			return &problem{at + ".name", fmt.Sprintf("%q is no name of a policy: use up to 128 letters, digits and _+=,.@-", p.Name)}
		}
		if _, err := auth.ParsePolicy([]byte(p.Document)); err != nil {
			return &problem{at + ".document", fmt.Sprintf("can't be read: %s", err)}
		}
	}
	return nil
}
