package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Token is what a caller proves itself with: 256 random bits. It hides itself
// from fmt and slog; the zero Token is nobody's.
type Token struct{ secret [32]byte }

// NewToken returns a fresh one.
func NewToken() Token {
	var t Token
	rand.Read(t.secret[:])
	return t
}

// ParseToken reads what Reveal returned. The error repeats nothing of it.
func ParseToken(text string) (Token, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(Token{}.secret) || [32]byte(raw) == [32]byte{} {
		return Token{}, errors.New("not a token: 64 hex digits, not all zero")
	}
	return Token{[32]byte(raw)}, nil
}

// Reveal returns the token as the user keeps it and gives it to remotes, as a
// password or a bearer token: 64 hex digits.
func (t Token) Reveal() string { return hex.EncodeToString(t.secret[:]) }

func (t Token) String() string { return "token(hidden)" }

// GoString hides the token from %#v.
func (t Token) GoString() string { return t.String() }

// Format hides the token from every fmt verb.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// LogValue hides the token from slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// is reports whether text is the token, in a time that tells nothing of it.
func (t Token) is(text string) bool {
	if t == (Token{}) {
		return false
	}
	want, got := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// credential returns what r offers to prove itself: a bearer token, or the
// password of basic authentication, whose user name means nothing.
func credential(r *http.Request) (text string, offered bool) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", false
	}
	if len(values) > 1 {
		return "", true // which of them counts is for no proxy to decide
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password, true
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(rest), true
}

// Guessing a token is hopeless; what the back-off stops is the noise.
const (
	freeGuesses  = 5           // in a row, before there is a wait
	firstWait    = time.Second // doubles with each wrong one
	longestWait  = time.Minute
	guessesCount = 10 * time.Minute // after which they are forgotten
)

// guesses counts wrong credentials at one entrance.
type guesses struct {
	mu    sync.Mutex
	wrong int
	last  time.Time
	until time.Time
}

// wait returns how long nobody new is let in.
func (g *guesses) wait(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, g.until.Sub(now))
}

// note takes down one more, and reports whether waiting begins with it.
func (g *guesses) note(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.last) > guessesCount {
		g.wrong = 0
	}
	g.wrong, g.last = g.wrong+1, now
	if g.wrong <= freeGuesses {
		return false
	}
	g.until = now.Add(min(longestWait, firstWait<<min(g.wrong-freeGuesses-1, 10)))
	return g.wrong == freeGuesses+1
}

func (g *guesses) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wrong, g.until = 0, time.Time{}
}
