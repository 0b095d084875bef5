package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"sotto/client"
	"sotto/client/metainfo"
)

// The rules of the output: results go to standard output, where a script
// reads them; everything else goes to standard error. On a terminal there is
// one bar; elsewhere there are plain lines, not more than one every few
// seconds. With --json every event is a line on standard output.

// view shows a transfer's events to the user.
type view interface {
	show(client.Event)
	close()
}

// errReader: whoever read our events has stopped, so that nobody watches any
// more.
var errReader = errors.New("nobody reads standard output any more")

// newView returns the view that fits. It tells gone when events go nowhere.
func (a *app) newView(gone func(error)) view {
	switch {
	case a.json:
		return jsonView{json.NewEncoder(a.out), func(err error) { gone(fmt.Errorf("%w: %w", errReader, err)) }}
	case !a.plain && isTerminal(a.err):
		return &barView{lines: lineView{w: a.err}}
	}
	return &lineView{w: a.err}
}

// isTerminal takes any device of characters for a terminal but the null device,
// which is what programs get that nobody sits in front of.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// lineView prints plain lines.
type lineView struct {
	w    io.Writer
	last time.Time
	said string // the last progress without its numbers
	text string // and with them: what stays as it is needs no second line
}

// maxSentence bounds what a line repeats of an error, in characters.
const maxSentence = 300

// between is how long a line of progress stands before the next one.
const between = 5 * time.Second

func (v *lineView) show(e client.Event) {
	switch e := e.(type) {
	case client.Progress:
		state := string(e.Phase) + e.Trouble
		if time.Since(v.last) < between && state == v.said {
			return
		}
		text := progressText(e)
		if v.last, v.said = time.Now(), state; text == v.text {
			return
		}
		v.text = text
		fmt.Fprintln(v.w, text)
	case client.Hashing:
		if time.Since(v.last) < between {
			return
		}
		v.last = time.Now()
		fmt.Fprintf(v.w, "reading %s of %s\n", size(e.Done), size(e.Total))
	default:
		if text := sentence(e); text != "" {
			fmt.Fprintln(v.w, text)
		}
	}
}

func (v *lineView) close() {}

// sentence is what an event that happens once says; "" when it says nothing.
func sentence(e client.Event) string {
	switch e := e.(type) {
	case client.Opening:
		if e.Note != "" {
			return fmt.Sprintf("%s: %s", e.Network, metainfo.Printable(e.Note, maxSentence))
		}
		return fmt.Sprintf("opening an identity on %s; this takes a while", e.Network)
	case client.Opened:
		return fmt.Sprintf("on %s", e.Network)
	case client.PassedOver:
		return fmt.Sprintf("not using %s: %s; sotto doctor says what to do", e.Network, metainfo.Printable(e.Err.Error(), maxSentence))
	case client.Finished:
		text := fmt.Sprintf("done: %s in %s", size(e.Bytes), e.Took.Round(time.Second))
		if e.Network != 0 { // a daemon may use several
			text += " over " + e.Network.String()
		}
		return text
	}
	return ""
}

func progressText(p client.Progress) string {
	text := ""
	switch p.Phase {
	case client.Metadata:
		text = "waiting for the metadata"
	case client.Checking:
		text = fmt.Sprintf("checking what is on disk: %s of %s are good", size(p.Done), size(p.Total))
	case client.Seeding:
		text = fmt.Sprintf("sharing: %s sent", size(p.Sent))
	default:
		text = fmt.Sprintf("%d%% of %s, %s/s", percent(p.Done, p.Total), size(p.Total), size(int64(p.Rate)))
		if p.Left > 0 {
			text += ", " + p.Left.Round(time.Second).String() + " left"
		}
	}
	text += fmt.Sprintf(", %d %s", p.Peers, plural(p.Peers, "peer"))
	if p.WebSeeds > 0 {
		text += fmt.Sprintf(", %d %s", p.WebSeeds, plural(p.WebSeeds, "web seed"))
	}
	if p.Network != 0 {
		text += ", " + p.Network.String()
	}
	if p.Trouble != "" {
		text += " (" + metainfo.Printable(p.Trouble, maxSentence) + ")"
	}
	return text
}

func percent(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return int64(float64(part) * 100 / float64(whole))
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// size spells bytes for people, in powers of 1024.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for f >= unit && i < 4 {
		f, i = f/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[i])
}
