package engine

import (
	"net"
	"net/http"
	"reflect"
	"testing"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/mse"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/transport/memory"
)

// fields lists the configuration's fields as the library groups them: embedded
// structs are opened, others are one value.
func fields(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, fields(f.Type)...)
		} else {
			names = append(names, f.Name)
		}
	}
	return names
}

func TestEveryLibraryFieldIsLocked(t *testing.T) {
	var locked []string
	for _, l := range locks(Options{}.withDefaults(), nil, newHooks()) {
		require.NotEmpty(t, l.why, l.field)
		locked = append(locked, l.field)
	}
	require.ElementsMatch(t, fields(reflect.TypeFor[torrent.ClientConfig]()), locked)
}

func (o Options) withDefaults() Options {
	o.MaxPeers, o.MaxDials = DefaultMaxPeers, DefaultMaxDials
	o.Log = quietLog()
	return o
}

// The library changes its configuration when a client is made; every value of
// ours must still stand then.
func TestLocksStandAfterTheClientIsMade(t *testing.T) {
	o := Options{}.withDefaults()
	all := locks(o, nil, newHooks())
	c, err := configure(all)
	require.NoError(t, err)
	cl, err := torrent.NewClient(c)
	require.NoError(t, err)
	defer cl.Close()
	require.Empty(t, cl.ListenAddrs())
	require.Empty(t, cl.DhtServers())
	v := reflect.ValueOf(c).Elem()
	for _, l := range all {
		got := v.FieldByName(l.field)
		switch {
		case l.value == nil:
			require.True(t, got.IsZero(), l.field)
		case got.Kind() == reflect.Func:
			require.Equal(t, reflect.ValueOf(l.value).Pointer(), got.Pointer(), l.field)
		case l.field == "Callbacks": // functions inside
			require.NotNil(t, c.Callbacks.PeerConnAdded)
		default:
			require.Equal(t, l.value, got.Interface(), l.field)
		}
	}
}

func TestUnknownFieldIsAnError(t *testing.T) {
	_, err := configure([]lock{{"NoSuchField", true, "test"}})
	require.Error(t, err)
}

func TestDenials(t *testing.T) {
	c, err := configure(locks(Options{}.withDefaults(), nil, newHooks()))
	require.NoError(t, err)
	ctx := t.Context()
	for name, deny := range map[string]func() error{
		"http dial":    func() error { _, err := c.HTTPDialContext(ctx, "tcp", "192.0.2.1:80"); return err },
		"tracker dial": func() error { _, err := c.TrackerDialContext(ctx, "tcp", "192.0.2.1:80"); return err },
		"tracker udp":  func() error { _, err := c.TrackerListenPacket("udp", ":0"); return err },
		"utp":          func() error { _, err := c.ListenPacket("udp", ":0"); return err },
		"webseed":      func() error { _, err := (&http.Client{Transport: c.WebTransport}).Get("http://192.0.2.1/"); return err },
		"source":       func() error { _, err := c.MetainfoSourcesClient.Get("http://192.0.2.1/"); return err },
	} {
		require.ErrorIs(t, deny(), errDenied, name)
	}
	for ip, blocked := range map[string]bool{
		"192.0.2.1": true, "127.0.0.1": true, "::1": true, "2001:db8::1": true,
		"100:0:0:1::1": true, "100::1": false, "100::ffff:1:2:3": false,
	} {
		_, got := c.IPBlocklist.Lookup(net.ParseIP(ip))
		require.Equal(t, blocked, got, ip)
	}
	_, blocked := c.IPBlocklist.Lookup(nil)
	require.True(t, blocked)
}

func TestEncryption(t *testing.T) {
	const plain, rc4 = mse.CryptoMethodPlaintext, mse.CryptoMethodRC4
	for _, c := range []struct {
		enc      profile.Encryption
		policy   torrent.HeaderObfuscationPolicy
		provides mse.CryptoMethod
		ofPlain  mse.CryptoMethod // chosen when only plaintext is offered
	}{
		{profile.Required, torrent.HeaderObfuscationPolicy{Preferred: true, RequirePreferred: true}, rc4, 0},
		{profile.Preferred, torrent.HeaderObfuscationPolicy{Preferred: true}, rc4 | plain, plain},
		{profile.Accept, torrent.HeaderObfuscationPolicy{}, rc4 | plain, plain},
	} {
		got := encryption(c.enc)
		require.Equal(t, c.policy, got.policy)
		require.Equal(t, c.provides, got.provides)
		require.Equal(t, c.ofPlain, got.selects(plain))
		require.Equal(t, rc4, got.selects(plain|rc4))
		require.Equal(t, rc4, got.selects(rc4))
	}
}

// An endpoint that cannot be dialled has no address, but a network.
func TestDialOnlyEndpoint(t *testing.T) {
	s := newSample(t, 16<<10, 100)
	n := memory.New(memory.Options{})
	us, seedEnd := open(t, n), open(t, n)
	s.seeder(t, seedEnd)
	o := s.options(t, us, t.TempDir())
	o.Endpoint = onNetwork{us, anon.Unknown(anon.Memory)}
	get := start(t, o)
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	within(t, get.Done(), get)
}

func TestOpenRefuses(t *testing.T) {
	s := newSample(t, 32<<10, 100)
	e := open(t, memory.New(memory.Options{}))
	for name, spoil := range map[string]func(*Options){
		"no endpoint":     func(o *Options) { o.Endpoint = nil },
		"another network": func(o *Options) { o.Look, _ = profile.For(1) },
		"no look":         func(o *Options) { o.Look = profile.Look{} },
		"no hash":         func(o *Options) { o.InfoHash = [20]byte{} },
		"wrong hash":      func(o *Options) { o.InfoHash[0]++ },
		"no folder":       func(o *Options) { o.Dir = "" },
		"huge info":       func(o *Options) { o.Info = make([]byte, MaxInfo+1) },
	} {
		o := s.options(t, e, t.TempDir())
		spoil(&o)
		_, err := Open(t.Context(), o)
		require.Error(t, err, name)
	}
}
