package scriptlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// TailSize is how much of the log goes into diagnostics, in bytes.
const TailSize = 4096

// Recorder records one lifecycle event.
type Recorder struct {
	shared       *Shared // may be nil
	deploymentID string
	now          func() time.Time
	scripts      *os.File
	tail         []byte
	failed       error // the first line that could not be written
}

// NewRecorder opens the deployment's scripts.log for appending.
func NewRecorder(shared *Shared, deploymentID, scriptsLog string, now func() time.Time) (*Recorder, error) {
	if err := os.MkdirAll(filepath.Dir(scriptsLog), 0o755); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	f, err := os.OpenFile(scriptsLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open scripts log: %w", err)
	}
	return &Recorder{shared: shared, deploymentID: deploymentID, now: now, scripts: f}, nil
}

// Line records one line. A log that can't be written must not fail a deployment: the first such error is kept for Close.
func (r *Recorder) Line(line string) {
	at := r.now()
	_, err := fmt.Fprintf(r.scripts, "%s %s\n", at.Format(stamp), line)
	if err == nil && r.shared != nil {
		err = r.shared.write(fmt.Sprintf("[%s] [%s]%s\n", at.Format("2006-01-02 15:04:05.000"), r.deploymentID, line))
	}
	if err != nil && r.failed == nil {
		r.failed = fmt.Errorf("record script output: %w", err)
	}
	r.tail = append(append(r.tail, line...), '\n')
	if len(r.tail) > 4*TailSize {
		r.tail = append(r.tail[:0], r.tail[len(r.tail)-TailSize:]...)
	}
}

// Tail is the end of what was recorded: at most TailSize bytes of valid UTF-8, from the beginning of a line where that does not cost half.
func (r *Recorder) Tail() string { return lastOf(string(r.tail), TailSize) }

func lastOf(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	s = s[len(s)-most:]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	if i := strings.IndexByte(s, '\n'); i >= 0 && i < len(s)/2 {
		s = s[i+1:]
	}
	return s
}

// Close ends the recording and says what could not be recorded.
func (r *Recorder) Close() error {
	return errors.Join(r.failed, r.scripts.Close())
}
