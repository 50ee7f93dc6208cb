package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"crossfade/internal/appspec"
	"crossfade/internal/appspec/bundlecheck"
)

func newAppSpecCommand() *cobra.Command {
	c := &cobra.Command{Use: "appspec", Short: "Work with AppSpec files", Args: cobra.NoArgs}
	c.AddCommand(newAppSpecValidateCommand())
	return c
}

func newAppSpecValidateCommand() *cobra.Command {
	var v validation
	var output string
	c := &cobra.Command{
		Use: "validate [PATH]", Short: "Check an AppSpec file, and the bundle around it, before it is deployed", Args: cobra.MaximumNArgs(1),
		Long: `Check an AppSpec file for servers, AWS Lambda or Amazon ECS, and say all that is wrong with it, each with its line and what to do. PATH is the
file, a directory that has it, or - for standard input. Without it the file is appspec.yml, or else appspec.yaml, of the current directory.

A directory, and that of --bundle, is taken for the unpacked bundle: the files and scripts that the AppSpec names must be in it, and
scripts for Linux must have Unix line ends and should have an interpreter line.

Warnings are about what is ignored, and about what may not do what you expect, here or with the official agent; they don't change the exit code.

  0  the AppSpec is valid
  1  it is not
  2  the command line is wrong, or there is nothing to check`,
		Example: `  crossfade appspec validate
  crossfade appspec validate build/bundle
  crossfade appspec validate taskdef/appspec.json --platform ecs
  git show HEAD:appspec.yml | crossfade appspec validate - --output json | jq '.problems[].what'`,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := v.run(c.InOrStdin(), args)
			if err != nil {
				return &usageError{err}
			}
			if err := print(c.OutOrStdout(), output, r, r.write); err != nil {
				return err
			}
			if !r.Valid {
				return errReported
			}
			return nil
		},
	}
	c.Flags().StringVar(&v.platform, "platform", "", "server, lambda or ecs (default: as the content looks)")
	c.Flags().StringVar(&v.system, "os", "", "what the hosts run, linux or windows (default: as the AppSpec says)")
	c.Flags().StringVar(&v.bundle, "bundle", "", "directory of the unpacked bundle, to check what the AppSpec names in it")
	addOutputFlag(c, &output)
	return c
}

// validation is what the command line asks for.
type validation struct{ platform, system, bundle string }

// validated is the answer.
type validated struct {
	File     string            `json:"file"`
	Platform appspec.Platform  `json:"platform"`
	Valid    bool              `json:"valid"`
	Problems []validateProblem `json:"problems"`
	Warnings []validateProblem `json:"warnings"`
}

type validateProblem struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"` // from 1; 0: the file as a whole
	Column int    `json:"column,omitempty"`
	What   string `json:"what"`
	Hint   string `json:"hint,omitempty"`
}

func (v validation) run(in io.Reader, args []string) (validated, error) {
	platform, err := v.chosenPlatform()
	if err != nil {
		return validated{}, err
	}
	system := appspec.OS(v.system)
	switch {
	case system != "" && system != appspec.Linux && system != appspec.Windows:
		return validated{}, fmt.Errorf("--os %q is not linux or windows", v.system)
	case system != "" && platform != "" && platform != appspec.Server:
		return validated{}, errors.New("--os is for the server platform only")
	}
	name, bundle, err := v.locate(args)
	if err != nil {
		return validated{}, err
	}
	content, err := readSpec(in, name)
	if err != nil {
		return validated{}, err
	}
	r := appspec.Validate(name, content, platform, system)
	if bundle != "" {
		if r.Spec == nil {
			return validated{}, fmt.Errorf("an AppSpec of the %s platform has no bundle: leave the directory out", r.Platform)
		}
		if err := addBundle(&r, bundle); err != nil {
			return validated{}, err
		}
	}
	return validated{File: name, Platform: r.Platform, Valid: len(r.Problems) == 0, Problems: problemList(r.Problems), Warnings: problemList(r.Warnings)}, nil
}

func (v validation) chosenPlatform() (appspec.Platform, error) {
	if v.platform == "" {
		return "", nil
	}
	for _, p := range []appspec.Platform{appspec.Server, appspec.Lambda, appspec.ECS} {
		if strings.EqualFold(v.platform, string(p)) {
			return p, nil
		}
	}
	return "", fmt.Errorf("--platform %q is not server, lambda or ecs", v.platform)
}

// locate finds the AppSpec, "-" for standard input, and the bundle, if there is one to look into.
func (v validation) locate(args []string) (name, bundle string, err error) {
	if len(args) == 0 {
		name, err = specIn(".")
		return name, v.bundle, err
	}
	if args[0] == "-" {
		return "-", v.bundle, nil
	}
	info, err := os.Stat(args[0])
	if err != nil {
		return "", "", fmt.Errorf("find the AppSpec: %w", err)
	}
	if !info.IsDir() {
		return args[0], v.bundle, nil
	}
	if bundle = v.bundle; bundle == "" {
		bundle = args[0]
	}
	name, err = specIn(args[0])
	return name, bundle, err
}

func specIn(dir string) (string, error) {
	for _, base := range []string{"appspec.yml", "appspec.yaml"} {
		name := filepath.Join(dir, base)
		if _, err := os.Stat(name); err == nil {
			return name, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the AppSpec: %w", err)
		}
	}
	return "", fmt.Errorf("there is no appspec.yml or appspec.yaml in %s: name the file", dir)
}

// readSpec reads no more than what shows that the file is too large.
func readSpec(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the AppSpec: %w", err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, appspec.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the AppSpec: %w", err)
	}
	return content, nil
}

func addBundle(r *appspec.Report, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the bundle: %w", err)
	}
	problems, warnings, err := bundlecheck.Check(root, r.Spec)
	if err = errors.Join(err, root.Close()); err != nil {
		return err
	}
	r.Problems, r.Warnings = append(r.Problems, problems...), append(r.Warnings, warnings...)
	return nil
}

func problemList(all []*appspec.Problem) []validateProblem {
	list := []validateProblem{}
	for _, p := range all {
		list = append(list, validateProblem{File: p.File, Line: p.Line, Column: p.Column, What: p.What, Hint: p.Hint})
	}
	slices.SortStableFunc(list, func(a, b validateProblem) int { return a.Line - b.Line })
	return list
}

// write prints as compilers do, so that editors find the places.
func (r validated) write(w io.Writer) error {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintln(&b, p.text("error"))
	}
	for _, p := range r.Warnings {
		fmt.Fprintln(&b, p.text("warning"))
	}
	if r.Valid {
		fmt.Fprintf(&b, "%s: valid for the %s platform\n", r.File, r.Platform)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p validateProblem) text(kind string) string {
	where := p.File
	if p.Line > 0 {
		where += fmt.Sprintf(":%d", p.Line)
	}
	if p.Column > 0 {
		where += fmt.Sprintf(":%d", p.Column)
	}
	text := where + ": " + kind + ": " + p.What
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	return text
}
