// Package footprint gives memory back that an idle agent does not need.
//
// An agent works for seconds and waits for weeks. What is resident then is mostly what its start has touched: code and tables of the whole program, which
// stay mapped because nobody asks for the memory. The package owns the asking. It changes no value of the program, and what is needed again comes back from
// the program's file by itself. It decides nothing about when.
package footprint

import (
	"fmt"
	"runtime/debug"
)

// ShrinkAbove does so when more than so many bytes are resident: free heap goes back to the system, and so do the pages of the program's file that this
// process has mapped and can't have changed. It takes some milliseconds then, and some microseconds when there is nothing to do. On systems other
// than Linux, which don't tell what is resident, it does nothing. An error means that less was given back, and nothing else.
func ShrinkAbove(limit int64) error {
	now, err := resident()
	if err != nil {
		return fmt.Errorf("look at what is resident: %w", err)
	}
	if now <= limit {
		return nil
	}
	debug.FreeOSMemory()
	if err := dropProgram(); err != nil {
		return fmt.Errorf("give the program's pages back: %w", err)
	}
	return nil
}
