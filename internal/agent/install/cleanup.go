package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// semanagePrefix begins a line of the cleanup list that is for an SELinux rule.
const semanagePrefix = "semanage\x00"

// cleanUp takes away what the cleanup list says, the last first, and then the list. A last line without its end is a crash's and is left
// out. What is gone already is fine; a directory stays as long as something is in it.
func cleanUp(ctx context.Context, log *slog.Logger, run Runner, list string) error {
	lines, there, err := readCleanup(list)
	if err != nil || !there {
		return err
	}
	for _, line := range slices.Backward(lines) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("clean up the last installation: %w", err)
		}
		switch {
		case line == "":
		case strings.HasPrefix(line, semanagePrefix):
			dropRule(ctx, log, run, line)
		case !filepath.IsAbs(line):
			log.Warn("ignored a line of the cleanup list that is no absolute path", "list", list, "line", line)
		default:
			if err := takeAway(line); err != nil {
				return fmt.Errorf("clean up the last installation: %w", err)
			}
		}
	}
	if err := os.Remove(list); err != nil {
		return fmt.Errorf("remove cleanup list: %w", err)
	}
	return nil
}

// readCleanup reads the lines of a cleanup list that are whole.
func readCleanup(list string) (lines []string, there bool, err error) {
	content, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read cleanup list: %w", err)
	}
	whole, _, _ := cutLast(content, '\n')
	return strings.Split(string(whole), "\n"), true, nil
}

func cutLast(b []byte, sep byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(b, sep)
	if i < 0 {
		return nil, b, false
	}
	return b[:i], b[i+1:], true
}

func takeAway(path string) error {
	info, err := os.Lstat(path)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil && !gone(err) {
			return fmt.Errorf("read directory: %w", err)
		}
		if len(entries) > 0 {
			return nil
		}
	}
	if err := os.Remove(path); err != nil && !gone(err) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

// gone also holds when something above the path has become a file.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || isNotDirectory(err)
}
