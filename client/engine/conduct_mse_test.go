package engine

import (
	"crypto/rc4"
	"crypto/sha1"
	"io"
	"math/big"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
)

// The prime of the key exchange, and keys that give the secret away.
var (
	prime, _ = new(big.Int).SetString("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563", 16)
	badKeys  = []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(prime, big.NewInt(1)), prime}
)

func publicKey(n *big.Int) []byte { return n.FillBytes(make([]byte, 96)) }

// keys dials with keys that would make the secret a known one.
func keys(g *siege) {
	for _, k := range badKeys {
		p := dialRaw(g.t, g.foe, g.us.Addr())
		_, err := p.Write(publicKey(k))
		require.NoError(g.t, err)
		p.hungUp()
	}
}

// exchange makes a dialer's part by hand, up to and with the marks that show
// knowledge of the torrent, and returns the dialer's cipher.
func (g *siege) exchange() (rawPeer, []byte, *rc4.Cipher) {
	p := dialRaw(g.t, g.foe, g.us.Addr())
	private := big.NewInt(0x5077_0027)
	_, err := p.Write(publicKey(new(big.Int).Exp(big.NewInt(2), private, prime)))
	require.NoError(g.t, err)
	theirs := make([]byte, 96)
	_, err = io.ReadFull(p, theirs)
	require.NoError(g.t, err)
	secret := publicKey(new(big.Int).Exp(new(big.Int).SetBytes(theirs), private, prime))
	mark := func(name string, parts ...[]byte) []byte {
		h := sha1.New()
		io.WriteString(h, name)
		for _, b := range parts {
			h.Write(b)
		}
		return h.Sum(nil)
	}
	first, torrent, masks := mark("req1", secret), mark("req2", g.sample.hash[:]), mark("req3", secret)
	for i := range torrent {
		torrent[i] ^= masks[i]
	}
	c, err := rc4.NewCipher(mark("keyA", secret, g.sample.hash[:]))
	require.NoError(g.t, err)
	c.XORKeyStream(make([]byte, 1024), make([]byte, 1024))
	return p, append(first, torrent...), c
}

// obscure says something wrong behind a good exchange, or instead of the
// marks.
func obscure(methods, instead []byte) func(*siege) {
	return func(g *siege) {
		p, marks, c := g.exchange()
		words := make([]byte, len(methods))
		c.XORKeyStream(words, methods)
		if instead != nil {
			marks = instead
		}
		_, err := p.Write(append(marks, words...))
		require.NoError(g.t, err)
		p.hungUp()
	}
}

// sayNothingAtOnce announces no first words, which is allowed, and greets once
// the exchange is over: it is let in.
func sayNothingAtOnce(g *siege) {
	p, marks, c := g.exchange()
	words := make([]byte, 16)
	words[11] = 2
	c.XORKeyStream(words, words)
	_, err := p.Write(append(marks, words...))
	require.NoError(g.t, err)
	hello := wire.AppendHandshake(nil, wire.Handshake{InfoHash: g.sample.hash, PeerID: [20]byte{27}})
	c.XORKeyStream(hello, hello)
	before := g.get.Stats().Peers
	_, err = p.Write(hello)
	require.NoError(g.t, err)
	require.Eventually(g.t, func() bool { return g.get.Stats().Peers == before+1 }, patience, poll)
}

// badAcceptors take our encrypted dials and answer with no key, or with
// rubbish without end behind one.
func badAcceptors(g *siege) {
	for i, k := range append(badKeys, big.NewInt(4)) {
		e := open(g.t, g.network)
		g.get.AddPeers([]anon.Addr{e.Addr()})
		p := acceptRaw(g.t, e)
		_, err := p.Write(publicKey(k))
		require.NoError(g.t, err)
		if i == len(badKeys) {
			_, _ = p.Write(make([]byte, 4096))
		}
		p.hungUp()
	}
}
