package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocumented holds that docs/cli.md has every command and every exit code of crossfade wait, and that the help of every command has an example.
func TestDocumented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	ran := false
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Hidden {
				continue
			}
			if !sub.HasSubCommands() && !strings.Contains(doc, "`crossfade "+strings.TrimPrefix(strings.TrimSuffix(sub.UseLine(), " [flags]"), "crossfade ")+"`") {
				t.Errorf("docs/cli.md lacks %s", sub.UseLine())
			}
			if sub.Example == "" && !sub.HasSubCommands() {
				t.Errorf("the help of %s has no example", sub.CommandPath())
			}
			walk(sub)
		}
	}
	walk(newRootCommand(&ran))
	_, waits, ok := strings.Cut(doc, "`crossfade wait` |\n")
	if !ok {
		t.Fatal("docs/cli.md has no table of the exit codes of crossfade wait")
	}
	for outcome, code := range outcomeCodes {
		if !strings.Contains(waits, fmt.Sprintf("| %d | ", code)) {
			t.Errorf("docs/cli.md lacks exit code %d of %s", code, outcome)
		}
	}
}
