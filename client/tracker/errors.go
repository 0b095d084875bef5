package tracker

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"sotto/anon"
)

// FailureError is a tracker's refusal in its own words.
type FailureError struct {
	// Reason is the tracker's text, made safe for terminals and cut short.
	Reason string
	// RetryIn is when the tracker wants to be asked again; 0 when it did not say.
	RetryIn time.Duration
	// Permanent is true when asking again will not help: the torrent is not
	// registered there, or the tracker said never.
	Permanent bool
}

func (e *FailureError) Error() string { return "tracker refused: " + e.Reason }

// StatusError is an HTTP answer other than 200. Redirects are among them and
// never followed: where they lead is the tracker's choice, not the user's.
// It is an anon.ErrProtocol.
type StatusError struct{ Code int }

func (e *StatusError) Error() string {
	if e.Redirect() {
		return fmt.Sprintf("tracker redirects (status %d), not followed", e.Code)
	}
	return fmt.Sprintf("tracker answered with status %d", e.Code)
}

// Redirect reports whether the tracker wanted us to go elsewhere.
func (e *StatusError) Redirect() bool { return e.Code >= 300 && e.Code < 400 }

// Is makes errors.Is(err, anon.ErrProtocol) true.
func (e *StatusError) Is(target error) bool { return target == anon.ErrProtocol }

// AnswerError is an answer that is no tracker's: too large, compressed, HTML,
// not bencoded. It is an anon.ErrProtocol and repeats none of the answer.
type AnswerError struct{ Problem string }

func (e *AnswerError) Error() string { return "tracker answer: " + e.Problem }

// Is makes errors.Is(err, anon.ErrProtocol) true.
func (e *AnswerError) Is(target error) bool { return target == anon.ErrProtocol }

// permanentReasons are beginnings, in lower case, of failures that asking
// again does not cure. The first three are those I2PSnark stops at.
var permanentReasons = []string{
	"torrent not registered", "torrent not found", "torrent unauthorised", "unregistered torrent",
}

func permanent(reason string) bool {
	lower := strings.ToLower(reason)
	for _, p := range permanentReasons {
		if strings.HasPrefix(lower, p) {
			return true
		}
	}
	return false
}

// maxText is how many characters of a tracker's own words are kept.
const maxText = 200

// clean makes a stranger's text safe to print. Control and formatting
// characters could drive the user's terminal or turn the reading direction, so
// only what is visible stays.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == maxText {
			b.WriteRune('…')
			break
		}
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			r = '?'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
