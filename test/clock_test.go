package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// clocks are the functions of package time that read one or wait.
var clocks = map[string]bool{"Now": true, "Since": true, "Until": true, "After": true, "AfterFunc": true, "NewTimer": true, "NewTicker": true, "Tick": true, "Sleep": true}

// TestTheDomainReadsNoClock holds that package deploy gets its time in events: the same view and the same event always give the same transition.
func TestTheDomainReadsNoClock(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../internal/deploy/*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "time" && clocks[s.Sel.Name] {
				t.Errorf("%s calls time.%s", set.Position(s.Pos()), s.Sel.Name)
			}
			return true
		})
	}
}
