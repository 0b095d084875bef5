package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/wire"
)

// These bytes are what strangers see. A change must be meant.
func TestGoldenOpenings(t *testing.T) {
	registry := map[anon.Network]wire.Registry{
		anon.I2P: mustRegister(wire.Metadata, wire.Extension{Name: "i2p_pex", Max: 4096}, wire.Extension{Name: "i2p_dht", Max: 256}),
		anon.Tor: mustRegister(wire.Metadata), anon.Memory: mustRegister(wire.Metadata),
	}
	for on, want := range map[anon.Network][2]string{
		anon.I2P: {
			"d1:md7:i2p_dhti3e7:i2p_pexi2e11:ut_metadatai1ee1:pi6881e4:reqqi250ee",
			"d1:md7:i2p_dhti3e7:i2p_pexi2e11:ut_metadatai1ee13:metadata_sizei31235e1:pi6881e4:reqqi250e11:upload_onlyi1ee",
		},
		anon.Tor:    {"d1:md11:ut_metadatai1ee1:pi6881e4:reqqi250ee", "d1:md11:ut_metadatai1ee13:metadata_sizei31235e1:pi6881e4:reqqi250e11:upload_onlyi1ee"},
		anon.Memory: {"d1:md11:ut_metadatai1ee4:reqqi250ee", "d1:md11:ut_metadatai1ee13:metadata_sizei31235e4:reqqi250e11:upload_onlyi1ee"},
	} {
		t.Run(on.String(), func(t *testing.T) {
			look, err := profile.For(on)
			require.NoError(t, err)
			h := wire.Handshake{Features: wire.Extensions | wire.Fast, InfoHash: someHash, PeerID: look.NewPeerID()}
			about := wire.About{Registry: registry[on], Port: look.Port, Queue: look.Queue}
			magnet := wire.Opening{Handshake: &h, Agreed: h.Features, About: about}.Append(nil)
			about.MetadataSize, about.UploadOnly = 31235, true
			all := wire.NewBitfield(3)
			all.Fill(3)
			seed := wire.Opening{Handshake: &h, Agreed: h.Features, About: about, Have: all, Pieces: 3}.Append(nil)
			hello := "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04" + string(someHash[:]) + string(h.PeerID[:])
			for i, got := range [][]byte{magnet, seed} {
				ext := fmt.Sprintf("\x00\x00\x00%c\x14\x00%s", len(want[i])+2, want[i])
				require.Equal(t, hello+ext+"\x00\x00\x00\x01"+[]string{"\x0f", "\x0e"}[i], string(got))
				for _, never := range []string{"yourip", "ipv4", "ipv6", "1:v", "complete_ago", "ut_holepunch", "ut_pex"} {
					require.NotContains(t, string(got), never)
				}
			}
		})
	}
}

func TestOpeningSaysWhatWeHave(t *testing.T) {
	some := wire.NewBitfield(10)
	some.Set(3)
	all := wire.NewBitfield(10)
	all.Fill(10)
	bits := func(f wire.Bitfield) string { return string(wire.AppendBitfield(nil, f)) }
	for _, c := range []struct {
		name   string
		agreed wire.Features
		have   wire.Bitfield
		want   string
	}{
		{"fast, torrent unknown", wire.Fast, nil, "\x00\x00\x00\x01\x0f"},
		{"fast, nothing", wire.Fast, wire.NewBitfield(10), "\x00\x00\x00\x01\x0f"},
		{"fast, some", wire.Fast, some, bits(some)},
		{"fast, all", wire.Fast, all, "\x00\x00\x00\x01\x0e"},
		{"not fast, torrent unknown", 0, nil, ""},
		{"not fast, nothing", 0, wire.NewBitfield(10), ""},
		{"not fast, some", 0, some, bits(some)},
		{"not fast, all", 0, all, bits(all)},
		{"extensions", wire.Extensions, nil, "\x00\x00\x00\x09\x14\x00d1:mdee"},
	} {
		got := wire.Opening{Agreed: c.agreed, Have: c.have, Pieces: 10}.Append(nil)
		require.Equal(t, c.want, string(got), c.name)
	}
}

func TestRegistry(t *testing.T) {
	r := metadataOnly
	require.EqualValues(t, 1, r.ID("ut_metadata"))
	require.EqualValues(t, 2, r.ID("i2p_pex"))
	require.Zero(t, r.ID("other"))
	require.Equal(t, "i2p_pex", r.Name(2))
	require.Empty(t, r.Name(0))
	require.Empty(t, r.Name(3))
	require.Empty(t, wire.Registry{}.Name(1))
	many := make([]wire.Extension, 65)
	for i := range many {
		many[i] = wire.Extension{Name: fmt.Sprint(i), Max: 1}
	}
	for name, all := range map[string][]wire.Extension{
		"twice": {wire.Metadata, wire.Metadata}, "no name": {{Name: "", Max: 1}}, "long name": {{Name: strings.Repeat("x", 65), Max: 1}},
		"no length": {{Name: "x"}}, "a megabyte and one": {{Name: "x", Max: wire.MaxExtended + 1}}, "65": many,
		"hole punching": {{Name: "ut_holepunch", Max: 1}}, "peers by IP": {{Name: "ut_pex", Max: 1}},
	} {
		_, err := wire.NewRegistry(all...)
		require.Error(t, err, name)
	}
	_, err := wire.NewRegistry(many[:64]...)
	require.NoError(t, err)
}

func TestPeerReads(t *testing.T) {
	type facts struct {
		size, queue int
		uploadOnly  bool
		metadata    uint8
	}
	for _, c := range []struct {
		name string
		in   []string
		want facts
	}{
		{"nothing", []string{"de"}, facts{queue: 250}},
		{"I2PSnark", []string{"d1:md7:i2p_dhti3e7:i2p_pexi2e11:ut_metadatai1ee13:metadata_sizei700e1:pi6881e4:reqqi8e1:v8:I2PSnarke"}, facts{700, 8, false, 1}},
		{"libtorrent seed", []string{"d12:complete_agoi1e1:md11:lt_donthavei7e11:ut_metadatai2ee13:metadata_sizei9e4:reqqi2000e11:upload_onlyi1ee"}, facts{9, 2000, true, 2}},
		{"queue too long", []string{"d4:reqqi999999999999ee"}, facts{queue: 2000}},
		{"queue of 0", []string{"d4:reqqi0ee"}, facts{queue: 1}},
		{"queue below 0", []string{"d4:reqqi-5ee"}, facts{queue: 1}},
		{"size below 0", []string{"d13:metadata_sizei-5ee"}, facts{queue: 250}},
		{"wrong kinds", []string{"d1:mi1e13:metadata_size1:x4:reqqle11:upload_only1:1e"}, facts{queue: 250}},
		{"number over 255", []string{"d1:md11:ut_metadatai256eee"}, facts{queue: 250}},
		{"number below 0", []string{"d1:md11:ut_metadatai-1eee"}, facts{queue: 250}},
		{"number that is text", []string{"d1:md11:ut_metadata1:1ee"}, facts{queue: 250}},
		{"later handshake changes what it names", []string{"d1:md11:ut_metadatai1ee13:metadata_sizei700e4:reqqi8ee", "d1:md7:i2p_pexi2ee11:upload_onlyi1ee"}, facts{700, 8, true, 1}},
		{"second size does not count", []string{"d13:metadata_sizei700ee", "d13:metadata_sizei800ee"}, facts{size: 700, queue: 250}},
		{"extension withdrawn", []string{"d1:md11:ut_metadatai1eee", "d1:md11:ut_metadatai0eee"}, facts{queue: 250}},
		{"extension renumbered", []string{"d1:md11:ut_metadatai1eee", "d1:md11:ut_metadatai9eee"}, facts{queue: 250, metadata: 9}},
		{"upload only withdrawn", []string{"d11:upload_onlyi1ee", "d11:upload_onlyi0ee"}, facts{queue: 250}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p wire.Peer
			for _, in := range c.in {
				require.NoError(t, p.Read([]byte(in)))
			}
			require.Equal(t, c.want, facts{p.MetadataSize, p.Queue, p.UploadOnly, p.ID("ut_metadata")})
		})
	}
}

func TestPeerRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"empty": "", "list": "le", "cut": "d1:m", "trailing": "dex", "unsorted": "d1:pi1e1:mdee", "too deep": "d1:m" + strings.Repeat("l", 1000),
		"metadata of 16 MiB and one": "d13:metadata_sizei16777217ee", "too long": "d1:v20000:" + strings.Repeat("x", 20000) + "e",
	} {
		t.Run(name, func(t *testing.T) {
			p := wire.Peer{MetadataSize: 5, Queue: 6}
			err := p.Read([]byte(in))
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.Equal(t, wire.Peer{MetadataSize: 5, Queue: 6}, p)
			require.Less(t, len(err.Error()), 120)
		})
	}
}

// Handshake after handshake, a peer cannot make us keep more than 64 names.
func TestPeerNamesAreBounded(t *testing.T) {
	var p wire.Peer
	kept := func() (n int) {
		for i := range 1000 {
			if p.ID(fmt.Sprintf("%03d", i)) != 0 {
				n++
			}
		}
		return n
	}
	for from := 0; from < 1000; from += 100 {
		in := []byte("d1:md")
		for i := from; i < from+100; i++ {
			in = fmt.Appendf(in, "3:%03di7e", i)
		}
		require.NoError(t, p.Read(append(in, "ee"...)))
		require.Equal(t, 64, kept())
	}
	long := strings.Repeat("x", 65)
	require.NoError(t, p.Read(fmt.Appendf(nil, "d1:md3:000i0e65:%si1eee", long)))
	require.Zero(t, p.ID(long))
	require.Equal(t, 63, kept())
}

func TestAboutIsRead(t *testing.T) {
	a := wire.About{Registry: metadataOnly, MetadataSize: 100, Port: 6881, Queue: 77, UploadOnly: true}
	var p wire.Peer
	require.NoError(t, p.Read(a.Append(nil)))
	require.Equal(t, 100, p.MetadataSize)
	require.Equal(t, 77, p.Queue)
	require.True(t, p.UploadOnly)
	require.EqualValues(t, 2, p.ID("i2p_pex"))
}

func FuzzExtendedHandshake(f *testing.F) {
	f.Add([]byte("d1:md11:ut_metadatai1ee13:metadata_sizei700e4:reqqi8ee"), []byte("d1:md11:ut_metadatai0eee"))
	f.Add([]byte("d11:upload_onlyi1ee"), []byte("de"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var p wire.Peer
		for _, in := range [][]byte{first, second} {
			was := p
			if p.Read(in) != nil {
				require.Equal(t, was, p)
				continue
			}
			require.True(t, p.Queue >= 1 && p.Queue <= wire.MaxQueue)
			require.True(t, p.MetadataSize >= 0 && p.MetadataSize <= wire.MaxMetadata)
			require.LessOrEqual(t, len(in), 16<<10)
			require.Zero(t, p.ID(""))
			require.True(t, was.MetadataSize == 0 || was.MetadataSize == p.MetadataSize)
		}
	})
}
