package rpc

import (
	"encoding/json"
	"strings"
)

func (c *call) sessionGet(a *args) (object, error) {
	names, some := a.texts("fields", maxFields)
	if err := a.done(); err != nil {
		return nil, err
	}
	now, err := c.lib().Settings(c.ctx)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]bool, len(names))
	for _, name := range names {
		asked[snake(name)] = true
	}
	var out object
	for _, s := range c.settings(&now, new(SettingsChange)) {
		if !some || asked[snake(s.name)] {
			out = append(out, pair{s.name, s.get()})
		}
	}
	return out, nil
}

// sessionSet sets everything or, when one setting is wrong or refused, nothing.
func (c *call) sessionSet(a *args) (object, error) {
	now, err := c.lib().Settings(c.ctx)
	if err != nil {
		return nil, err
	}
	var ch SettingsChange
	for _, s := range c.settings(&now, &ch) {
		name := snake(s.name)
		raw, ok := a.get(name)
		switch {
		case !ok:
		case s.set != nil:
			s.set(a, name)
		case !same(raw, c.dialect.append(nil, s.get())):
			a.fail(s.name + " cannot be changed: " + s.why)
		}
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return nil, c.lib().Configure(c.ctx, ch)
}

// same reports whether a caller sends back what we said: whole dialogs of
// settings come that way.
func same(raw, ours []byte) bool {
	var got, have any
	if json.Unmarshal(raw, &got) != nil || json.Unmarshal(ours, &have) != nil {
		return false
	}
	switch have := have.(type) {
	case bool:
		if n, ok := got.(float64); ok {
			return have == (n != 0)
		}
		return got == have
	case float64, string:
		return got == have
	}
	return false
}

func (c *call) sessionStats(a *args) (object, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	st, err := c.lib().Stats(c.ctx)
	if err != nil {
		return nil, err
	}
	return statsObject(st), nil
}

func statsObject(st Stats) object {
	return object{
		{"activeTorrentCount", st.Running},
		{"cumulative-stats", totals(st.Ever)},
		{"current-stats", totals(st.Now)},
		{"downloadSpeed", st.RateDown},
		{"pausedTorrentCount", st.Paused},
		{"torrentCount", st.Torrents},
		{"uploadSpeed", st.RateUp},
	}
}

func totals(t Totals) object {
	return object{
		{"downloadedBytes", t.Downloaded},
		{"filesAdded", t.Added},
		{"secondsActive", int64(t.Active.Seconds())},
		{"sessionCount", t.Runs},
		{"uploadedBytes", t.Uploaded},
	}
}

// sessionClose ends the daemon for local callers: a remote that stops it could
// not start it again.
func (c *call) sessionClose(a *args) (object, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	if !c.local || c.r.config.Stop == nil {
		return nil, &Error{CodeSystem, "stopping the daemon is not allowed from here"}
	}
	c.r.stop.Do(func() { go c.r.config.Stop() })
	return nil, nil
}

// freeSpace looks at download folders only: the rest of the disk is nothing
// that a remote may explore.
func (c *call) freeSpace(a *args) (object, error) {
	asked, _ := a.text("path", maxPath)
	folder, ok := c.folder(a, "path")
	if !ok {
		a.fail("directory path is not given")
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	free, total, err := c.lib().Space(c.ctx, folder)
	if err != nil {
		return nil, err
	}
	size := pair{"total_size", total}
	return object{{"path", asked}, {"size-bytes", free}, size}, nil
}

// portTest: nobody can reach a port of ours, on purpose, and asking a service
// on the web would tell it that we are here.
func (c *call) portTest(a *args) (object, error) {
	a.has("ip_protocol")
	if err := a.done(); err != nil {
		return nil, err
	}
	return object{{"port-is-open", false}}, nil
}

func (c *call) blocklistUpdate(*args) (object, error) {
	return nil, &Error{CodeSystem, "there is no blocklist: " + noAddresses}
}

func (c *call) groupGet(a *args) (object, error) {
	names, some := a.texts("group", maxFields)
	if err := a.done(); err != nil {
		return nil, err
	}
	list, err := c.lib().Groups(c.ctx)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]bool, len(names))
	for _, name := range names {
		asked[name] = true
	}
	out := make([]object, 0, len(list))
	for _, g := range list {
		if some && !asked[g.Name] {
			continue
		}
		out = append(out, object{
			{"honorsSessionLimits", g.HonorsSessionLimits},
			{"name", plain(g.Name, maxText)},
			{"speed-limit-down", g.SpeedDown},
			{"speed-limit-down-enabled", g.LimitDown},
			{"speed-limit-up", g.SpeedUp},
			{"speed-limit-up-enabled", g.LimitUp},
		})
	}
	return object{{"group", out}}, nil
}

func (c *call) groupSet(a *args) (object, error) {
	name, _ := a.text("name", maxText)
	if strings.TrimSpace(name) == "" {
		a.fail("a group needs a name")
	}
	ch := GroupChange{
		HonorsSessionLimits: a.flag("honors_session_limits"),
		SpeedDown:           a.rate("speed_limit_down"),
		SpeedUp:             a.rate("speed_limit_up"),
		LimitDown:           a.flag("speed_limit_down_enabled"),
		LimitUp:             a.flag("speed_limit_up_enabled"),
	}
	if honor := a.flag("honor_session_limits"); honor != nil {
		ch.HonorsSessionLimits = honor // as hekmon's client spells it
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return nil, c.lib().SetGroup(c.ctx, name, ch)
}
