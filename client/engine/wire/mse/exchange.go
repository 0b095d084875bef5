package mse

import (
	"bufio"
	"bytes"
	"crypto/rand"
	rc4cipher "crypto/rc4"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"

	"sotto/anon/profile"
)

const (
	keySize  = 96 // of a public key, 768 bits
	maxPad   = 512
	skipped  = 1024 // first bytes of RC4 that leak its key
	vcSize   = 8    // of the verification constant, zeros
	keyBytes = 20   // of a private key
)

// modulus is the prime P that MSE/PE 1.0 fixes, in hex; the generator is 2. It is
// too short to keep anybody out today, which MSE is not for.
const modulus = "" +
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74" +
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437" +
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563"

// exchange is an exchange under way.
type exchange struct {
	c        net.Conn
	in       *bufio.Reader
	infoHash [20]byte
	others   [][20]byte // that the peer may mean as well
	prime    *big.Int
	private  *big.Int
	secret   [keySize]byte
}

func newExchange(c net.Conn, infoHash [20]byte) (*exchange, error) {
	prime, ok := new(big.Int).SetString(modulus, 16)
	if !ok {
		return nil, fmt.Errorf("encrypt stream: bad prime")
	}
	var x [keyBytes]byte
	rand.Read(x[:])
	return &exchange{
		c: c, in: bufio.NewReaderSize(c, readSize), infoHash: infoHash,
		prime: prime, private: new(big.Int).SetBytes(x[:]),
	}, nil
}

// sendKey writes our public key and padding.
func (e *exchange) sendKey() error {
	out := make([]byte, keySize, keySize+maxPad)
	new(big.Int).Exp(big.NewInt(2), e.private, e.prime).FillBytes(out)
	if _, err := e.c.Write(appendPad(out)); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// readKey reads the peer's public key and makes the secret. Keys that make a
// secret which everybody knows are refused.
func (e *exchange) readKey() error {
	var b [keySize]byte
	if _, err := io.ReadFull(e.in, b[:]); err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	theirs := new(big.Int).SetBytes(b[:])
	one := big.NewInt(1)
	if theirs.Cmp(one) <= 0 || theirs.Cmp(new(big.Int).Sub(e.prime, one)) >= 0 {
		return &Error{"peer sent a key that hides nothing"}
	}
	theirs.Exp(theirs, e.private, e.prime).FillBytes(e.secret[:])
	return nil
}

// appendPad appends 0 to maxPad random bytes.
func appendPad(b []byte) []byte {
	n := padSize()
	rand.Read(b[len(b) : len(b)+n])
	return b[:len(b)+n]
}

// padSize returns a number from 0 to maxPad, all equally likely.
func padSize() int {
	for {
		var b [2]byte
		rand.Read(b[:])
		if n := int(binary.BigEndian.Uint16(b[:]) & 1023); n <= maxPad {
			return n
		}
	}
}

func digest(name string, parts ...[]byte) (sum [sha1.Size]byte) {
	h := sha1.New()
	io.WriteString(h, name)
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}

// marks returns what the dialer sends to be found behind its padding, and to
// name the torrent to those who know it.
func (e *exchange) marks() (sync, torrent [sha1.Size]byte) {
	torrent = digest("req2", e.infoHash[:])
	for i, b := range digest("req3", e.secret[:]) {
		torrent[i] ^= b
	}
	return digest("req1", e.secret[:]), torrent
}

// means finds out which of our torrent's names the peer goes by.
func (e *exchange) means(named [sha1.Size]byte) bool {
	for _, h := range append([][20]byte{e.infoHash}, e.others...) {
		e.infoHash = h
		if _, torrent := e.marks(); torrent == named {
			return true
		}
	}
	return false
}

// cipher returns the key stream of one direction: "keyA" is the dialer's,
// "keyB" the acceptor's.
func (e *exchange) cipher(direction string) *rc4cipher.Cipher {
	key := digest(direction, e.secret[:], e.infoHash[:])
	c, _ := rc4cipher.NewCipher(key[:]) // its only error is a key's length
	var skip [skipped]byte
	c.XORKeyStream(skip[:], skip[:])
	return c
}

// find reads up to the end of mark, which stands behind at most maxPad bytes.
func (e *exchange) find(mark []byte) error {
	window := make([]byte, 0, maxPad+len(mark))
	for len(window) < cap(window) {
		b, err := e.in.ReadByte()
		if err != nil {
			return fmt.Errorf("read padding: %w", err)
		}
		if window = append(window, b); bytes.HasSuffix(window, mark) {
			return nil
		}
	}
	return &Error{"peer does not know the torrent or the protocol"}
}

// read reads and decrypts len(b) bytes.
func (e *exchange) read(b []byte, c *rc4cipher.Cipher) error {
	if _, err := io.ReadFull(e.in, b); err != nil {
		return fmt.Errorf("read methods: %w", err)
	}
	c.XORKeyStream(b, b)
	return nil
}

// readPad reads and decrypts padding of the given length.
func (e *exchange) readPad(n int, c *rc4cipher.Cipher) error {
	if n > maxPad {
		return &Error{"peer pads too much"}
	}
	return e.read(make([]byte, n), c)
}

// dial is the dialer's part.
func (e *exchange) dial(offer uint32, first []byte) (net.Conn, error) {
	if err := e.sendKey(); err != nil {
		return nil, err
	}
	if err := e.readKey(); err != nil {
		return nil, err
	}
	encrypt, decrypt := e.cipher("keyA"), e.cipher("keyB")
	sync, torrent := e.marks()
	out := append(append(make([]byte, 0, 1<<10+len(first)), sync[:]...), torrent[:]...)
	clear := len(out)
	out = appendMethods(out, offer)
	out = append(binary.BigEndian.AppendUint16(out, uint16(len(first))), first...)
	encrypt.XORKeyStream(out[clear:], out[clear:])
	if _, err := e.c.Write(out); err != nil {
		return nil, fmt.Errorf("write methods: %w", err)
	}
	var head [vcSize + 4 + 2]byte
	decrypt.XORKeyStream(head[:vcSize], head[:vcSize])
	if err := e.find(head[:vcSize]); err != nil {
		return nil, err
	}
	if err := e.read(head[vcSize:], decrypt); err != nil {
		return nil, err
	}
	if err := e.readPad(int(binary.BigEndian.Uint16(head[vcSize+4:])), decrypt); err != nil {
		return nil, err
	}
	c := &conn{Conn: e.c, in: e.in}
	switch chosen := binary.BigEndian.Uint32(head[vcSize:]); {
	case chosen&offer == 0 || chosen != rc4 && chosen != plain:
		return nil, &Error{"peer chose a method that was not offered"}
	case chosen == rc4:
		c.encrypt, c.decrypt = encrypt, decrypt
	}
	return c, nil
}

// appendMethods appends the verification constant, methods and padding.
func appendMethods(b []byte, methods uint32) []byte {
	b = append(b, make([]byte, vcSize)...)
	b = binary.BigEndian.AppendUint32(b, methods)
	n := padSize()
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	return append(b, make([]byte, n)...)
}

// accept is the acceptor's part.
func (e *exchange) accept(policy profile.Encryption) (net.Conn, error) {
	if err := e.readKey(); err != nil {
		return nil, err
	}
	if err := e.sendKey(); err != nil {
		return nil, err
	}
	sync, _ := e.marks()
	if err := e.find(sync[:]); err != nil {
		return nil, err
	}
	var named [sha1.Size]byte
	if _, err := io.ReadFull(e.in, named[:]); err != nil {
		return nil, fmt.Errorf("read torrent: %w", err)
	}
	if !e.means(named) {
		return nil, &Error{"peer wants another torrent"}
	}
	encrypt, decrypt := e.cipher("keyB"), e.cipher("keyA")
	offer, first, err := e.readOffer(decrypt)
	if err != nil {
		return nil, err
	}
	chosen := offer & rc4
	if chosen == 0 && policy != profile.Required {
		chosen = offer & plain
	}
	if chosen == 0 {
		return nil, &Error{"peer offers no method we take"}
	}
	out := appendMethods(nil, chosen)
	encrypt.XORKeyStream(out, out)
	if _, err := e.c.Write(out); err != nil {
		return nil, fmt.Errorf("write method: %w", err)
	}
	c := &conn{Conn: e.c, in: e.in, decrypt: decrypt}
	if chosen == rc4 {
		c.encrypt = encrypt
	} else {
		c.limited, c.left = true, first
	}
	return c, nil
}

// readOffer reads the dialer's methods and how many bytes it says first, which
// follow and are left for conn to read.
func (e *exchange) readOffer(decrypt *rc4cipher.Cipher) (offer uint32, first int, err error) {
	var head [vcSize + 4 + 2]byte
	if err := e.read(head[:], decrypt); err != nil {
		return 0, 0, err
	}
	if [vcSize]byte(head[:vcSize]) != ([vcSize]byte{}) {
		return 0, 0, &Error{"peer has another key"}
	}
	if err := e.readPad(int(binary.BigEndian.Uint16(head[vcSize+4:])), decrypt); err != nil {
		return 0, 0, err
	}
	var n [2]byte
	if err := e.read(n[:], decrypt); err != nil {
		return 0, 0, err
	}
	return binary.BigEndian.Uint32(head[vcSize:]), int(binary.BigEndian.Uint16(n[:])), nil
}
