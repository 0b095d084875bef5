package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every test that a document names exists.
func TestPromisesNameTheirTests(t *testing.T) {
	tests := testNames(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+|Fuzz[A-Za-z0-9_]+)`")
	docs, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	found := 0
	for _, path := range append(docs, "../../SECURITY.md", "../../README.md") {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range named.FindAllStringSubmatch(string(raw), -1) {
			found++
			require.True(t, tests[m[1]], "%s names %s, which does not exist", path, m[1])
		}
	}
	require.Greater(t, found, 30)
}

// Every promise of the threat model names a test: its tables have no empty cell.
func TestNoPromiseWithoutATest(t *testing.T) {
	raw, err := os.ReadFile("../../docs/THREAT-MODEL.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| [A-Z].*\|$`).FindAllString(string(raw), -1)
	require.NotEmpty(t, rows)
	for _, row := range rows {
		require.Contains(t, row, "| `Test", row)
	}
}

// Every module go.mod requires directly stands in docs/DEPENDENCIES.md, with
// its version.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	doc, err := os.ReadFile("../../docs/DEPENDENCIES.md")
	require.NoError(t, err)
	direct := regexp.MustCompile(`(?m)^\t(\S+ v\S+)$`).FindAllStringSubmatch(string(mod), -1)
	require.Greater(t, len(direct), 5)
	text := strings.Join(strings.Fields(string(doc)), " ")
	for _, m := range direct {
		require.Contains(t, text, m[1])
	}
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	require.NoError(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
		return nil
	}))
	return names
}
