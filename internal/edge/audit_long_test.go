package edge_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crossfade/internal/audit"
)

// TestTheLongestCallsLeaveLinesThatCanBeRead holds that no call that gets through leaves an audit log that can't be verified to its end.
func TestTheLongestCallsLeaveLinesThatCanBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// The server takes heads of 64 KiB, and the test's one more; each of these bytes takes six in JSON.
	key := strings.Repeat("%01", 200<<10)
	for _, who := range []string{"ROOT", "HOST", "NOBODY"} {
		f.do(t, ask{"PUT", "/b/" + key, "", who, "s3", "x"})
	}
	f.do(t, ask{"POST", "/", control, "ROOT", "codedeploy", good})
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := audit.Open(audit.Options{Path: path, Version: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range f.entries.all() {
		l.Write(e)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(bytes.NewReader(content), nil)
	if err != nil || len(report.Problems) > 0 || report.Lines != 5 {
		t.Errorf("%d lines, problems %q, %v", report.Lines, report.Problems, err)
	}
}
