package library

import (
	"encoding/json"
	"fmt"
	"time"

	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/store"
)

// settings are what the user changed at run time, and the sums over all runs.
type settings struct {
	Version int `json:"v"`
	rpc.Settings
	Groups   []rpc.Group
	Networks map[string]rpc.NetworkLimit
	Added    int           // files of torrents that were added
	Runs     int           // of the library
	Active   time.Duration // before this run
	Saved    time.Time     // by the clock on the wall
}

const settingsVersion = 1

func (o *owner) loadSettings() error {
	o.settings = settings{
		Settings: rpc.Settings{
			Folder: o.opts.Folder, StartAdded: true, PartSuffix: true, SpeedDown: 100, SpeedUp: 100,
			Alt:       rpc.AltSpeed{Down: 50, Up: 50, Begin: 9 * time.Hour, End: 17 * time.Hour, Days: 127},
			PeerLimit: engine.DefaultSlots, TorrentPeerLimit: engine.DefaultMaxPeers,
			DownloadQueue: true, DownloadQueueSize: 5, SeedQueue: true, SeedQueueSize: 20,
			StalledQueue: true, StalledAfter: 30 * time.Minute,
			RatioLimit: 2, IdleLimit: 30 * time.Minute, Encryption: "tolerated",
		},
		Networks: make(map[string]rpc.NetworkLimit),
	}
	raw, err := o.opts.Store.Settings()
	if err != nil {
		return err
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &o.settings); err != nil {
			return fmt.Errorf("read settings: %w: %w", store.ErrDamaged, err)
		}
		if o.settings.Version > settingsVersion {
			return store.ErrVersion
		}
	}
	if oddStart(o.settings.Saved, o.wall()) {
		o.opts.Board.Set(time.Now(), health.ClockJump, "", true)
	}
	o.settings.Encryption = "tolerated" // what profile says for I2P and Tor
	o.settings.Runs++
	o.all = newRates()
	for _, g := range o.settings.Groups {
		o.groups[g.Name] = newRates()
	}
	if o.inside = within(o.settings.Alt, o.wall()); o.settings.Alt.Scheduled {
		o.settings.Alt.On = o.inside
	}
	o.bound()
	return o.saveSettings(o.settings)
}

// saveSettings keeps s in place of what is kept.
func (o *owner) saveSettings(s settings) error {
	s.Version = settingsVersion
	s.Active += o.session.Active
	s.Saved = o.wall()
	raw, err := json.Marshal(s)
	if err == nil {
		err = o.opts.Store.SaveSettings(raw)
	}
	if err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	return nil
}

// settle makes s hold, or returns why it cannot.
func (o *owner) settle(s settings) error {
	if err := o.saveSettings(s); err != nil {
		return err
	}
	o.settings = s
	o.slots.Resize(o.streams())
	o.bound()
	for _, t := range o.torrents {
		o.relimit(t)
	}
	o.changed()
	return nil
}
