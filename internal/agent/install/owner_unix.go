//go:build unix

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"crossfade/internal/appspec"
)

// mayOwn looks the names up and tells whether the agent can give files to them.
func mayOwn(ctx context.Context, run Runner, owner, group string) error {
	uid, _, err := ids(ctx, run, owner, group)
	if err != nil {
		return err
	}
	if euid := os.Geteuid(); uid >= 0 && uid != euid && euid != 0 {
		return errors.New("the agent does not run as root: start it as root, or remove owner")
	}
	return nil
}

// ids are -1 for what is to stay as it is.
func ids(ctx context.Context, run Runner, owner, group string) (uid, gid int, err error) {
	uid, gid = -1, -1
	if owner != "" {
		if uid, err = userID(ctx, run, owner); err != nil {
			return 0, 0, fmt.Errorf("look up owner %q: %w", owner, err)
		}
	}
	if group != "" {
		if gid, err = groupID(ctx, run, group); err != nil {
			return 0, 0, fmt.Errorf("look up group %q: %w", group, err)
		}
	}
	return uid, gid, nil
}

func userID(ctx context.Context, run Runner, name string) (int, error) {
	u, err := user.Lookup(name)
	if err == nil {
		return strconv.Atoi(u.Uid)
	}
	return askSystem(ctx, run, "passwd", name, err)
}

func groupID(ctx context.Context, run Runner, name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		return strconv.Atoi(g.Gid)
	}
	return askSystem(ctx, run, "group", name, err)
}

// askSystem looks a name up by the system's own tool, which knows of LDAP and the like: a binary without libc reads only files. When that
// does not know the name either, the error stays what it was.
func askSystem(ctx context.Context, run Runner, database, name string, unknown error) (int, error) {
	if strings.HasPrefix(name, "-") || strings.ContainsAny(name, ":\n") || run.Find("getent") != nil {
		return 0, unknown
	}
	line, err := run.Run(ctx, "getent", database, name)
	fields := strings.Split(strings.TrimSpace(line), ":")
	if err != nil || len(fields) < 3 {
		return 0, unknown
	}
	return strconv.Atoi(fields[2])
}

// known holds that the users and groups of an access control list are on this host. Numbers may be of nobody.
func known(ctx context.Context, run Runner, acl appspec.ACL) error {
	for _, e := range acl {
		if _, err := strconv.ParseUint(e.Name, 10, 32); e.Name == "" || err == nil {
			continue
		}
		lookUp := userID
		if e.Kind == appspec.ACEGroup {
			lookUp = groupID
		}
		if _, err := lookUp(ctx, run, e.Name); err != nil {
			return fmt.Errorf("look up %s %q: %w", e.Kind, e.Name, err)
		}
	}
	return nil
}

func (in Instruction) chown(ctx context.Context, run Runner) error {
	uid, gid, err := ids(ctx, run, in.Owner, in.Group)
	if err != nil {
		return err
	}
	return in.own(uid, gid)
}

func (in Instruction) own(uid, gid int) error {
	if err := setOwner(in.File, uid, gid); err != nil {
		return fmt.Errorf("set owner: %w", err)
	}
	return nil
}

// copyOwner keeps the owner of a file that is not the agent's own, as a revision from a local directory has them.
func copyOwner(target string, source fs.FileInfo) error {
	stat, ok := source.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || (stat.Uid == 0 && stat.Gid == 0) {
		return nil
	}
	return os.Lchown(target, int(stat.Uid), int(stat.Gid))
}

func isNotDirectory(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
