package rpc

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sotto/client/metainfo"
)

const (
	maxRatio   = 1_000_000
	maxMinutes = 366 * 24 * 60
	// maxTrackerList is in bytes.
	maxTrackerList = 256 << 10
)

// readChange reads what a caller sets, but for the place and the trackers.
func readChange(a *args) Change {
	ch := Change{
		Priority:            a.whole("bandwidth_priority", -1, 1),
		DownLimit:           a.rate("download_limit"),
		DownLimited:         a.flag("download_limited"),
		UpLimit:             a.rate("upload_limit"),
		Limited:             a.flag("upload_limited"),
		HonorsSessionLimits: a.flag("honors_session_limits"),
		Labels:              a.labels("labels"),
		PeerLimit:           a.whole("peer_limit", 1, maxPeers),
		QueuePosition:       a.whole("queue_position", 0, maxIDs),
		RatioLimit:          a.number("seed_ratio_limit", 0, maxRatio),
		RatioMode:           a.mode("seed_ratio_mode"),
		IdleLimit:           a.minutes("seed_idle_limit", maxMinutes),
		IdleMode:            a.mode("seed_idle_mode"),
		Sequential:          a.flag("sequential_download"),
		Files:               a.fileChange(),
	}
	if group, ok := a.text("group", maxText); ok {
		ch.Group = &group
	}
	return ch
}

// torrentSet sets everything or, when one argument is wrong, nothing. Only
// "location" and the lists of trackers that differ by torrent come after the
// rest.
func (c *call) torrentSet(a *args) (object, error) {
	ch := readChange(a)
	folder, moves := "", a.has("location")
	if moves {
		folder, _ = c.folder(a, "location")
	}
	edit := readTrackers(a)
	which := a.which()
	if err := a.done(); err != nil {
		return nil, err
	}
	list, err := c.lib().Torrents(c.ctx, which, edit.needs())
	if err != nil || len(list) == 0 {
		return nil, err
	}
	ids := make([]int64, 0, len(list))
	lists := make([][][]string, len(list))
	for i, t := range list {
		ids = append(ids, t.ID)
		if lists[i], err = edit.apply(t.Trackers); err != nil {
			return nil, err
		}
	}
	if err := c.lib().Change(c.ctx, ids, ch); err != nil {
		return nil, err
	}
	for i, tiers := range lists {
		if tiers == nil {
			continue
		}
		if err := c.lib().Change(c.ctx, ids[i:i+1], Change{Trackers: &tiers}); err != nil {
			return nil, err
		}
	}
	if moves {
		return nil, c.lib().Move(c.ctx, ids, folder, false)
	}
	return nil, nil
}

// trackerEdit is how lists of trackers are to change.
type trackerEdit struct {
	whole   [][]string // not nil: the new list
	add     []string
	remove  []int
	replace map[int]string // by the tracker's id
}

// readTrackers reads tracker_list and the three older ways to say it. Every
// address must be a tracker inside one of our networks.
func readTrackers(a *args) trackerEdit {
	var e trackerEdit
	if text, ok := a.text("tracker_list", maxTrackerList); ok {
		e.whole = [][]string{}
		for tier := range strings.SplitSeq(strings.ReplaceAll(text, "\r", ""), "\n\n") {
			if urls := trackerURLs(a, strings.Split(tier, "\n")); len(urls) > 0 {
				e.whole = append(e.whole, urls)
			}
		}
	}
	if list, ok := a.texts("tracker_add", metainfo.MaxTrackers); ok {
		e.add = trackerURLs(a, list)
	}
	if list, ok := a.list("tracker_remove", metainfo.MaxTrackers); ok {
		for _, raw := range list {
			e.remove = append(e.remove, trackerID(a, raw))
		}
	}
	if list, ok := a.list("tracker_replace", 2*metainfo.MaxTrackers); ok {
		e.replace = readReplacements(a, list)
	}
	return e
}

// readReplacements reads pairs of an id and a new address, one after another.
func readReplacements(a *args, list []json.RawMessage) map[int]string {
	out := make(map[int]string)
	if len(list)%2 != 0 {
		a.fail("tracker_replace must be a list of ids and addresses in turn")
		return out
	}
	for pair := range slices.Chunk(list, 2) {
		var text string
		json.Unmarshal(pair[1], &text) // "" when it is no text, which is no tracker
		for _, url := range trackerURLs(a, []string{text}) {
			out[trackerID(a, pair[0])] = url
		}
		if strings.TrimSpace(text) == "" {
			a.fail("tracker_replace must be a list of ids and addresses in turn")
		}
	}
	return out
}

func trackerID(a *args, raw json.RawMessage) int {
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		a.fail("trackers are named by their ids, which are numbers")
	}
	return n
}

func trackerURLs(a *args, list []string) []string {
	var urls []string
	for _, text := range list {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		t, err := metainfo.ParseTracker(text)
		if err != nil {
			if a.err == nil {
				a.err = &Error{CodeTrackers, "invalid tracker list: " + err.Error()}
			}
			return nil
		}
		urls = append(urls, t.URL)
	}
	return urls
}

func (e trackerEdit) needs() Part {
	if len(e.add)+len(e.remove)+len(e.replace) > 0 {
		return Trackers
	}
	return 0
}

var errManyTrackers = &Error{CodeTrackers, "invalid tracker list: more than " + strconv.Itoa(metainfo.MaxTrackers) + " trackers"}

// apply returns the new list for a torrent that has have, nil to leave it.
func (e trackerEdit) apply(have []Tracker) ([][]string, error) {
	tiers, err := e.tiers(have)
	n := 0
	for _, tier := range tiers {
		n += len(tier)
	}
	if n > metainfo.MaxTrackers {
		return nil, errManyTrackers
	}
	return tiers, err
}

func (e trackerEdit) tiers(have []Tracker) ([][]string, error) {
	if e.whole != nil || e.needs() == 0 {
		return e.whole, nil
	}
	tiers, known, last := [][]string{}, map[int]bool{}, -1
	for _, t := range have {
		known[t.ID] = true
		url := t.URL
		if to, ok := e.replace[t.ID]; ok {
			url = to
		}
		if slices.Contains(e.remove, t.ID) {
			continue
		}
		if len(tiers) == 0 || t.Tier != last {
			tiers = append(tiers, nil)
			last = t.Tier
		}
		tiers[len(tiers)-1] = append(tiers[len(tiers)-1], url)
	}
	for _, id := range append(slices.Collect(maps.Keys(e.replace)), e.remove...) {
		if !known[id] {
			return nil, &Error{CodeTrackers, "invalid tracker list: no tracker has this id"}
		}
	}
	for _, url := range e.add {
		tiers = append(tiers, []string{url})
	}
	return tiers, nil
}
