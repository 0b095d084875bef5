package control

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"sotto/anon"
)

// Auth is how we prove to tor who we are. The zero Auth uses the cookie file
// that tor names, if it proves that it knows the content, or nothing where tor
// asks for nothing.
type Auth struct {
	// CookieFile replaces the path that tor names.
	CookieFile string
	// Password is used when there is no CookieFile and tor takes one.
	Password anon.Secret
}

// The keys of the two proofs, control-spec section 3.24.
const (
	proofOfTor = "Tor safe cookie authentication server-to-controller hash"
	proofOfUs  = "Tor safe cookie authentication controller-to-server hash"
)

const (
	cookieLen = 32
	nonceLen  = 32
)

// authenticate chooses one method and does not try a second: what fails is
// for the user to mend. Every error is anon.ErrUnavailable.
func (l *line) authenticate(a Auth) error {
	token, err := l.token(a)
	if err == nil {
		cmd := "AUTHENTICATE"
		if len(token) > 0 {
			cmd += " " + hex.EncodeToString(token)
		}
		_, err = l.roundTrip(cmd)
	}
	if err != nil && !errors.Is(err, anon.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
	}
	if err != nil {
		return fmt.Errorf("authenticate to tor: %w", err)
	}
	return nil
}

func (l *line) token(a Auth) ([]byte, error) {
	lines, err := l.roundTrip("PROTOCOLINFO 1")
	if err != nil {
		return nil, err
	}
	methods, named := authMethods(lines)
	offers := func(m string) bool { return slices.Contains(methods, m) }
	file := a.CookieFile
	if file == "" && (a.Password.Empty() || !offers("HASHEDPASSWORD")) {
		file = named
	}
	switch {
	case offers("SAFECOOKIE") && file != "":
		return l.safeCookie(file)
	case offers("COOKIE") && a.CookieFile != "":
		// Only a file the user named: a false tor could name any file and be
		// sent its content.
		return readCookie(a.CookieFile)
	case offers("HASHEDPASSWORD") && !a.Password.Empty():
		return a.Password.Expose(), nil
	case offers("NULL"):
		return nil, nil
	}
	return nil, errors.New("tor wants a cookie or a password that is not configured")
}

// authMethods reads PROTOCOLINFO's AUTH line. A cookie path with escapes that
// are not plain is dropped: the user can name the file.
func authMethods(lines []string) (methods []string, cookie string) {
	for _, l := range lines {
		rest, ok := strings.CutPrefix(l, "AUTH METHODS=")
		if !ok {
			continue
		}
		list, file, _ := strings.Cut(rest, " COOKIEFILE=")
		methods = strings.Split(list, ",")
		if len(file) >= 2 && file[0] == '"' && file[len(file)-1] == '"' && !strings.Contains(file, `\`) {
			cookie = file[1 : len(file)-1]
		}
	}
	return methods, cookie
}

func readCookie(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read tor's cookie: %w", err)
	}
	defer f.Close()
	var b [cookieLen + 1]byte
	n, _ := f.Read(b[:])
	if n != cookieLen {
		return nil, errors.New("tor's cookie file has not 32 bytes")
	}
	return b[:cookieLen], nil
}

// safeCookie runs the challenge: tor proves first that it knows the cookie,
// and the cookie itself is never sent.
func (l *line) safeCookie(file string) ([]byte, error) {
	cookie, err := readCookie(file)
	if err != nil {
		return nil, err
	}
	var ours [nonceLen]byte
	rand.Read(ours[:])
	lines, err := l.roundTrip("AUTHCHALLENGE SAFECOOKIE " + hex.EncodeToString(ours[:]))
	if err != nil {
		return nil, err
	}
	proof, theirs, err := parseChallenge(lines[len(lines)-1])
	if err != nil {
		return nil, err
	}
	sum := func(key string) []byte {
		m := hmac.New(sha256.New, []byte(key))
		m.Write(cookie)
		m.Write(ours[:])
		m.Write(theirs)
		return m.Sum(nil)
	}
	if !hmac.Equal(proof, sum(proofOfTor)) {
		return nil, errors.New("the cookie file does not belong to the tor that answers")
	}
	return sum(proofOfUs), nil
}

// parseChallenge reads "AUTHCHALLENGE SERVERHASH=<64 hex> SERVERNONCE=<64 hex>".
func parseChallenge(s string) (proof, nonce []byte, err error) {
	bad := fmt.Errorf("%w: bad AUTHCHALLENGE reply", anon.ErrProtocol)
	f := strings.Fields(s)
	if len(f) != 3 || f[0] != "AUTHCHALLENGE" {
		return nil, nil, bad
	}
	h, ok1 := strings.CutPrefix(f[1], "SERVERHASH=")
	n, ok2 := strings.CutPrefix(f[2], "SERVERNONCE=")
	proof, err1 := hex.DecodeString(h)
	nonce, err2 := hex.DecodeString(n)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || len(proof) != sha256.Size || len(nonce) != nonceLen {
		return nil, nil, bad
	}
	return proof, nonce, nil
}
