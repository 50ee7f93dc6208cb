package cgroup

import (
	"errors"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	const unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	for name, c := range map[string]struct{ membership, mounts, want string }{
		"a service":                       {"0::/system.slice/crossfade-agent.service\n", unified, "/sys/fs/cgroup/system.slice/crossfade-agent.service"},
		"the root":                        {"0::/\n", unified, "/sys/fs/cgroup"},
		"both versions":                   {"4:memory:/a\n0::/b\n", "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified/b"},
		"a container without namespace":   {"0::/docker/1f\n", "40 23 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup"},
		"a group below a mounted one":     {"0::/docker/1f/agent\n", "40 23 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup/agent"},
		"a blank in a mount's path":       {"0::/x\n", `33 1 0:26 / /mnt/my\040groups rw - cgroup2 none rw` + "\n", "/mnt/my groups/x"},
		"the widest of mounts":            {"0::/b/c\n", "40 23 0:26 /b /mnt rw - cgroup2 cgroup rw\n" + unified, "/sys/fs/cgroup/b/c"},
		"outside of the namespace":        {"0::/../other\n", unified, ""},
		"a sibling of what is mounted":    {"0::/docker/1fa\n", "40 23 0:26 /docker/1f /sys/fs/cgroup ro - cgroup2 cgroup rw\n", ""},
		"version 1 only":                  {"4:memory:/a\n", unified, ""},
		"nothing mounted":                 {"0::/\n", "30 23 0:26 / / rw - ext4 /dev/vda rw\n", ""},
		"lines that make no sense at all": {"0::", " - cgroup2 \n - \n\n", ""},
	} {
		got, err := place(strings.NewReader(c.membership), strings.NewReader(c.mounts))
		if got != c.want || (err == nil) != (c.want != "") || (err != nil && !errors.Is(err, ErrUnusable)) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}
