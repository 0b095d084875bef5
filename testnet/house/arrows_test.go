package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// arrow says what the packages of one room may import of ours and of others.
// The first arrow whose room matches a package decides.
type arrow struct {
	room   string   // import path without the module; "/..." for all below
	ours   []string // rooms it may import
	theirs []string // modules or packages it may import beside the standard library
	why    string
}

var arrows = []arrow{
	{"anon", nil, nil, "the vocabulary must be importable from everywhere"},
	{"anon/vault", []string{"anon", "anon/folder"}, []string{"golang.org/x/crypto"}, "seals, knows nobody"},
	{"anon/keyring", []string{"anon"}, []string{"golang.org/x/sys"}, "keeps a secret, knows nobody"},
	{"anon/grant", []string{"anon/folder", "anon/vault"}, nil, "judges paths and remembers them, opens nothing to anybody"},
	{"anon/admin", []string{"anon", "anon/grant"}, []string{"golang.org/x/sys"}, "carries requests, decides about none"},
	{"anon/...", []string{"anon", "anon/...", "transport"}, []string{"golang.org/x/sys"}, "policy around the seam, below every client"},
	{"transport", []string{"anon"}, nil, "the seam knows no network"},
	{"transport/transporttest", []string{"anon", "transport"}, []string{"golang.org/x/net/nettest", "github.com/stretchr/testify", "go.uber.org/goleak"}, "judges transports from outside"},
	{"transport/i2p/samtest", []string{"transport/i2p/sam"}, nil, "a fake router, for tests"},
	{"transport/i2p/...", []string{"anon", "transport", "transport/i2p/..."}, []string{"golang.org/x/sys"}, "a concrete transport knows no other"},
	{"transport/tor/...", []string{"anon", "transport", "transport/tor/..."}, []string{"github.com/cretz/bine/control", "github.com/cretz/bine/torutil", "golang.org/x/sys"}, "a concrete transport knows no other"},
	{"transport/memory", []string{"anon", "transport"}, nil, "a network without sockets needs nothing"},
	{"client/engine/wire/mse", []string{"anon", "anon/profile", "client/engine/wire"}, nil, "encrypts streams, moves nothing"},
	{"client/engine/wire", []string{"anon", "client/bencode", "client/engine/merkle"}, nil, "reads and writes bytes, decides nothing"},
	{"client/engine/merkle", []string{"anon"}, nil, "hashes, decides nothing"},
	{"client/engine/choke", []string{"anon"}, nil, "a plain value"},
	{"client/engine/pick", nil, nil, "a plain value"},
	{"client/engine/pace", nil, nil, "a plain value"},
	{"client/website/websitetest", []string{"transport"}, nil, "a web server at an endpoint it was given, for tests"},
	{"client/website", []string{"anon", "transport"}, nil, "dials through an endpoint it was given, sends nothing"},
	{"client/engine/webseed", []string{"anon", "anon/profile", "transport", "client/website"}, nil, "asks web servers through an endpoint it was given, decides and verifies nothing"},
	{"client/engine/disk", nil, []string{"golang.org/x/sys"}, "keeps bytes in files, knows nobody"},
	{"client/engine", []string{"anon", "anon/profile", "transport", "client/bencode", "client/metainfo", "client/website", "client/engine/..."}, []string{"golang.org/x/time/rate", "golang.org/x/sys"}, "owns one torrent; streams and addresses are given to it"},
	{"client/metainfo", []string{"anon", "client/bencode", "client/engine/merkle"}, []string{"golang.org/x/text/unicode/norm"}, "reads foreign files, must not reach a network"},
	{"client/bencode", nil, nil, "a decoder needs nothing"},
	{"client/config", nil, []string{"github.com/pelletier/go-toml/v2"}, "reads a file, knows nobody"},
	{"client/api/rpc/rpctest", []string{"anon", "client/api/rpc", "client/metainfo"}, []string{"github.com/stretchr/testify"}, "judges libraries, and is one, for tests"},
	{"client/api/rpc", []string{"anon", "client/metainfo"}, nil, "answers bytes with bytes, over a library it is given"},
	{"client/api/caller", []string{"anon", "client/api/rpc", "client/metainfo"}, nil, "asks the daemon, over the one socket it is given"},
	{"client/api", []string{"client/api/rpc"}, []string{"golang.org/x/time/rate"}, "decides who may call, on listeners it is given"},
	{"client/store", []string{"anon", "anon/folder", "anon/vault", "client/journal"}, []string{"go.etcd.io/bbolt", "golang.org/x/sys"}, "remembers, decides nothing"},
	{"client/journal", []string{"anon/folder"}, nil, "writes files, knows nobody"},
	{"client/tracker", []string{"anon", "anon/profile", "transport", "client/bencode", "client/website"}, []string{"github.com/anacrolix/torrent/bencode"}, "talks through an endpoint it was given"},
	{"client/tracker/server", []string{"anon", "transport", "client/bencode"}, []string{"github.com/anacrolix/torrent/bencode", "golang.org/x/time/rate"}, "answers on an endpoint it was given"},
	{"client/health", nil, nil, "a table and a plain value"},
	{"client/porter", []string{"anon", "anon/profile", "transport", "client/engine/wire", "client/engine/wire/mse"}, nil, "sorts streams of an endpoint it was given"},
	{"client/swarm", []string{"anon", "transport", "client/discover", "client/engine", "client/metainfo", "client/tracker", "client/website"}, nil, "one torrent on one endpoint it was given"},
	{"client/library", []string{"anon", "anon/profile", "transport", "client/api/rpc", "client/discover", "client/engine", "client/engine/...", "client/health", "client/metainfo", "client/porter", "client/store", "client/swarm", "client/tracker", "client/tracker/server"}, []string{"golang.org/x/sys"}, "keeps torrents, names no concrete transport"},
	{"client/discover", []string{"anon", "client/tracker"}, nil, "decides when to ask, not how"},
	{"client", []string{"anon", "anon/profile", "transport", "client/..."}, nil, "composes its rooms, names no concrete transport"},
	{"testnet/...", []string{"..."}, []string{"..."}, "the lab may use everything"},
	{"cmd/...", []string{"..."}, []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/vbauerster/mpb/v8", "github.com/adrg/xdg", "golang.org/x/sys", "rsc.io/qr"}, "wires the parts"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Module     *struct{ Path string }
	Standard   bool
}

func packages(t *testing.T, args ...string) []goPackage {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Module,Standard"}, args...)...).Output()
	require.NoError(t, err)
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		all = append(all, p)
	}
}

const module = "sotto/"

func inRoom(pkg, room string) bool {
	if below, ok := strings.CutSuffix(room, "..."); ok {
		return strings.HasPrefix(pkg+"/", below)
	}
	return pkg == room
}

func allowed(pkg string, rooms []string) bool {
	for _, r := range rooms {
		if inRoom(pkg, r) {
			return true
		}
	}
	return false
}

func allowedLibrary(pkg string, list []string) bool {
	for _, l := range list {
		if l == "..." || pkg == l || strings.HasPrefix(pkg, strings.TrimSuffix(l, "/")+"/") {
			return true
		}
	}
	return false
}

// violations returns one line per forbidden import of p.
func violations(p goPackage) []string {
	name := strings.TrimPrefix(p.ImportPath, module)
	for _, a := range arrows {
		if !inRoom(name, a.room) {
			continue
		}
		var bad []string
		for _, imp := range p.Imports {
			ours, isOurs := strings.CutPrefix(imp, module)
			switch {
			case isOurs && allowed(ours, a.ours):
			case !isOurs && (!strings.Contains(strings.Split(imp, "/")[0], ".") || allowedLibrary(imp, a.theirs)):
			default:
				bad = append(bad, name+" must not import "+imp+": "+a.why)
			}
		}
		return bad
	}
	return []string{name + " has no arrow: add one to the table, with its reason"}
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t, module+"...") {
		require.Empty(t, violations(p))
	}
}

// A table that lets everything pass would pass as well.
func TestArrowsCatch(t *testing.T) {
	for _, tc := range []struct{ pkg, imports string }{
		{"anon", "golang.org/x/sys/unix"},
		{"anon/guard", "sotto/client"},
		{"transport", "sotto/transport/tor"},
		{"transport/tor", "sotto/transport/i2p"},
		{"client", "sotto/transport/tor"},
		{"client", "github.com/anacrolix/torrent"},
		{"client/metainfo", "github.com/anacrolix/torrent"},
		{"client/tracker", "sotto/client/engine"},
		{"newroom", "fmt"},
	} {
		require.NotEmpty(t, violations(goPackage{ImportPath: module + tc.pkg, Imports: []string{tc.imports}}), "%v", tc)
	}
}
