package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// syncAfter is how long a line may be written and not yet durable.
const syncAfter = time.Second

// complainEvery is how often a log that can't be written says so.
const complainEvery = time.Minute

// Options say where the log is.
type Options struct {
	Path    string
	MaxSize int64 // bytes of a file before the next one begins; 0: any
	Keep    int   // how many files are kept beside the current one, as PATH.1, the youngest, to PATH.N; 0: all
	Version string
	Now     func() time.Time
	Log     *slog.Logger
	// Lost is told of each entry that could not be written; nil: nobody is.
	Lost func()
}

// Log writes the audit log.
type Log struct {
	o Options

	mu         sync.Mutex
	file       *os.File
	size       int64
	chain      string
	pending    *time.Timer // makes durable what was written; nil: all is
	complained time.Time
	closed     bool
}

// Open goes on with the log at the path, or begins one. A last line that is not whole, as a crash leaves it, is taken away.
func Open(o Options) (*Log, error) {
	l := &Log{o: o}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.openFile(); err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	return l, nil
}

// openFile opens the current file and begins it when it is new. The caller holds mu.
func (l *Log) openFile() error {
	f, err := os.OpenFile(l.o.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	chain, whole, err := lastChain(f)
	if err == nil && whole >= 0 {
		l.o.Log.Warn("the last line of the audit log was not whole, as after a crash, and was taken away", "file", l.o.Path)
		err = f.Truncate(whole)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	if chain != "" {
		l.chain = chain
	}
	if l.size > 0 {
		return nil
	}
	if l.chain == "" {
		l.chain = l.endOfPrevious()
	}
	return l.append(opening{Time: l.o.Now().UTC(), Opened: l.o.Version, Previous: l.chain})
}

// endOfPrevious is the chain value of the youngest file beside the current one.
func (l *Log) endOfPrevious() string {
	f, err := os.Open(l.o.Path + ".1")
	if err != nil {
		return ""
	}
	chain, _, err := lastChain(f)
	if err = errors.Join(err, f.Close()); err != nil {
		l.o.Log.Warn("the end of the earlier audit log can't be read, so the new one does not follow it", "error", err)
	}
	return chain
}

// maxLine bounds a line; what is longer is none of ours. bounded keeps entries well below it, also when each byte takes six.
const maxLine = 1 << 20

// lastChain finds the chain value of the last whole line. whole is where the file ends without a line that is cut off, or -1 when there is none.
func lastChain(f *os.File) (chain string, whole int64, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return "", -1, err
	}
	from := max(0, info.Size()-2*maxLine)
	tail := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return "", -1, err
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	whole = -1
	if end < len(tail) {
		whole = from + int64(end)
	}
	if end == 0 {
		return "", whole, nil
	}
	begin := bytes.LastIndexByte(tail[:end-1], '\n') + 1
	_, chain, ok := open(tail[begin : end-1])
	if !ok {
		return "", whole, fmt.Errorf("the last line of %s is none of an audit log: move the file away, and keep it", f.Name())
	}
	return chain, whole, nil
}

// Write adds an entry. It is durable within a second, and when the log is closed. An entry that can't be written does not stop the call that it tells
// of: that is said in the server's log and counted.
func (l *Log) Write(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(e); err != nil {
		if l.o.Lost != nil {
			l.o.Lost()
		}
		if now := l.o.Now(); now.Sub(l.complained) >= complainEvery {
			l.complained = now
			l.o.Log.Error("the audit log can't be written; calls go on and leave no line", "file", l.o.Path, "error", err)
		}
	}
}

func (l *Log) write(e Entry) error {
	if l.closed {
		return errors.New("the audit log is closed")
	}
	if l.file == nil {
		if err := l.openFile(); err != nil {
			return err
		}
	}
	if l.o.MaxSize > 0 && l.size >= l.o.MaxSize {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	return l.append(bounded(e))
}

// append writes one line whole or not at all.
func (l *Log) append(value any) error {
	line, chain, err := seal(l.chain, value)
	if err != nil {
		return err
	}
	if n, err := l.file.Write(line); err != nil {
		if n > 0 {
			err = errors.Join(err, l.file.Truncate(l.size))
		}
		return err
	}
	l.size, l.chain = l.size+int64(len(line)), chain
	if l.pending == nil {
		l.pending = time.AfterFunc(syncAfter, l.sync)
	}
	return nil
}

func (l *Log) sync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil || l.file == nil {
		return
	}
	l.pending = nil
	if err := l.file.Sync(); err != nil {
		l.o.Log.Error("the audit log can't be made durable", "file", l.o.Path, "error", err)
	}
}

// rotate puts the current file beside and begins the next.
func (l *Log) rotate() error {
	if err := errors.Join(l.file.Sync(), l.file.Close()); err != nil {
		return err
	}
	l.file = nil
	last := 1
	for ; exists(l.name(last)); last++ {
	}
	for i := last; i > 1; i-- {
		if err := os.Rename(l.name(i-1), l.name(i)); err != nil {
			return err
		}
	}
	if err := os.Rename(l.o.Path, l.name(1)); err != nil {
		return err
	}
	for i := l.o.Keep + 1; l.o.Keep > 0 && i <= last; i++ {
		if err := os.Remove(l.name(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return l.openFile()
}

func (l *Log) name(i int) string { return l.o.Path + "." + strconv.Itoa(i) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Close makes everything durable.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	if l.pending != nil {
		l.pending.Stop()
		l.pending = nil
	}
	if l.file == nil {
		return nil
	}
	return errors.Join(l.file.Sync(), l.file.Close())
}
