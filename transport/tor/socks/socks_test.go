package socks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"

// answers runs Connect against a proxy that reads the whole greeting and
// request of a client and sends the given replies to its three messages.
func answers(t *testing.T, replies ...[]byte) (net.Conn, error) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	go func() {
		sizes := []int{3, 1 + 1 + 4 + 1 + 6, 5 + len(onion) + 2}
		for i, reply := range replies {
			if _, err := io.ReadFull(far, make([]byte, sizes[i])); err != nil {
				return
			}
			far.Write(reply)
		}
	}()
	return near, Connect(t.Context(), near, Auth{"user", "secret"}, onion, 6881)
}

var (
	greeted  = []byte{5, 2}
	accepted = []byte{1, 0}
)

func TestEveryReplyCode(t *testing.T) {
	kinds := []error{anon.ErrUnreachable, anon.ErrLeak, anon.ErrPermission, anon.ErrProtocol}
	want := map[byte]error{
		0x01: anon.ErrUnreachable, 0x02: anon.ErrLeak, 0x03: anon.ErrUnreachable, 0x04: anon.ErrUnreachable,
		0x05: anon.ErrUnreachable, 0x06: anon.ErrUnreachable, 0x07: anon.ErrProtocol, 0x08: anon.ErrProtocol,
		0xF0: anon.ErrUnreachable, 0xF1: anon.ErrUnreachable, 0xF2: anon.ErrUnreachable, 0xF3: anon.ErrUnreachable,
		0xF4: anon.ErrPermission, 0xF5: anon.ErrPermission, 0xF6: anon.ErrUnreachable, 0xF7: anon.ErrUnreachable,
	}
	for code := 1; code < 256; code++ {
		for _, form := range []byte{1, 4} {
			_, err := answers(t, greeted, accepted, []byte{5, byte(code), 0, form})
			var refused *Error
			require.ErrorAs(t, err, &refused, "%#x", code)
			require.Equal(t, byte(code), refused.Code)
			kind, known := want[byte(code)]
			if !known {
				kind = anon.ErrProtocol
			}
			for _, k := range kinds {
				require.Equal(t, k == kind, errors.Is(err, k), "%#x is %v", code, k)
			}
			var bad *anon.AddrError
			require.Equal(t, code == 0xF1 || code == 0xF6, errors.As(err, &bad), "%#x", code)
		}
	}
}

func TestNoByteOfTheStreamIsLost(t *testing.T) {
	for name, reply := range map[string][]byte{
		"IPv4": append([]byte{5, 0, 0, 1}, make([]byte, 6)...),
		"IPv6": append([]byte{5, 0, 0, 4}, make([]byte, 18)...),
		"name": append([]byte{5, 0, 0, 3, 5}, "abcde\x00\x00"...),
	} {
		t.Run(name, func(t *testing.T) {
			hello := []byte("\x13BitTorrent protocol")
			conn, err := answers(t, greeted, accepted, append(reply, hello...))
			require.NoError(t, err)
			got := make([]byte, len(hello))
			_, err = io.ReadFull(conn, got)
			require.NoError(t, err)
			require.Equal(t, hello, got)
		})
	}
}

func TestWhatIsNotOurProxy(t *testing.T) {
	for name, replies := range map[string][][]byte{
		"HTTP":                 {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n")},
		"SOCKS4":               {{0, 0x5B}},
		"no isolation":         {{5, 0}},
		"no method":            {{5, 0xFF}},
		"wrong password":       {greeted, {1, 1}},
		"HTTP later":           {greeted, accepted, []byte("HTTP/1.1 200 OK\r\n")},
		"unknown address form": {greeted, accepted, {5, 0, 0, 9, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answers(t, replies...)
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.NotContains(t, err.Error(), "Bad Request")
		})
	}
}

func TestAProxyThatDies(t *testing.T) {
	full := append([]byte{5, 0, 0, 4}, make([]byte, 18)...)
	for cut := range full {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			io.ReadFull(far, make([]byte, 3))
			far.Write(greeted)
			io.ReadFull(far, make([]byte, 13))
			far.Write(accepted)
			io.ReadFull(far, make([]byte, 7+len(onion)))
			far.Write(full[:cut])
		}()
		err := Connect(t.Context(), near, Auth{"user", "secret"}, onion, 6881)
		require.ErrorIs(t, err, anon.ErrUnavailable, "cut at %d", cut)
		near.Close()
	}
}

func TestASlowProxyIsGivenUp(t *testing.T) {
	slow := map[string]func(far net.Conn){
		"says nothing": func(net.Conn) {},
		"greets, then nothing": func(far net.Conn) {
			far.Write(greeted)
		},
		"a byte a second": func(far net.Conn) {
			for {
				time.Sleep(time.Second)
				if _, err := far.Write([]byte{5}); err != nil {
					return
				}
			}
		},
		"a reply that takes a second a byte": func(far net.Conn) {
			far.Write(greeted)
			far.Write(accepted)
			for _, b := range append([]byte{5, 0, 0, 4}, make([]byte, 18)...) {
				time.Sleep(time.Second)
				if _, err := far.Write([]byte{b}); err != nil {
					return
				}
			}
		},
	}
	for name, proxy := range slow {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				var wg sync.WaitGroup
				defer wg.Wait()
				wg.Go(func() { io.Copy(io.Discard, far) })
				wg.Go(func() { proxy(far) })
				err := Connect(t.Context(), near, Auth{"user", "secret"}, onion, 6881)
				require.Error(t, err)
				require.True(t, errors.Is(err, anon.ErrUnavailable) || errors.Is(err, anon.ErrProtocol), "%v", err)
				near.Close()
				far.Close()
			})
		})
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go io.Copy(io.Discard, far)
		go func() {
			far.Write(greeted)
			far.Write(accepted)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 42*time.Second)
		defer cancel()
		began := time.Now()
		err := Connect(ctx, near, Auth{"user", "secret"}, onion, 6881)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 42*time.Second, time.Since(began))
	})
}

func TestRequestsThatDoNotFit(t *testing.T) {
	long := string(make([]byte, 256))
	for i, c := range []struct {
		auth Auth
		host string
	}{
		{Auth{"", "p"}, onion}, {Auth{"u", ""}, onion}, {Auth{"u", "p"}, ""},
		{Auth{long, "p"}, onion}, {Auth{"u", long}, onion}, {Auth{"u", "p"}, long},
	} {
		near, far := net.Pipe()
		far.Close()
		require.ErrorIs(t, Connect(t.Context(), near, c.auth, c.host, 1), anon.ErrProtocol, i)
		near.Close()
	}
}

func TestTheRequestOnTheWire(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	want := [][]byte{
		{5, 1, 2},
		[]byte("\x01\x04user\x06secret"),
		[]byte("\x05\x01\x00\x03\x3e" + onion + "\x1a\xe1"),
	}
	result := make(chan error, 1)
	go func() {
		for i, reply := range [][]byte{greeted, accepted, append([]byte{5, 0, 0, 1}, make([]byte, 6)...)} {
			got := make([]byte, len(want[i]))
			if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want[i]) {
				result <- fmt.Errorf("message %d: %q %w", i, got, err)
				far.Close()
				return
			}
			far.Write(reply)
		}
		result <- nil
	}()
	err := Connect(t.Context(), near, Auth{"user", "secret"}, onion, 6881)
	require.NoError(t, <-result)
	require.NoError(t, err)
}

// FuzzReply: any reply ends in an error or in a stream that starts right
// after it.
func FuzzReply(f *testing.F) {
	f.Add([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'})
	f.Add(append([]byte{5, 0, 0, 4}, make([]byte, 19)...))
	f.Add([]byte{5, 0, 0, 3, 1, 'a', 0, 0, 'x'})
	f.Add([]byte{5, 0xF0, 0, 4})
	f.Add([]byte("HTTP/1.1 400"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		r := bytes.NewReader(b[1:])
		if err := readReply(b[0], r); err != nil {
			return
		}
		used := len(b) - r.Len()
		want := map[byte]int{1: 10, 4: 22, 3: 7}[b[3]]
		if b[3] == 3 {
			want += int(b[4])
		}
		require.Equal(t, want, used)
		require.Equal(t, []byte{5, 0}, b[:2])
	})
}
