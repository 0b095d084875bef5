package rpc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"sotto/anon"
	"sotto/client/metainfo"
)

const maxFields = 256

// torrentGet answers with those of the asked fields that there are: a field we
// do not know is left out, as Transmission 4 does.
func (c *call) torrentGet(a *args) (object, error) {
	names, ok := a.texts("fields", maxFields)
	if !ok {
		a.fail("no fields specified")
	}
	table := false
	if format, ok := a.text("format", 16); ok {
		table = format == "table"
	}
	which := a.which()
	if err := a.done(); err != nil {
		return nil, err
	}
	cols := columnsOf(names)
	list, err := c.lib().Torrents(c.ctx, which, cols.parts)
	if err != nil {
		return nil, err
	}
	var out object
	if table {
		rows := make([][]any, 0, len(list)+1)
		rows = append(rows, cols.header())
		for i := range list {
			rows = append(rows, cols.values(c.r, &list[i]))
		}
		out = object{{"torrents", rows}}
	} else {
		rows := make([]named, 0, len(list))
		for i := range list {
			rows = append(rows, cols.row(c.r, &list[i]))
		}
		out = object{{"torrents", rows}}
	}
	if !which.Recent {
		return out, nil
	}
	removed, err := c.lib().Removed(c.ctx)
	if err != nil {
		return nil, err
	}
	return append(object{{"removed", removed}}, out...), nil
}

// columns are the fields of a request, in its order, under the names it used.
type columns struct {
	names  []string
	fields []*field
	parts  Part
}

func columnsOf(names []string) columns {
	var c columns
	seen := make(map[string]bool)
	for _, name := range names {
		f := fieldNamed[name]
		if f == nil || seen[name] {
			continue
		}
		seen[name] = true
		c.names, c.fields = append(c.names, name), append(c.fields, f)
		c.parts |= f.parts
	}
	return c
}

func (c columns) header() []any {
	out := make([]any, len(c.names))
	for i, name := range c.names {
		out[i] = name
	}
	return out
}

func (c columns) values(r *Responder, t *Torrent) []any {
	out := make([]any, len(c.fields))
	for i, f := range c.fields {
		out[i] = f.get(r, t)
	}
	return out
}

func (c columns) row(r *Responder, t *Torrent) named {
	out := make(named, len(c.fields))
	for i, f := range c.fields {
		out[i] = pair{c.names[i], f.get(r, t)}
	}
	return out
}

// plain makes a text of strangers safe for the terminals and pages of remotes:
// nothing in it steers them.
func plain(s string, max int) string {
	if len(s) <= max && isPrintableASCII(s) { // nearly always, and asked a lot
		return s
	}
	return metainfo.Printable(s, max)
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func plainAll(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, plain(s, maxText))
	}
	return out
}

// peerName returns what a peer is called: its address if those are shown, else
// its network and a number that tells peers apart during this run and cannot
// be turned back.
func (r *Responder) peerName(a anon.Addr) string {
	if a.IsUnknown() {
		return a.Network()
	}
	if r.config.ShowPeers {
		return a.Host()
	}
	mac := hmac.New(sha256.New, r.peerKey[:])
	mac.Write([]byte(a.Reveal()))
	return a.Network() + "-" + hex.EncodeToString(mac.Sum(nil)[:4])
}

func (r *Responder) peerPort(a anon.Addr) int {
	if !r.config.ShowPeers {
		return 0
	}
	return int(a.Port())
}
