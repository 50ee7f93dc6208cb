package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ, which is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// readUsage reads /proc.
func readUsage(pid int) (*usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	u := &usage{at: time.Now()}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return nil, fmt.Errorf("look at the server's process: %w", err)
	}
	u.resident, u.peak = kibibytes(status, "VmRSS:"), kibibytes(status, "VmHWM:")
	u.threads = int(number(status, "Threads:"))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return nil, fmt.Errorf("look at the server's process: %w", err)
	}
	if u.processor, err = processorTime(stat); err != nil {
		return nil, err
	}
	// What the system does not let others see is left out.
	if rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup")); err == nil {
		u.share = kibibytes(rollup, "Pss:")
	}
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return u, nil //nolint:nilerr // see above
	}
	for _, f := range files {
		if to, err := os.Readlink(filepath.Join(dir, "fd", f.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			u.connections++
		}
	}
	return u, nil
}

// processorTime reads user and system time. The command's name before them may hold anything but ends at the last parenthesis.
func processorTime(stat []byte) (time.Duration, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const user, system = 11, 12 // after the name
	if len(fields) <= system {
		return 0, errors.New("read the server's processor time: /proc has another form")
	}
	a, errA := strconv.ParseInt(fields[user], 10, 64)
	b, errB := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(a+b) * tick, errors.Join(errA, errB)
}

func kibibytes(content []byte, name string) int64 { return number(content, name) << 10 }

// number is the first number of the line that begins with the name; 0 when there is none.
func number(content []byte, name string) int64 {
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				n, err := strconv.ParseInt(f[0], 10, 64)
				if err == nil {
					return n
				}
			}
		}
	}
	return 0
}
