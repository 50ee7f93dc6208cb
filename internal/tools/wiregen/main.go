// Wiregen generates the Go types, the validation and the service interface of an awsJson1_1 or an awsQuery service from its public API model: of
// all its operations, or of those that are named.
//
// A model has the shape of the api-2.json files that come with the Go module github.com/aws/aws-sdk-go; the module is looked up in the
// module cache and is not a dependency of Crossfade. Only names and constraints are taken over, no documentation text. A service that
// has no public model is described in a file of the same shape beside this one.
//
//	wiregen -module github.com/aws/aws-sdk-go@v1.55.8 -model models/apis/codedeploy/2014-10-06/api-2.json -package control -out .
//	wiregen -model host.json -package host -out .
//	wiregen -module … -model models/apis/sts/2011-06-15/api-2.json -operations AssumeRole,GetCallerIdentity -package sts -out .
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "wiregen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("wiregen", flag.ContinueOnError)
	module := flags.String("module", "", "module@version that contains the model; empty means that -model is a file")
	path := flags.String("model", "", "path of the model, inside the module when one is given")
	pkg := flags.String("package", "", "name of the generated package")
	only := flags.String("operations", "", "the operations to generate, with commas between; empty: all")
	out := flags.String("out", ".", "directory to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *path == "" || *pkg == "" || flags.NArg() > 0 {
		return errors.New("give -model and -package, and no further arguments")
	}
	files, err := generateFrom(*module, *path, *pkg, split(*only))
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(*out, name), text, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// generateFrom finds and reads a model and returns the generated files by name.
func generateFrom(module, path, pkg string, only []string) (map[string][]byte, error) {
	if module != "" {
		dir, err := moduleDir(module)
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, filepath.FromSlash(path))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the model: %w", err)
	}
	m, err := parseModel(text, only)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", filepath.Base(path), err)
	}
	return generate(m, pkg)
}

// errNoModule says that the module with the models cannot be had, as on a machine without its cache and without a network.
var errNoModule = errors.New("the module with the API models is not to be had")

// moduleDir returns the directory of module@version in the module cache, fetching it when it is not there.
func moduleDir(module string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	// Outside of any module, so that neither go.mod nor go.sum is read or changed.
	cmd.Dir = os.TempDir()
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &answer); jsonErr != nil {
		return "", fmt.Errorf("%w: go mod download %s: %v", errNoModule, module, errors.Join(err, jsonErr))
	}
	if answer.Error != "" || answer.Dir == "" {
		return "", fmt.Errorf("%w: go mod download %s: %s", errNoModule, module, answer.Error)
	}
	return answer.Dir, nil
}

// sortedNames returns the keys of a map in order, so that what is generated never depends on map order.
func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
