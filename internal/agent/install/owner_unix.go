//go:build unix

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// mayOwn looks the names up and tells whether the agent can give files to them.
func mayOwn(owner, group string) error {
	uid, _, err := ids(owner, group)
	if err != nil {
		return err
	}
	if euid := os.Geteuid(); uid >= 0 && uid != euid && euid != 0 {
		return errors.New("the agent does not run as root: start it as root, or remove owner")
	}
	return nil
}

// ids are -1 for what is to stay as it is.
func ids(owner, group string) (uid, gid int, err error) {
	uid, gid = -1, -1
	if owner != "" {
		u, err := user.Lookup(owner)
		if err != nil {
			return 0, 0, fmt.Errorf("look up owner %q: %w", owner, err)
		}
		if uid, err = strconv.Atoi(u.Uid); err != nil {
			return 0, 0, fmt.Errorf("read user id: %w", err)
		}
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return 0, 0, fmt.Errorf("look up group %q: %w", group, err)
		}
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			return 0, 0, fmt.Errorf("read group id: %w", err)
		}
	}
	return uid, gid, nil
}

func (in Instruction) chown() error {
	uid, gid, err := ids(in.Owner, in.Group)
	if err != nil {
		return err
	}
	if err := os.Lchown(in.File, uid, gid); err != nil {
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

// dropContext removes the SELinux rule that the official agent made for a path. A host without SELinux has none to remove.
func dropContext(ctx context.Context, log *slog.Logger, path string) {
	if out, err := exec.CommandContext(ctx, "semanage", "fcontext", "-d", path).CombinedOutput(); err != nil {
		log.Warn("could not remove an SELinux rule of the last installation", "path", path, "error", err, "output", string(out))
	}
}
