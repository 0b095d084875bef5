package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// openers lists every file outside the lab that may open a socket, look a
// name up or start a program, the calls it may make, and why.
var openers = map[string]struct {
	calls []string
	why   string
}{
	"anon/broker/link_linux.go":                 {[]string{"net.FileConn", "golang.org/x/sys/unix.Socketpair"}, "makes and takes socket pairs between the broker and the engine, which lead nowhere else"},
	"transport/i2p/door.go":                     {[]string{"net.Dialer"}, "connects to the router's SAM bridge: a loopback address or a unix socket that the configuration has named"},
	"transport/tor/wire.go":                     {[]string{"net.Dialer", "net.ListenUnix"}, "connects to tor's own sockets, and listens on the unix socket that tor hands onion streams to"},
	"transport/tor/router/child.go":             {[]string{"os/exec.*"}, "starts the tor that we own"},
	"transport/i2p/samtest/router.go":           {[]string{"net.Listen"}, "is the fake router of the tests, which TestFakesAreNotShipped keeps out of the program"},
	"client/api/serve.go":                       {[]string{"net/http.Server"}, "serves HTTP on listeners it is given; opens none"},
	"client/website/websitetest/websitetest.go": {[]string{"net/http.Server"}, "answers at an endpoint it is given, in tests; TestFakesAreNotShipped keeps it out of the program"},
	"client/api/caller/caller.go":               {[]string{"net.Dialer", "net/http.Client", "net/http.Transport"}, "asks the daemon over its unix socket, whatever address is asked for"},
	"anon/admin/ask.go":                         {[]string{"net.Dialer"}, "asks the broker of the daemon over its unix socket"},
	"client/library/stamp_linux.go":             {[]string{"golang.org/x/sys/unix.Syscall6"}, "sets the time of an open file, for which there is no other call"},
	"cmd/sotto/place.go":                        {[]string{"net.ListenUnix", "net.Listen"}, "listens for the user's programs: on unix sockets of mode 0600 in the state folder, and on the loopback address that the configuration has named"},
	"cmd/sotto/footholds.go":                    {[]string{"os/exec.LookPath"}, "finds where tor is, to keep the engine from putting another in its place; runs nothing"},
	"cmd/sotto/notify.go":                       {[]string{"net.DialUnix"}, "tells systemd how it goes, on the unix socket that systemd has named"},
	"cmd/sotto/broker.go":                       {[]string{"os/exec.ExitError"}, "asks how the engine has ended; anon/cage starts it"},

	"anon/cage/start_linux.go":          {[]string{"os/exec.*"}, "starts sotto itself once more, behind the walls"},
	"anon/cage/line_linux.go":           {[]string{"golang.org/x/sys/unix.Socketpair", "net.FileConn"}, "makes the pair that joins both halves of the cage, until the engine is let go"},
	"anon/cage/landlock_linux.go":       {[]string{"golang.org/x/sys/unix.Syscall", "golang.org/x/sys/unix.Syscall6"}, "asks for Landlock"},
	"anon/cage/narrow_linux.go":         {[]string{"golang.org/x/sys/unix.Syscall", "golang.org/x/sys/unix.Syscall6"}, "asks for Landlock's limit on ports"},
	"anon/cage/lock_linux.go":           {[]string{"golang.org/x/sys/unix.Syscall", "golang.org/x/sys/unix.Syscall6"}, "installs the filter, and executes sotto once more behind Landlock"},
	"anon/cage/alarm_linux.go":          {[]string{"golang.org/x/sys/unix.Syscall"}, "answers denied calls with no"},
	"anon/cage/ear_linux.go":            {[]string{"golang.org/x/sys/unix.Socket", "golang.org/x/sys/unix.Bind", "golang.org/x/sys/unix.Listen"}, "listens on loopback and unix sockets for the self-attack, and answers nobody"},
	"anon/cage/attack_linux.go":         {[]string{"golang.org/x/sys/unix.Syscall6"}, "the self-attack: it aims at the ear, on this machine only"},
	"anon/cage/attack_network_linux.go": {[]string{"golang.org/x/sys/unix.Socket", "golang.org/x/sys/unix.Socketpair", "golang.org/x/sys/unix.Connect", "golang.org/x/sys/unix.Bind", "golang.org/x/sys/unix.Listen", "golang.org/x/sys/unix.Sendto", "net.Dialer", "net.Resolver", "net/http.Transport"}, "the self-attack: it aims at the ear, on this machine only"},
	"anon/cage/attack_power_linux.go":   {[]string{"golang.org/x/sys/unix.RawSyscall", "golang.org/x/sys/unix.RawSyscall6"}, "the self-attack: forks a child that does nothing but end"},
	"anon/cage/attack_code_linux.go":    {[]string{"os/exec.*"}, "the self-attack: tries to run harmless programs"},
	"anon/cage/attack_file_linux.go":    {[]string{"golang.org/x/sys/unix.Syscall"}, "the self-attack: asks a terminal for nothing"},
}

// forbidden are the calls that reach beyond the process, by package path.
// A name that ends in "*" stands for all that begin so.
var forbidden = map[string][]string{
	"net":                        {"Dial*", "Listen", "ListenIP", "ListenTCP", "ListenUDP", "ListenUnix*", "ListenPacket", "ListenMulticast*", "Lookup*", "Resolve*", "DefaultResolver", "Dialer", "ListenConfig", "Resolver", "FileConn", "FileListener", "FilePacketConn", "Interfaces", "InterfaceAddrs", "InterfaceBy*"},
	"net/http":                   {"Default*", "Get", "Head", "Post*", "Client", "Transport", "Server", "ListenAndServe*", "Serve*", "ProxyFromEnvironment"},
	"crypto/tls":                 {"Dial*", "Listen*", "Dialer"},
	"os/exec":                    {"*"},
	"os":                         {"StartProcess"},
	"syscall":                    {"Socket", "Connect", "Bind", "Listen", "Sendto", "Exec", "ForkExec", "StartProcess", "RawSyscall*", "Syscall*"},
	"golang.org/x/sys/unix":      {"Socket", "Socketpair", "Connect", "Bind", "Listen", "Sendto", "Exec", "Syscall*", "RawSyscall*"},
	"golang.org/x/net/proxy":     {"*"},
	"golang.org/x/net/websocket": {"*"},
}

func matches(name string, patterns []string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok && strings.HasPrefix(name, prefix) || name == p {
			return true
		}
	}
	return false
}

// uses returns the forbidden names a file mentions, as "net.Dial".
func uses(file *ast.File) []string {
	local := map[string]string{}
	var found []string
	for _, imp := range file.Imports {
		path := strings.Trim(imp.Path.Value, `"`)
		if forbidden[path] == nil {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		if name == "." {
			found = append(found, "dot import of "+path)
		}
		local[name] = path
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && local[id.Name] != "" && matches(sel.Sel.Name, forbidden[local[id.Name]]) {
			found = append(found, local[id.Name]+"."+sel.Sel.Name)
		}
		return true
	})
	return found
}

func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	files := map[string]*ast.File{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (rel == "testnet" || rel == "out" || rel == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, raw, parser.SkipObjectResolution)
		files[filepath.ToSlash(rel)] = file
		return err
	})
	require.NoError(t, err)
	return files
}

func TestOnlyListedFilesReachOut(t *testing.T) {
	files := sources(t)
	require.Greater(t, len(files), 20)
	for name, file := range files {
		for _, call := range uses(file) {
			require.True(t, matches(call, openers[name].calls),
				"%s uses %s: route it through a transport, or list the file with its reason", name, call)
		}
	}
	for name, o := range openers {
		require.NotNil(t, files[name], "%s is listed and gone", name)
		require.NotEmpty(t, uses(files[name]), "%s is listed and reaches nowhere", name)
		require.NotEmpty(t, o.why, name)
	}
}

func TestFakesAreNotShipped(t *testing.T) {
	for _, p := range packages(t, "-deps", module+"cmd/sotto") {
		require.NotContains(t, []string{module + "transport/i2p/samtest", module + "transport/transporttest", module + "client/api/rpc/rpctest", module + "client/website/websitetest"}, p.ImportPath)
	}
}

func TestForbiddenCallsAreSeen(t *testing.T) {
	for _, body := range []string{
		`import "net"; var f = net.Dial`,
		`import n "net"; var d n.Dialer`,
		`import "net/http"; var c = http.DefaultClient`,
		`import "os/exec"; var c = exec.Command("x")`,
		`import . "net"`,
		`import "golang.org/x/sys/unix"; var s, _ = unix.Socket(0, 0, 0)`,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; "+body, 0)
		require.NoError(t, err)
		require.NotEmpty(t, uses(file), body)
	}
}
