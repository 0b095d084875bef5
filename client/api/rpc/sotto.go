package rpc

import (
	"encoding/base64"
	"math"
	"slices"

	"sotto/anon"
	"sotto/client/metainfo"
)

// ownMethods are sotto's own, for the modern dialect only.
var ownMethods = map[string]func(*call, *args) (object, error){
	"sotto_status":  (*call).sottoStatus,
	"sotto_share":   (*call).sottoShare,
	"sotto_torrent": (*call).sottoTorrent,
	"sotto_set":     (*call).sottoSet,
	"sotto_limits":  (*call).sottoLimits,
}

// method returns what answers m, nil when nothing does.
func (r *Responder) method(m message) func(*call, *args) (object, error) {
	if do := ownMethods[m.method]; do != nil && m.dialect == modern && r.config.Own != nil {
		return do
	}
	return methods[m.method]
}

func (c *call) sottoStatus(a *args) (object, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	st, err := c.r.config.Own.Status(c.ctx)
	if err != nil {
		return nil, err
	}
	networks, conditions := make([]object, 0, len(st.Networks)), make([]object, 0, len(st.Conditions))
	for _, n := range st.Networks {
		networks = append(networks, networkObject(n))
	}
	for _, k := range st.Conditions {
		conditions = append(conditions, object{
			{"name", k.Name}, {"severity", k.Severity}, {"subject", plain(k.Subject, maxPath)}, {"since", k.Since},
			{"what", k.What}, {"privacy", k.Privacy}, {"remedy", k.Remedy},
		})
	}
	return object{
		{"version", c.r.config.Version}, {"label", c.r.config.Label}, {"started", c.r.config.Started},
		{"networks", networks}, {"conditions", conditions},
		{"folders", []string(c.r.folders)}, {"share_dirs", slices.Concat([]string(c.r.shares), []string(c.r.given))},
	}, nil
}

func networkObject(n NetworkStatus) object {
	address := ""
	if !n.Addr.IsUnknown() {
		address = n.Addr.Reveal()
	}
	return object{
		{"network", n.On.String()}, {"ready", n.Ready}, {"where", plain(n.Where, maxPath)},
		{"version", plain(n.Version, maxText)}, {"note", plain(n.Note, maxText)}, {"address", address},
		{"down", n.Limit.Down}, {"up", n.Limit.Up},
	}
}

var errWholeFolder = &Error{CodePath, "a folder of the configuration cannot be shared as such: name something in it"}

// sottoShare takes paths below the folders that downloads and shares may be in, and
// those that were given, and nowhere else.
func (c *call) sottoShare(a *args) (object, error) {
	s := Share{Stable: true}
	path, _ := a.text("path", maxPath)
	roots := slices.Concat(c.r.folders, c.r.shares)
	path, err := slices.Concat(roots, c.r.given).check(path)
	if err == nil && slices.Contains(roots, path) && !slices.Contains(c.r.given, path) {
		err = errWholeFolder
	}
	if err != nil && a.err == nil {
		a.err = err
	}
	s.Path = path
	if name, ok := a.text("format", maxText); ok {
		if s.Format, err = metainfo.ParseFormat(name); err != nil {
			a.fail("format must be v1, hybrid or v2")
		}
	}
	if list := a.networks("networks"); list != nil {
		s.Networks = *list
	}
	if yes := a.flag("stable"); yes != nil {
		s.Stable = *yes
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	added, err := c.r.config.Own.Share(c.ctx, s)
	if err != nil {
		return nil, err
	}
	return object{{"id", added.ID}, {"hash", added.Hash}, {"duplicate", added.Duplicate}}, nil
}

// sottoTorrent answers with a torrent file, in base64, of up to metainfo.MaxSize.
func (c *call) sottoTorrent(a *args) (object, error) {
	id := a.whole("id", 0, math.MaxInt32)
	if id == nil {
		a.fail("id is missing: which torrent?")
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	raw, err := c.r.config.Own.TorrentFile(c.ctx, int64(*id))
	if err != nil {
		return nil, err
	}
	if len(raw) > metainfo.MaxSize {
		return nil, &Error{CodeTorrent, "it is too large for a torrent file; its link leads to it"}
	}
	return object{{"metainfo", base64.StdEncoding.EncodeToString(raw)}}, nil
}

func networkNames(list []anon.Network) []string {
	out := make([]string, 0, len(list))
	for _, n := range list {
		out = append(out, n.String())
	}
	return out
}

const maxNetworks = 8 // names in one list

// networks reads a list of networks; nil when it is not there.
func (a *args) networks(name string) *[]anon.Network {
	list, ok := a.texts(name, maxNetworks)
	if !ok {
		return nil
	}
	out := []anon.Network{}
	for _, text := range list {
		n, err := anon.ParseNetwork(text)
		if err != nil {
			a.fail(name + " must be a list of networks: i2p or tor")
			return nil
		}
		out = append(out, n)
	}
	return &out
}

// maxIdentity is how long the name of an identity may be, in bytes.
const maxIdentity = 64

// sottoSet wants ids: nobody means all torrents by leaving them out.
func (c *call) sottoSet(a *args) (object, error) {
	t := Tuning{Networks: a.networks("networks"), SeedTime: a.minutes("seed_time", maxMinutes)}
	if name, ok := a.text("identity", maxIdentity); ok {
		if plain(name, maxIdentity) != name {
			a.fail("the name of an identity must be readable")
		}
		t.Identity = &name
	}
	if !a.has("ids") {
		a.fail("ids are missing: which torrents?")
	}
	return c.each(a, func(ids []int64) error { return c.r.config.Own.Tune(c.ctx, ids, t) })
}

// sottoLimits answers with the limits of the network as they are then.
func (c *call) sottoLimits(a *args) (object, error) {
	name, _ := a.text("network", maxText)
	on, err := anon.ParseNetwork(name)
	if err != nil {
		a.fail("network must be i2p or tor")
	}
	down, up := a.rate("down"), a.rate("up")
	if err := a.done(); err != nil {
		return nil, err
	}
	now, err := c.r.config.Own.LimitNetwork(c.ctx, on, down, up)
	if err != nil {
		return nil, err
	}
	return object{{"network", on.String()}, {"down", now.Down}, {"up", now.Up}}, nil
}
