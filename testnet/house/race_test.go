package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the race detector is spared starts no goroutine, in its tests neither:
// it has nothing to find there, and takes ten times as long.
func TestSequentialPackagesStartNothing(t *testing.T) {
	raw, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	list := regexp.MustCompile(`(?m)^SEQUENTIAL = (.*)$`).FindSubmatch(raw)
	require.NotNil(t, list)
	packages := strings.Fields(string(list[1]))
	require.NotEmpty(t, packages)
	for _, p := range packages {
		files, err := filepath.Glob(filepath.Join("../..", p, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, p)
		for _, path := range files {
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			require.Empty(t, concurrent(f), path)
		}
	}
}

// concurrent names what in a file runs beside its caller.
func concurrent(f *ast.File) (found []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "go")
		case *ast.SelectorExpr:
			switch n.Sel.Name {
			case "Go", "Parallel", "AfterFunc", "RunParallel":
				found = append(found, n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestConcurrencyIsSeen(t *testing.T) {
	for _, body := range []string{"go f()", "wg.Go(f)", "t.Parallel()", "time.AfterFunc(1, f)"} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package p; func g() { "+body+" }", 0)
		require.NoError(t, err)
		require.NotEmpty(t, concurrent(f), body)
	}
}
