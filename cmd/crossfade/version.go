package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what the build says of itself: a release's tag, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func newVersionCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Example: "  crossfade version --output json",
		RunE: func(c *cobra.Command, _ []string) error {
			about := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				OS      string `json:"os"`
				Arch    string `json:"arch"`
			}{version(), runtime.Version(), runtime.GOOS, runtime.GOARCH}
			return print(c.OutOrStdout(), output, about, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "crossfade %s (%s, %s/%s)\n", about.Version, about.Go, about.OS, about.Arch)
				return err
			})
		},
	}
	addOutputFlag(c, &output)
	return c
}

// addOutputFlag offers what a command prints as text for people or JSON for programs.
func addOutputFlag(c *cobra.Command, output *string) {
	c.Flags().StringVar(output, "output", "text", "what to print: text or json")
	c.PreRunE = func(*cobra.Command, []string) error {
		if *output != "text" && *output != "json" {
			return &usageError{fmt.Errorf("--output %q is not text or json", *output)}
		}
		return nil
	}
}

// print writes v as JSON, or as text says.
func print(w io.Writer, output string, v any, text func(io.Writer) error) error {
	if output != "json" {
		return text(w)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
