// Command typecheck says what of this module does not compile on another system, in a twentieth of the time that it takes to compile for it: it
// checks types from the source, reads no function of other modules but its head, and makes no code. It is run in the module's directory.
//
//	GOOS=windows GOARCH=amd64 go run ./internal/tools/typecheck ./...
//
// It owns no rule of its own: what it says is the compiler's. Its exit code is 1 when something does not compile, and 2 when the packages can't be listed.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	problems, err := check(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

func check(patterns []string) (problems []packages.Error, err error) {
	module, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	ours := func(file string) bool { return strings.HasPrefix(file, module+string(filepath.Separator)) }
	loaded, err := packages.Load(&packages.Config{
		Mode:  packages.LoadAllSyntax, // from the source: what compilers export would have to be compiled
		Env:   append(os.Environ(), "CGO_ENABLED=0"),
		Tests: true,
		ParseFile: func(files *token.FileSet, name string, source []byte) (*ast.File, error) {
			f, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
			if err == nil && !ours(name) {
				onlyHeads(f)
			}
			return f, err
		},
	}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w", err)
	}
	seen := map[packages.Error]bool{}
	for _, p := range loaded {
		for _, e := range p.Errors { // a package is there with its tests and without
			if (ours(e.Pos) || e.Kind != packages.TypeError) && !seen[e] {
				seen[e] = true
				problems = append(problems, e)
			}
		}
	}
	return problems, nil
}

// onlyHeads leaves of functions only their heads, and so imports that seem unused: what is said of such a file does not count.
func onlyHeads(f *ast.File) {
	for _, d := range f.Decls {
		if function, ok := d.(*ast.FuncDecl); ok && function.Body != nil {
			function.Body = &ast.BlockStmt{Lbrace: function.Body.Lbrace, Rbrace: function.Body.Rbrace}
		}
	}
}
