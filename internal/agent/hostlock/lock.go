package hostlock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// name of the file below the root directory, beside what else is ours alone.
	name = "crossfade/host.lock"
	// How often a lock of another process is tried: at first, and in the end.
	firstTry = 5 * time.Millisecond
	lastTry  = 250 * time.Millisecond
	// longestHolder bounds what is read of the file, in bytes.
	longestHolder = 4096
)

// Lock is the lock of the host whose agent has a root directory. Each process opens it once.
type Lock struct {
	path string
	turn chan struct{} // holds a token while this process has the lock or tries to get it
}

// Open names the lock of a root directory and makes what is missing for it.
func Open(root string) (*Lock, error) {
	path := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open host lock: %w", err)
	}
	return &Lock{path: path, turn: make(chan struct{}, 1)}, nil
}

// Acquire waits for the lock as long as the context allows. A wait that the context ends says who has the lock; its error is the context's.
// Waiting, which may be nil, is called once if the lock is not free at once. Release gives the lock back and must be called.
func (l *Lock) Acquire(ctx context.Context, h Holder, waiting func(Holder)) (release func() error, err error) {
	select {
	case l.turn <- struct{}{}:
	default:
		if waiting != nil {
			now, _, _ := l.Holder() //nolint:errcheck // only for a message
			waiting(now)
			waiting = nil
		}
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, l.gaveUp(ctx)
		}
	}
	defer func() {
		if err != nil {
			<-l.turn
		}
	}()
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open host lock: %w", err)
	}
	if err := l.wait(ctx, f, waiting); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	h.PID, h.Since = os.Getpid(), time.Now().Round(0)
	if err := write(f, h); err != nil {
		return nil, errors.Join(err, unlock(f), f.Close())
	}
	return func() error {
		defer func() { <-l.turn }()
		// Emptied while it is still ours.
		if err := errors.Join(f.Truncate(0), unlock(f), f.Close()); err != nil {
			return fmt.Errorf("release host lock: %w", err)
		}
		return nil
	}, nil
}

// wait tries until the lock is free. There is no way to wait for a file's lock that a context could end.
func (l *Lock) wait(ctx context.Context, f *os.File, waiting func(Holder)) error {
	for pause := firstTry; ; pause = min(lastTry, 2*pause) {
		free, err := tryLock(f)
		if err != nil {
			return fmt.Errorf("lock %s: %w", l.path, err)
		}
		if free {
			return nil
		}
		if waiting != nil {
			now, _, _ := read(f) //nolint:errcheck // only for a message
			waiting(now)
			waiting = nil
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return l.gaveUp(ctx)
		}
	}
}

func (l *Lock) gaveUp(ctx context.Context) error {
	h, held, err := l.Holder()
	if err != nil || !held {
		return fmt.Errorf("wait for the host lock: %w", ctx.Err())
	}
	return fmt.Errorf("wait for the host lock, which %s has: %w", h, ctx.Err())
}

// Holder tells who has the lock, if it is held by anyone, in whatever process.
func (l *Lock) Holder() (Holder, bool, error) { return look(l.path) }

// Look tells the same of the lock of a root directory, and makes nothing there.
func Look(root string) (Holder, bool, error) {
	return look(filepath.Join(root, filepath.FromSlash(name)))
}

func look(path string) (Holder, bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, fmt.Errorf("open host lock: %w", err)
	}
	defer f.Close()
	// What a process that was killed has written says nothing. It is read before the look at the lock: whoever has it then wrote it, or is
	// just about to write.
	h, there, err := read(f)
	if err != nil || !there {
		return Holder{}, false, err
	}
	held, err := isLocked(f)
	if err != nil {
		return Holder{}, false, fmt.Errorf("look at host lock: %w", err)
	}
	return h, held, nil
}

func read(f *os.File) (Holder, bool, error) {
	content, err := io.ReadAll(io.NewSectionReader(f, 0, longestHolder))
	if err != nil {
		return Holder{}, false, fmt.Errorf("read host lock: %w", err)
	}
	var h Holder
	if len(content) == 0 || json.Unmarshal(content, &h) != nil { // half-written
		return Holder{}, false, nil
	}
	return h, true, nil
}

func write(f *os.File, h Holder) error {
	content, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode holder of the host lock: %w", err)
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write host lock: %w", err)
	}
	if _, err := f.WriteAt(append(content, '\n'), 0); err != nil {
		return fmt.Errorf("write host lock: %w", err)
	}
	return nil
}
