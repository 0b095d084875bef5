package api

import (
	"crypto/subtle"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"sotto/client/api/rpc"
)

const (
	sessionHeader = "X-Transmission-Session-Id"
	versionHeader = "X-Transmission-Rpc-Version"

	// Requests a second at one entrance, and how many at once, of callers with
	// the session id and again of those without. Remotes poll every second or
	// so; a script that touches a whole library fits too.
	perSecond, burst = 100, 500
)

// gate is what a request must pass, in this order:
//
//	Host              exactly one of Rules.Hosts, or 421: a page of another
//	                  site whose name was pointed at this machine fails here
//	Origin            absent or our own, or 403: no other page may ask at all
//	rate              or 429; who has the session id has a rate apart
//	credential        unless the entrance is open, or 401; 429 while guesses
//	                  are being slowed down
//	session id        for all but the page, or 409 with the id: a request that
//	                  another page made a browser send cannot carry it
//	method, encoding  or 405, 415
//
// Nothing of the body is read before. No answer carries CORS headers, so that
// no other page may read one.
type gate struct {
	s       *Server
	rules   Rules
	guesses guesses
	// Of those with the session id and of all others: strangers must not be
	// able to use up what the user has.
	rate, strangers *rate.Limiter
}

func newGate(s *Server, r Rules) *gate {
	r.Hosts = slices.Clone(r.Hosts)
	return &gate{s: s, rules: r, rate: rate.NewLimiter(perSecond, burst), strangers: rate.NewLimiter(perSecond, burst)}
}

// allow reports whether r is within the rate of callers like it.
func (g *gate) allow(r *http.Request) bool {
	if g.hasSession(r) {
		return g.rate.Allow()
	}
	return g.strangers.Allow()
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	switch {
	case !slices.Contains(g.rules.Hosts, r.Host):
		refuseHTTP(w, http.StatusMisdirectedRequest, "This address is not answered here. Use one that is in the list of hosts.")
	case !sameOrigin(r):
		refuseHTTP(w, http.StatusForbidden, "Requests of other web pages are refused.")
	case !g.allow(r):
		tooMany(w, time.Second)
	case g.known(w, r):
		g.route(w, r)
	}
}

// protect sets what keeps an answer from being used by anybody but its asker.
func protect(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h["Date"] = nil // our clock is nobody's business; over an onion it would tell
}

// sameOrigin reports whether no other page is behind r. Browsers send Origin
// with all that can change something, and newer ones Sec-Fetch-Site with
// everything; remotes send neither.
func sameOrigin(r *http.Request) bool {
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "same-origin" && site != "none" {
			return false
		}
	}
	for _, origin := range r.Header["Origin"] {
		if origin != "http://"+r.Host {
			return false
		}
	}
	return true
}

// known reports whether the caller has proved to be the user, and answers
// otherwise.
//
// While guesses are slowed down, not even the right token helps a newcomer:
// else the wait would not slow them. Who has the session id has proved itself
// before and goes on, so that a guesser cannot lock the user out.
func (g *gate) known(w http.ResponseWriter, r *http.Request) bool {
	if g.rules.Open {
		return true
	}
	now := time.Now()
	if wait := g.guesses.wait(now); wait > 0 && !g.hasSession(r) {
		tooMany(w, wait)
		return false
	}
	text, offered := credential(r)
	if offered && g.s.config.Token.is(text) {
		g.guesses.forget()
		return true
	}
	if offered && g.guesses.note(now) {
		g.s.log.Warn("wrong tokens: somebody on this machine, or a remote with an old token, is being slowed down")
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="sotto", charset="UTF-8"`)
	refuseHTTP(w, http.StatusUnauthorized, "The token is needed, as a password or a bearer token.")
	return false
}

func (g *gate) hasSession(r *http.Request) bool {
	ids := r.Header[sessionHeader]
	return len(ids) == 1 && subtle.ConstantTimeCompare([]byte(ids[0]), []byte(g.s.session)) == 1
}

// route finds what r is for. Remotes differ on the slash at the end.
func (g *gate) route(w http.ResponseWriter, r *http.Request) {
	var method string
	var serve func(http.ResponseWriter, *http.Request)
	switch r.URL.Path {
	case "/transmission/rpc", "/transmission/rpc/":
		method, serve = http.MethodPost, g.rpc
	case "/events":
		method, serve = http.MethodGet, g.events
	default:
		if g.s.config.Page == nil {
			refuseHTTP(w, http.StatusNotFound, "There is nothing here. The API is at /transmission/rpc.")
			return
		}
		g.s.config.Page.ServeHTTP(w, r)
		return
	}
	switch {
	case r.Method == http.MethodOptions: // a browser asking for leave: there is none
		refuseHTTP(w, http.StatusMethodNotAllowed, "This method is refused.")
	case !g.hasSession(r):
		g.conflict(w)
	case r.Method != method:
		w.Header().Set("Allow", method)
		refuseHTTP(w, http.StatusMethodNotAllowed, "This method is refused: use "+method+".")
	case r.Header.Get("Content-Encoding") != "":
		refuseHTTP(w, http.StatusUnsupportedMediaType, "Send the body as it is, not compressed.")
	default:
		serve(w, r)
	}
}

// conflict hands out the session id: in the header, where most look, and in
// the text, where tremc does.
func (g *gate) conflict(w http.ResponseWriter) {
	w.Header().Set(sessionHeader, g.s.session)
	w.Header().Set(versionHeader, rpc.ModernSemver)
	refuseHTTP(w, http.StatusConflict, "Send your request again with this header, which keeps other web pages out:\n"+
		sessionHeader+": "+g.s.session)
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	seconds := int(math.Ceil(wait.Seconds()))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	refuseHTTP(w, http.StatusTooManyRequests, "Too many requests, or too many wrong tokens. Try again later.")
}

func refuseHTTP(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+len(strconv.Itoa(status))+3))
	w.WriteHeader(status)
	fmt.Fprintf(w, "%d: %s\n", status, strings.TrimSpace(text))
}
