package scriptlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

const (
	sharedSize  = 64 << 20 // of one file, in bytes
	sharedFiles = 8
)

// Shared is the log of all deployments of the agent: the current file, and older ones named .1 and up.
type Shared struct {
	path string
	size int64
	keep int

	mu      sync.Mutex
	file    *os.File // nil after Close, or while the disk does not let it be opened
	written int64
}

// OpenShared opens the log for appending.
func OpenShared(path string) (*Shared, error) {
	s := &Shared{path: path, size: sharedSize, keep: sharedFiles}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Shared) open() error {
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open deployments log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("look at deployments log: %w", err), f.Close())
	}
	s.file, s.written = f, info.Size()
	return nil
}

func (s *Shared) write(line string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return errors.New("write deployments log: it is closed")
	}
	if s.written+int64(len(line)) > s.size && s.written > 0 {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	n, err := s.file.WriteString(line)
	s.written += int64(n)
	if err != nil {
		return fmt.Errorf("write deployments log: %w", err)
	}
	return nil
}

func (s *Shared) rotate() error {
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return fmt.Errorf("close deployments log: %w", err)
	}
	for i := s.keep - 1; i > 0; i-- {
		from := s.path
		if i > 1 {
			from = fmt.Sprintf("%s.%d", s.path, i-1)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", s.path, i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate deployments log: %w", err)
		}
	}
	return s.open()
}

// Close ends the log. Later lines are refused. A nil log is closed.
func (s *Shared) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return fmt.Errorf("close deployments log: %w", err)
	}
	return nil
}
