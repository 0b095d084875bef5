package rpc

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// args are the arguments of one call. They remember the first thing that was
// wrong with them and which of them were asked for, so that a method reads all
// it knows and looks at the outcome once, before it changes anything.
//
// A name is asked for in its modern spelling. null is as good as absent.
type args struct {
	raw  map[string]json.RawMessage
	read map[string]bool
	err  error
}

// newArgs takes null and numbers for no arguments: tremc sends one. Arguments by
// place, which JSON-RPC has too, are refused: without their names they would be
// lost, and a call without ids is about every torrent.
func newArgs(raw json.RawMessage) *args {
	var named map[string]json.RawMessage
	if json.Unmarshal(raw, &named) != nil {
		named = nil
	}
	a := &args{raw: make(map[string]json.RawMessage, len(named)), read: make(map[string]bool)}
	if len(raw) > 0 && (raw[0] == '[' || raw[0] == '"') {
		a.fail("the arguments must be an object with their names")
	}
	for name, value := range named {
		if string(value) == "null" {
			continue
		}
		key := snake(name)
		if a.raw[key] != nil {
			a.fail("an argument is there twice, in two spellings")
		}
		a.raw[key] = value
	}
	return a
}

func (a *args) fail(text string) {
	if a.err == nil {
		a.err = refuse(text)
	}
}

func (a *args) get(name string) (json.RawMessage, bool) {
	a.read[name] = true
	raw, ok := a.raw[name]
	return raw, ok
}

func (a *args) has(name string) bool {
	_, ok := a.get(name)
	return ok
}

// done returns what was wrong. An argument that nobody asked for is wrong too:
// whoever sent it would believe that it holds.
func (a *args) done() error {
	if a.err != nil {
		return a.err
	}
	for _, name := range sortedKeys(a.raw) {
		if !a.read[name] {
			return refuse("an argument that this method does not know: " + plain(name, 64))
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// text returns a string of at most max bytes.
func (a *args) text(name string, max int) (string, bool) {
	raw, ok := a.get(name)
	if !ok {
		return "", false
	}
	var s string
	if json.Unmarshal(raw, &s) != nil || len(s) > max {
		a.fail(name + " must be a text of at most " + strconv.Itoa(max) + " bytes")
		return "", false
	}
	return s, true
}

// flag returns a truth value; 0 and 1 are as good to many remotes.
func (a *args) flag(name string) *bool {
	raw, ok := a.get(name)
	if !ok {
		return nil
	}
	var yes bool
	switch string(raw) {
	case "true", "1":
		yes = true
	case "false", "0":
	default:
		a.fail(name + " must be true or false")
		return nil
	}
	return &yes
}

func (a *args) number(name string, low, high float64) *float64 {
	raw, ok := a.get(name)
	if !ok {
		return nil
	}
	var f float64
	if json.Unmarshal(raw, &f) != nil || f < low || f > high {
		a.fail(name + " must be a number from " + strconv.FormatFloat(low, 'g', 12, 64) + " to " + strconv.FormatFloat(high, 'g', 12, 64))
		return nil
	}
	return &f
}

func (a *args) whole(name string, low, high int) *int {
	f := a.number(name, float64(low), float64(high))
	if f == nil {
		return nil
	}
	if *f != math.Trunc(*f) {
		a.fail(name + " must be a whole number")
		return nil
	}
	n := int(*f)
	return &n
}

// maxRate is 10^12 B/s in kB/s: more than any wire, and far from overflow.
const maxRate = 1_000_000_000

func (a *args) rate(name string) *int64 {
	n := a.whole(name, 0, maxRate)
	if n == nil {
		return nil
	}
	r := int64(*n)
	return &r
}

// minutes returns a time of whole minutes, up to a week more than a year.
func (a *args) minutes(name string, high int) *time.Duration {
	n := a.whole(name, 0, high)
	if n == nil {
		return nil
	}
	d := time.Duration(*n) * time.Minute
	return &d
}

func (a *args) mode(name string) *LimitMode {
	n := a.whole(name, int(SessionLimit), int(NoLimit))
	if n == nil {
		return nil
	}
	m := LimitMode(*n)
	return &m
}

// list returns the elements of a list; one that is none counts as its only
// element.
func (a *args) list(name string, max int) ([]json.RawMessage, bool) {
	raw, ok := a.get(name)
	if !ok {
		return nil, false
	}
	if raw[0] != '[' {
		return []json.RawMessage{raw}, true
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) > max {
		a.fail(name + " must be a list of at most " + strconv.Itoa(max))
		return nil, false
	}
	return list, true
}

func (a *args) texts(name string, max int) ([]string, bool) {
	list, ok := a.list(name, max)
	out := make([]string, 0, len(list))
	for _, raw := range list {
		var s string
		if json.Unmarshal(raw, &s) != nil || len(s) > maxText {
			a.fail(name + " must be a list of short texts")
			return nil, false
		}
		out = append(out, s)
	}
	return out, ok
}

const maxLabels = 64

// labels are texts without commas: remotes join them with those.
func (a *args) labels(name string) *[]string {
	list, ok := a.texts(name, maxLabels)
	if !ok {
		return nil
	}
	out := []string{}
	for _, l := range list {
		l = strings.TrimSpace(l)
		if l == "" || strings.Contains(l, ",") {
			a.fail("labels cannot be empty or contain commas")
			return nil
		}
		if !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return &out
}

// files are indices; the empty list means all files.
func (a *args) files(name string) FileSet {
	list, ok := a.list(name, maxFiles)
	if !ok {
		return FileSet{}
	}
	set := FileSet{All: len(list) == 0}
	for _, raw := range list {
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < 0 || n >= maxFiles {
			if a.err == nil {
				a.err = ErrFileIndex
			}
			return FileSet{}
		}
		set.Index = append(set.Index, n)
	}
	return set
}

func (a *args) fileChange() FileChange {
	return FileChange{
		Unwanted: a.files("files_unwanted"),
		Wanted:   a.files("files_wanted"),
		Low:      a.files("priority_low"),
		Normal:   a.files("priority_normal"),
		High:     a.files("priority_high"),
	}
}

// which reads ids: a number, a list of numbers and hashes, one hash,
// "recently-active", or nothing for all.
func (a *args) which() Which {
	list, ok := a.list("ids", maxIDs)
	if !ok {
		return Which{All: true}
	}
	var w Which
	for _, raw := range list {
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			w.IDs = append(w.IDs, n)
			continue
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			a.fail("ids must be numbers and info hashes")
			return Which{}
		}
		switch s = strings.ToLower(s); {
		case s == "recently-active" || s == "recently_active":
			w.Recent = true
		case isHash(s):
			w.Hashes = append(w.Hashes, s)
		default:
			a.fail("ids must be numbers and info hashes")
			return Which{}
		}
	}
	return w
}

func isHash(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }
