package inspect

import (
	"archive/zip"
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"crossfade/internal/revision/tree"
)

// TestADirectoryOfTooManyIsNotHeld holds that a zip with a huge directory is refused while it is read, and not when all of it is in memory.
func TestADirectoryOfTooManyIsNotHeld(t *testing.T) {
	var content bytes.Buffer
	z := zip.NewWriter(&content)
	for i := range 100_000 {
		if _, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	limits := Limits{Entries: 100}.withDefaults()
	b := &bundle{limits: limits, names: tree.New(limits.Entries), specs: map[string][]byte{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := b.read(&content, "zip")
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "more entries") {
		t.Errorf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 5<<20 {
		t.Errorf("%d bytes were taken for it", took)
	}
}
