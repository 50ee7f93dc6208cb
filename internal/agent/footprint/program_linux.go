package footprint

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// resident is what the process has in memory, in bytes.
func resident() (int64, error) {
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(content))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm says %q", content)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// dropProgram unmaps the pages of the program's file from this process. They stay in the system's cache as long as it likes.
func dropProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	areas, err := unchanged(f, program)
	if err != nil {
		return err
	}
	for _, a := range areas {
		// The raw call: unix.Madvise takes a slice, and these are not Go's to point to.
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, a.from, a.to-a.from, unix.MADV_DONTNEED); errno != 0 {
			return errno
		}
	}
	return nil
}

// area is a part of the address space.
type area struct{ from, to uintptr }

// unchanged finds where the file is mapped such that no page can differ from it: not writable, and none was written to before that, as the loader of a
// relocatable program does. Only there a page that is dropped comes back as it was.
func unchanged(smaps io.Reader, file string) (found []area, err error) {
	lines := bufio.NewScanner(smaps)
	var at area
	candidate, clean := false, true
	end := func() {
		if candidate && clean {
			found = append(found, at)
		}
	}
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		from, to, mapping := strings.Cut(fields[0], "-")
		if !mapping || strings.HasSuffix(fields[0], ":") {
			switch fields[0] {
			case "Anonymous:", "Swap:", "Locked:": // a page that was written to is anonymous; one that is dirty is only not on the disk yet
				clean = clean && fields[1] == "0"
			}
			continue
		}
		end()
		candidate, clean = len(fields) == 6 && fields[5] == file && !strings.Contains(fields[1], "w") && strings.HasSuffix(fields[1], "p"), true
		if !candidate {
			continue
		}
		a, err := strconv.ParseUint(from, 16, strconv.IntSize)
		if err != nil {
			return nil, err
		}
		b, err := strconv.ParseUint(to, 16, strconv.IntSize)
		if err != nil {
			return nil, err
		}
		at = area{uintptr(a), uintptr(b)}
	}
	end()
	return found, lines.Err()
}
