package footprint

import (
	"reflect"
	"strings"
	"testing"
)

const smaps = `00400000-01a00000 r-xp 00000000 fe:00 1234                              /usr/bin/crossfade
Size:              22528 kB
Rss:                9000 kB
Private_Clean:         0 kB
Private_Dirty:      9000 kB
Anonymous:             0 kB
Swap:                  0 kB
Locked:                0 kB
VmFlags: rd ex mr mw me sd
01a00000-03000000 r--p 01600000 fe:00 1234                              /usr/bin/crossfade
Private_Dirty:        16 kB
Anonymous:            16 kB
03000000-03100000 r--p 02c00000 fe:00 1234                              /usr/bin/crossfade
Private_Dirty:         0 kB
Locked:               64 kB
03100000-03200000 rw-p 02d00000 fe:00 1234                              /usr/bin/crossfade
Anonymous:             0 kB
03200000-03300000 r--s 02d00000 fe:00 1234                              /usr/bin/crossfade
Private_Dirty:         0 kB
03300000-03400000 r--p 02d00000 fe:00 1234                              /usr/bin/crossfade (deleted)
Private_Dirty:         0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Private_Dirty:      3000 kB
7f0000000000-7f0000010000 r-xp 00000000 fe:00 99                        /lib/libc.so.6
Private_Dirty:         0 kB
7f0000020000-7f0000030000 r--p 00000000 fe:00 1234                      /usr/bin/crossfade
Private_Dirty:         0 kB
`

// TestOnlyWhatCannotHaveChanged holds that no page is dropped that would not come back as it was.
func TestOnlyWhatCannotHaveChanged(t *testing.T) {
	t.Parallel()
	got, err := unchanged(strings.NewReader(smaps), "/usr/bin/crossfade")
	if want := []area{{0x400000, 0x1a00000}, {0x7f0000020000, 0x7f0000030000}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	if _, err := unchanged(strings.NewReader("zz-1 r--p 0 0 0 /usr/bin/crossfade\n"), "/usr/bin/crossfade"); err == nil {
		t.Error("an address that is none was taken")
	}
}

// TestShrink holds that a program goes on after it, again and again, and has less in memory.
func TestShrink(t *testing.T) {
	t.Parallel()
	for range 3 {
		before, err := resident()
		if err != nil || before == 0 {
			t.Fatal(before, err)
		}
		if err := ShrinkAbove(before); err != nil {
			t.Fatal(err)
		}
		if err := ShrinkAbove(0); err != nil {
			t.Fatal(err)
		}
		after, err := resident()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d KiB, then %d KiB", before>>10, after>>10)
	}
}
