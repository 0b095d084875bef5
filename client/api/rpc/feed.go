package rpc

import "context"

// pageFields are those that a list of torrents shows.
var pageFields = []string{
	"id", "hash_string", "name", "status", "error", "error_string", "percent_done", "metadata_percent_complete",
	"total_size", "size_when_done", "left_until_done", "eta", "rate_download", "rate_upload", "upload_ratio",
	"peers_connected", "peers_sending_to_us", "peers_getting_from_us", "queue_position", "recheck_progress",
	"labels", "added_date", "is_finished", "is_stalled",
}

// Feed knows what one reader was told of the Library. It is used by one
// goroutine at a time.
type Feed struct {
	r     *Responder
	cols  columns
	begun bool
	sent  map[int64]string // rows, by torrent
	stats string
}

// Feed returns one for a reader that was told nothing yet. Fields are names
// of torrent-get's; those that there are not are left out, the id is always
// there. None means those of a list of torrents.
func (r *Responder) Feed(fields []string) *Feed {
	if len(fields) == 0 {
		fields = pageFields
	}
	fields = fields[:min(len(fields), maxFields)]
	return &Feed{r: r, cols: columnsOf(append([]string{"id"}, fields...)), sent: make(map[int64]string)}
}

// News is what a reader has not been told yet; nil parts hold nothing new.
type News struct {
	// Torrents is {"torrents":[…],"removed":[ids]} with the rows that are new
	// or different, whole; the first time "all" is true in it.
	Torrents []byte
	Stats    []byte // as session_stats answers
}

// News returns what is new, and takes it for told. Changed is Library.Changed
// from before, so that waiting for it misses nothing.
func (f *Feed) News(ctx context.Context) (n News, changed <-chan struct{}, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	lib := f.r.config.Library
	changed = lib.Changed()
	list, err := lib.Torrents(ctx, Which{All: true}, f.cols.parts)
	if err != nil {
		return News{}, nil, err
	}
	stats, err := lib.Stats(ctx)
	if err != nil {
		return News{}, nil, err
	}
	n.Torrents = f.torrents(list)
	if text := modern.append(nil, statsObject(stats)); string(text) != f.stats {
		n.Stats, f.stats = text, string(text)
	}
	return n, changed, nil
}

func (f *Feed) torrents(list []Torrent) []byte {
	rows, there := []byte{}, make(map[int64]bool, len(list))
	for i := range list {
		id := list[i].ID
		there[id] = true
		row := modern.append(nil, f.cols.row(f.r, &list[i]))
		if f.sent[id] == string(row) {
			continue
		}
		f.sent[id] = string(row)
		if len(rows) > 0 {
			rows = append(rows, ',')
		}
		rows = append(rows, row...)
	}
	removed := []int64{}
	for id := range f.sent {
		if !there[id] {
			removed = append(removed, id)
			delete(f.sent, id)
		}
	}
	if f.begun && len(rows) == 0 && len(removed) == 0 {
		return nil
	}
	out := append([]byte(`{"torrents":[`), rows...)
	out = append(out, `],"removed":`...)
	out = modern.append(out, removed)
	if !f.begun {
		out = append(out, `,"all":true`...)
	}
	f.begun = true
	return append(out, '}')
}
