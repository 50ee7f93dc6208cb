package scriptlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// header begins what a scripts.log has of one lifecycle event. Scripts can't write it: their lines have their stream in front.
const header = "LifecycleEvent - "

// stamp is the time in front of each line of a scripts.log, in local time.
const stamp = "2006-01-02 15:04:05"

// Last is what a scripts.log has of the event that wrote to it last, for an agent that begins where another one was killed.
type Last struct {
	Tail string // as [Recorder.Tail] would have been
	path string
	from int64 // where the event begins
}

// ReadLast looks for the last event in a scripts.log; false when the log is older than the given time.
func ReadLast(path string, since time.Time) (l Last, found bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().Before(since) {
		return Last{}, false, nil
	}
	if err != nil {
		return Last{}, false, fmt.Errorf("look at scripts log: %w", err)
	}
	l.path = path
	var tail []byte
	err = eachLine(path, 0, func(at int64, line string) {
		_, text := unstamp(line)
		if strings.HasPrefix(text, header) {
			l.from, found, tail = at, true, tail[:0]
		}
		tail = append(append(tail, text...), '\n')
		if len(tail) > 4*TailSize {
			tail = append(tail[:0], tail[len(tail)-TailSize:]...)
		}
	})
	l.Tail = lastOf(string(tail), TailSize)
	return l, found && err == nil, err
}

// Each gives the lines of the event after its header, in order.
func (l Last) Each(do func(at time.Time, line string)) error {
	first := true
	return eachLine(l.path, l.from, func(_ int64, line string) {
		if !first {
			do(unstamp(line))
		}
		first = false
	})
}

// eachLine gives each whole line and where it begins. What comes after the last line's end was cut off when the agent was killed.
func eachLine(path string, from int64, do func(at int64, line string)) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open scripts log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return fmt.Errorf("read scripts log: %w", err)
	}
	lines := bufio.NewReader(f)
	for at := from; ; {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read scripts log: %w", err)
		}
		do(at, strings.TrimSuffix(line, "\n"))
		at += int64(len(line))
	}
}

// unstamp takes the time off a line; zero when it has none.
func unstamp(line string) (time.Time, string) {
	if len(line) > len(stamp) && line[len(stamp)] == ' ' {
		if at, err := time.ParseInLocation(stamp, line[:len(stamp)], time.Local); err == nil {
			return at, line[len(stamp)+1:]
		}
	}
	return time.Time{}, line
}
