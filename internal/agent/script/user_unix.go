//go:build unix

package script

import (
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// credential is whom a script runs as; nil: as the agent.
type credential struct {
	name, home, shell string
	uid, gid          uint32
	groups            []uint32
}

// environment is what su sets for another user.
func (c *credential) environment() []string {
	if c == nil {
		return nil
	}
	return []string{"USER=" + c.name, "LOGNAME=" + c.name, "HOME=" + c.home, "SHELL=" + c.shell}
}

// lookUp finds a user in the files of the system, or, since a binary without libc reads nothing else, by asking the system's own tools,
// which know of LDAP and the like.
func lookUp(name string) (*credential, error) {
	if strings.HasPrefix(name, "-") || strings.ContainsAny(name, ":\n\x00") {
		return nil, fmt.Errorf("%q is not a user's name", name)
	}
	u, err := user.Lookup(name)
	var groups []string
	if err == nil {
		groups, err = u.GroupIds()
	} else {
		var unknown user.UnknownUserError
		if !errors.As(err, &unknown) {
			return nil, fmt.Errorf("look up user: %w", err)
		}
		u, groups, err = askSystem(name)
	}
	if err != nil {
		return nil, err
	}
	return newCredential(u, groups)
}

func askSystem(name string) (*user.User, []string, error) {
	line, err := exec.Command("getent", "passwd", name).Output()
	fields := strings.Split(strings.TrimSpace(string(line)), ":")
	if err != nil || len(fields) < 7 {
		return nil, nil, errors.New("there is no such user on this host: create it, or change runas")
	}
	groups, err := exec.Command("id", "-G", "--", name).Output()
	if err != nil {
		return nil, nil, fmt.Errorf("look up the user's groups: %w", err)
	}
	return &user.User{Username: fields[0], Uid: fields[2], Gid: fields[3], HomeDir: fields[5]}, strings.Fields(string(groups)), nil
}

func newCredential(u *user.User, groups []string) (*credential, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read user id: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read group id: %w", err)
	}
	c := &credential{name: u.Username, home: u.HomeDir, shell: "/bin/sh", uid: uint32(uid), gid: uint32(gid)}
	for _, g := range groups {
		id, err := strconv.ParseUint(g, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read group id: %w", err)
		}
		c.groups = append(c.groups, uint32(id))
	}
	return c, nil
}
