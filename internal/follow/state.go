package follow

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"crossfade/internal/safefile"
	"crossfade/internal/traffic/feed"
)

const (
	stateFile   = "state.json"
	lockFile    = "lock"
	stateFormat = 1
)

// state is what a proxy has taken over. It is a value: a new one takes the place of the one before.
type state struct {
	id            string
	head          feed.Head // with Last as what was taken over; an empty epoch: nothing was
	registrations map[feed.Key]feed.Registration
	splits        map[string]feed.Split
}

// stateDoc is the state as it is on disk.
type stateDoc struct {
	Format        int                 `json:"format"`
	ID            string              `json:"id"`
	Head          feed.Head           `json:"head"`
	Registrations []feed.Registration `json:"registrations"`
	Splits        []feed.Split        `json:"splits"`
}

// with is the state after an answer. It does not change the one before.
func (s state) with(a feed.Answer) state {
	next := state{id: s.id, head: a.Head, registrations: map[feed.Key]feed.Registration{}, splits: map[string]feed.Split{}}
	if a.Configuration == nil {
		next.head.Configuration = s.head.Configuration
	}
	if !a.Full {
		maps.Copy(next.registrations, s.registrations)
		maps.Copy(next.splits, s.splits)
	}
	for _, r := range a.Registrations {
		key := feed.Key{TargetGroup: r.TargetGroup, Instance: r.Instance}
		if r.In {
			next.registrations[key] = r
		} else {
			delete(next.registrations, key)
		}
	}
	for _, x := range a.Splits {
		if x.Environment != "" {
			next.splits[x.TargetGroup] = x
		} else {
			delete(next.splits, x.TargetGroup)
		}
	}
	return next
}

func newID() string { return strings.ToLower(rand.Text()) }

// loadState reads the state, or begins one.
func loadState(directory string) (state, error) {
	path := filepath.Join(directory, stateFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		s := state{id: newID()}
		return s, s.save(directory)
	}
	if err != nil {
		return state{}, fmt.Errorf("read the last state: %w", err)
	}
	s, err := decodeState(content)
	if err != nil {
		return state{}, fmt.Errorf("read the last state %s: %w; move the file away to begin without one", path, err)
	}
	return s, nil
}

func decodeState(content []byte) (state, error) {
	var doc stateDoc
	if err := json.Unmarshal(content, &doc); err != nil {
		return state{}, err
	}
	switch {
	case doc.Format != stateFormat:
		return state{}, fmt.Errorf("its format is %d and this version reads %d", doc.Format, stateFormat)
	case doc.ID == "":
		return state{}, errors.New("it has no id")
	}
	s := state{id: doc.ID, head: doc.Head, registrations: map[feed.Key]feed.Registration{}, splits: map[string]feed.Split{}}
	for _, r := range doc.Registrations {
		s.registrations[feed.Key{TargetGroup: r.TargetGroup, Instance: r.Instance}] = r
	}
	for _, x := range doc.Splits {
		s.splits[x.TargetGroup] = x
	}
	return s, nil
}

// encode is the state as it is on disk, the same for the same state.
func (s state) encode() ([]byte, error) {
	doc := stateDoc{Format: stateFormat, ID: s.id, Head: s.head, Registrations: []feed.Registration{}, Splits: []feed.Split{}}
	for _, k := range s.keys() {
		doc.Registrations = append(doc.Registrations, s.registrations[k])
	}
	for _, g := range slices.Sorted(maps.Keys(s.splits)) {
		doc.Splits = append(doc.Splits, s.splits[g])
	}
	return json.Marshal(doc)
}

// keys are the registrations', by the change that they came with.
func (s state) keys() []feed.Key {
	return slices.SortedFunc(maps.Keys(s.registrations), func(a, b feed.Key) int {
		x, y := s.registrations[a], s.registrations[b]
		switch {
		case x.Change != y.Change:
			return int(min(1, max(-1, x.Change-y.Change)))
		case a.TargetGroup != b.TargetGroup:
			return strings.Compare(a.TargetGroup, b.TargetGroup)
		}
		return strings.Compare(a.Instance, b.Instance)
	})
}

// save writes the state so that there is either the one before or this one, whatever happens, and it survives a power cut.
func (s state) save(directory string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the state to %s: %w", directory, err)
		}
	}()
	content, err := s.encode()
	if err != nil {
		return err
	}
	path := filepath.Join(directory, stateFile)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = bytes.NewReader(content).WriteTo(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(path+".new", path); err != nil {
		return err
	}
	return safefile.SyncDirectory(directory)
}

// lockDirectory makes the directory this process's own until the file is closed, or the process has ended.
func lockDirectory(directory string) (*os.File, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("make the proxy's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(directory, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the proxy's directory: %w", err)
	}
	if err := lockExclusively(f); err != nil {
		return nil, errors.Join(fmt.Errorf("another proxy uses the directory %s: give each its own with --dir", directory), f.Close())
	}
	return f, nil
}
