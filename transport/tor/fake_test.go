package tor

import (
	"bufio"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/tor/router"
)

// fakeTor speaks enough of the control protocol and of SOCKS5 to carry streams
// between the onions that are added to it, and can be made to misbehave.
type fakeTor struct {
	dir     string
	version string
	phase   string
	cookie  []byte
	// answer, when not nil, may replace the reply to a command.
	answer func(cmd string) (reply string, ok bool)

	mu     sync.Mutex
	wg     sync.WaitGroup
	conns  map[net.Conn]struct{}
	lns    []net.Listener
	events map[net.Conn]struct{}
	onions map[string]string // host:port → socket
	users  []string          // user names seen by SOCKS
}

func newFake(t *testing.T) *fakeTor {
	t.Helper()
	dir, err := router.NewRunDir("")
	require.NoError(t, err)
	f := &fakeTor{dir: dir, version: minVersionText, cookie: make([]byte, 32), phase: `NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Done"`}
	rand.Read(f.cookie)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cookie"), f.cookie, 0o600))
	t.Cleanup(func() { f.stop(); os.RemoveAll(dir) })
	return f
}

func (f *fakeTor) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fakeTor) config() Config {
	return Config{Control: "unix:" + f.path("control"), Socks: "unix:" + f.path("socks")}
}

func (f *fakeTor) start(t *testing.T) *fakeTor {
	t.Helper()
	f.conns, f.events, f.onions = map[net.Conn]struct{}{}, map[net.Conn]struct{}{}, map[string]string{}
	for name, serve := range map[string]func(net.Conn){"control": f.control, "socks": f.socks} {
		ln, err := net.Listen("unix", f.path(name))
		require.NoError(t, err)
		f.lns = append(f.lns, ln)
		f.wg.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				f.track(c)
				f.wg.Go(func() { defer f.drop(c); serve(c) })
			}
		})
	}
	return f
}

func (f *fakeTor) track(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = struct{}{}
}

func (f *fakeTor) drop(c net.Conn) {
	c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	delete(f.events, c)
}

// stop is tor's sudden death; start brings it back without its onions.
func (f *fakeTor) stop() {
	for _, ln := range f.lns {
		ln.Close()
	}
	f.lns = nil
	f.mu.Lock()
	for c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *fakeTor) control(c net.Conn) {
	r := bufio.NewReader(c)
	var proof []byte
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		cmd := strings.TrimRight(line, "\r\n")
		if f.answer != nil {
			if reply, ok := f.answer(cmd); ok {
				io.WriteString(c, reply)
				continue
			}
		}
		word, rest, _ := strings.Cut(cmd, " ")
		switch word {
		case "PROTOCOLINFO":
			fmt.Fprintf(c, "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE=\"%s\"\r\n250-VERSION Tor=\"%s\"\r\n250 OK\r\n", f.path("cookie"), f.version)
		case "AUTHCHALLENGE":
			nonce, _ := hex.DecodeString(strings.TrimPrefix(rest, "SAFECOOKIE "))
			ours := make([]byte, 32)
			sum := func(key string) []byte {
				m := hmac.New(sha256.New, []byte("Tor safe cookie authentication "+key))
				m.Write(append(append(append([]byte(nil), f.cookie...), nonce...), ours...))
				return m.Sum(nil)
			}
			proof = sum("controller-to-server hash")
			fmt.Fprintf(c, "250 AUTHCHALLENGE SERVERHASH=%X SERVERNONCE=%X\r\n", sum("server-to-controller hash"), ours)
		case "AUTHENTICATE":
			if rest != hex.EncodeToString(proof) {
				io.WriteString(c, "515 Authentication failed: Authentication cookie did not match expected value.\r\n")
				return
			}
			io.WriteString(c, "250 OK\r\n")
		case "GETINFO":
			switch rest {
			case "version":
				fmt.Fprintf(c, "250-version=%s\r\n250 OK\r\n", f.version)
			case "status/bootstrap-phase":
				fmt.Fprintf(c, "250-%s=%s\r\n250 OK\r\n", rest, f.phase)
			}
		case "SETEVENTS":
			f.mu.Lock()
			f.events[c] = struct{}{}
			f.mu.Unlock()
			io.WriteString(c, "250 OK\r\n")
		case "ADD_ONION":
			f.addOnion(c, rest)
		case "DEL_ONION":
			f.mu.Lock()
			for place := range f.onions {
				if strings.Contains(place, rest) {
					delete(f.onions, place)
				}
			}
			f.mu.Unlock()
			io.WriteString(c, "250 OK\r\n")
		default:
			io.WriteString(c, "510 Unrecognized command\r\n")
		}
	}
}

// addOnion: the fake's key blob is an ed25519 seed with its public key.
func (f *fakeTor) addOnion(c net.Conn, args string) {
	key, rest, _ := strings.Cut(args, " ")
	blob, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "ED25519-V3:"))
	fresh := strings.HasPrefix(key, "NEW:")
	if fresh {
		_, blob, err = ed25519.GenerateKey(nil)
	}
	rest, private := strings.CutPrefix(rest, "Flags=V3Auth ")
	var streams int
	var port uint16
	var target string
	_, e := fmt.Sscanf(rest, "MaxStreams=%d Port=%d,unix:%s", &streams, &port, &target)
	if e != nil || err != nil || private != strings.Contains(rest, " ClientAuthV3=") {
		io.WriteString(c, "512 Bad arguments\r\n")
		return
	}
	host := anon.OnionAddr([32]byte(blob[32:]), port).Host()
	if private {
		host = "private " + host // which no dialler asks for
	}
	id := strings.TrimPrefix(strings.TrimSuffix(host, ".onion"), "private ")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onions[fmt.Sprintf("%s:%d", host, port)] = target
	fmt.Fprintf(c, "250-ServiceID=%s\r\n", id)
	if fresh {
		fmt.Fprintf(c, "250-PrivateKey=ED25519-V3:%s\r\n", base64.StdEncoding.EncodeToString(blob))
	}
	io.WriteString(c, "250 OK\r\n")
	for e := range f.events {
		fmt.Fprintf(e, "650 HS_DESC UPLOAD %s UNKNOWN $00~x desc\r\n650 HS_DESC UPLOADED %s UNKNOWN $00~x\r\n", id, id)
	}
}

func (f *fakeTor) socks(c net.Conn) {
	b := make([]byte, 512)
	read := func(n int) []byte {
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			return make([]byte, n)
		}
		return b[:n]
	}
	read(3)
	c.Write([]byte{5, 2})
	user := string(read(int(read(2)[1])))
	if user == "" {
		return // it only asked whether we speak SOCKS
	}
	read(int(read(1)[0]))
	c.Write([]byte{1, 0})
	n := int(read(5)[4])
	host := string(read(n))
	p := read(2)
	f.mu.Lock()
	f.users = append(f.users, user)
	target, ok := f.onions[fmt.Sprintf("%s:%d", host, int(p[0])<<8|int(p[1]))]
	f.mu.Unlock()
	if !ok {
		c.Write([]byte{5, 0xF0, 0, 4})
		return
	}
	far, err := net.Dial("unix", target)
	if err != nil {
		c.Write([]byte{5, 5, 0, 1})
		return
	}
	f.track(far)
	defer f.drop(far)
	c.Write(append([]byte{5, 0, 0, 4}, make([]byte, 18)...))
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(far, c); far.Close(); c.Close() }()
	io.Copy(c, far)
	far.Close()
	c.Close()
	<-done
}
