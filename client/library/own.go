package library

import (
	"encoding/json"
	"fmt"
	"time"

	"sotto/client/api/rpc"
	"sotto/client/store"
)

// own is what the library keeps of a torrent beside the store's own record.
type own struct {
	Version     int             `json:"v"`
	Priority    int             `json:"priority,omitempty"`
	Group       string          `json:"group,omitempty"`
	Identity    string          `json:"identity,omitempty"` // where they are shared
	Down        int64           `json:"down,omitempty"`     // kB/s
	Up          int64           `json:"up,omitempty"`
	DownLimited bool            `json:"down_limited,omitempty"`
	UpLimited   bool            `json:"up_limited,omitempty"`
	Apart       bool            `json:"apart,omitempty"` // session limits do not count
	RatioLimit  float64         `json:"ratio,omitempty"`
	RatioMode   rpc.LimitMode   `json:"ratio_mode,omitempty"`
	IdleLimit   time.Duration   `json:"idle,omitempty"`
	IdleMode    rpc.LimitMode   `json:"idle_mode,omitempty"`
	Tiers       [][]string      `json:"tiers,omitempty"` // in place of the link's trackers
	Tiered      bool            `json:"tiered,omitempty"`
	Rest        map[int]int     `json:"rest,omitempty"`   // priorities of files that are skipped
	Choice      *rpc.FileChange `json:"choice,omitempty"` // until the metadata is here
	Fetching    time.Duration   `json:"fetching,omitempty"`
	Seeding     time.Duration   `json:"seeding,omitempty"`
	Finished    bool            `json:"finished,omitempty"`
	Move        *move           `json:"move,omitempty"`
	Verify      bool            `json:"verify,omitempty"` // the user wants the files hashed
	Unseen      bool            `json:"unseen,omitempty"` // the user has named its folder, and nobody has looked there since
	Erase       *erase          `json:"erase,omitempty"`
	Share       *share          `json:"share,omitempty"` // nil for what was fetched
}

const ownVersion = 1

func (w *own) read(raw []byte) error {
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, w); err != nil {
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	if w.Version > ownVersion {
		return store.ErrVersion
	}
	return nil
}

// record returns what the store is to keep.
func (t *torrent) record() store.Torrent {
	t.own.Version = ownVersion
	raw, err := json.Marshal(t.own)
	if err != nil {
		panic("library: a torrent that cannot be written down: " + err.Error())
	}
	rec := t.rec
	rec.More = raw
	return rec
}
