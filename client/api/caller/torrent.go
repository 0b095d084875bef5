package caller

import (
	"context"
	"reflect"
	"strings"

	"sotto/client/metainfo"
)

// maxText is how many characters of one text are kept: a magnet link with all
// its trackers.
const maxText = 64 << 10

// Text is a text that comes from strangers by way of the daemon. Reading it
// from JSON makes it fit for one line of a terminal: metainfo.Printable.
type Text string

// UnmarshalText takes what stands in a JSON string. It never fails.
func (t *Text) UnmarshalText(raw []byte) error {
	*t = Text(metainfo.Printable(string(raw), maxText))
	return nil
}

// Torrents returns the torrents of ids as T sees them, in the order of their
// ids; all torrents when ids is nil. T is a struct whose json tags are fields of
// torrent-get in their JSON-RPC spelling; these are asked for and no others.
// Those that are gone are left out.
func Torrents[T any](ctx context.Context, c *Caller, ids []int64) ([]T, error) {
	params := map[string]any{"fields": fieldsOf[T]()}
	if ids != nil {
		params["ids"] = ids
	}
	var out struct {
		Torrents []T `json:"torrents"`
	}
	if err := c.Call(ctx, "torrent_get", params, &out); err != nil {
		return nil, err
	}
	return out.Torrents, nil
}

// fieldsOf returns the names in T's json tags, those of embedded structs
// included.
func fieldsOf[T any]() (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}
