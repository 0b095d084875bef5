package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func manualText(t *testing.T) (*cobra.Command, string) {
	t.Helper()
	root := new(app).command()
	var out bytes.Buffer
	require.NoError(t, manual(&out, root))
	return root, out.String()
}

// The page has every command, with its flags.
func TestManualIsComplete(t *testing.T) {
	root, text := manualText(t)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Hidden || sub.Name() == "help" {
				continue
			}
			require.Contains(t, text, ".SS \""+roff(sub.CommandPath()))
			sub.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Name != "help" {
					require.Contains(t, text, roff("--"+f.Name), sub.CommandPath())
				}
			})
			walk(sub)
		}
	}
	walk(root)
	require.Equal(t, 1, strings.Count(text, roff("--accept-unconfined")), "flags of all commands stand there once")
}

// Nothing in the texts is taken for a request, or for an escape.
func TestManualIsRoff(t *testing.T) {
	_, text := manualText(t)
	known := regexp.MustCompile(`^\.(TH|SH|SS|TP|B|PP|br)( "[^"]*")*$`)
	escapes := regexp.MustCompile(`\\(e|-|&|\(ti|\(ha|\(ga|\(dq)`)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		require.NotEmpty(t, line)
		if strings.HasPrefix(line, ".") {
			require.Regexp(t, known, line)
		}
		require.False(t, strings.HasPrefix(line, "'"), line)
		require.NotContains(t, escapes.ReplaceAllString(line, ""), `\`, line)
		for _, r := range line {
			require.True(t, ' ' <= r && r <= '~', line)
		}
	}
	if groff, err := exec.LookPath("groff"); err == nil {
		cmd := exec.Command(groff, "-man", "-ww", "-Tascii", "-z")
		cmd.Stdin = strings.NewReader(text)
		said, err := cmd.CombinedOutput()
		require.NoError(t, err)
		require.Empty(t, string(said))
	}
}

// The page lists every exit code that there is, in order.
func TestManualHasEveryExitCode(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "explain.go", nil, 0)
	require.NoError(t, err)
	want := map[int]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 && strings.HasPrefix(v.Names[0].Name, "exit") {
			code, err := strconv.Atoi(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			want[code] = true
		}
		return true
	})
	require.Greater(t, len(want), 5)
	got, last := map[int]bool{}, -1
	for _, e := range exits {
		require.Greater(t, e.code, last)
		got[e.code], last = true, e.code
	}
	require.Equal(t, want, got)

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(readme), "Exit codes:")
	require.True(t, found)
	list, _, _ = strings.Cut(list, ".\n")
	told := map[int]bool{}
	for _, m := range regexp.MustCompile(`\b(\d+)\s[a-z]`).FindAllStringSubmatch(list, -1) {
		code, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		told[code] = true
	}
	require.Equal(t, want, told, "the README has them all")
}

func TestRoff(t *testing.T) {
	var out bytes.Buffer
	root := &cobra.Command{Use: "x", Short: "Short"}
	root.AddCommand(&cobra.Command{Use: `odd "a\b"`, Short: "S", Run: func(*cobra.Command, []string) {},
		Long: ".not a request\n'nor this\n\nsecond - part\nkey: ~ value"})
	require.NoError(t, manual(&out, root))
	require.Contains(t, out.String(), `.SS "x odd \(dqa\eb\(dq"
\&.not a request
\&'nor this
.PP
second \- part
.br
key: \(ti value
`)
}
