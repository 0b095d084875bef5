package rpc

import (
	"encoding/base64"
	"math"
	"strings"
)

// field is one field of torrent-get.
type field struct {
	name  string // legacy spelling; the modern one is snake(name)
	parts Part
	get   func(*Responder, *Torrent) any
}

// simple is a field that is told as the Library tells it.
func simple(name string, get func(*Torrent) any) field {
	return field{name, 0, func(_ *Responder, t *Torrent) any { return get(t) }}
}

// fields are all that torrent-get knows.
var fields = []field{
	simple("id", func(t *Torrent) any { return t.ID }),
	simple("hashString", func(t *Torrent) any { return t.Hash }),
	simple("name", func(t *Torrent) any { return plain(t.Name, maxText) }),
	simple("status", func(t *Torrent) any { return int(t.State) }),
	simple("error", func(t *Torrent) any { return int(t.Fault) }),
	simple("errorString", func(t *Torrent) any { return plain(t.FaultText, maxText) }),

	simple("addedDate", func(t *Torrent) any { return t.Added }),
	simple("startDate", func(t *Torrent) any { return t.Started }),
	simple("doneDate", func(t *Torrent) any { return t.Done }),
	simple("activityDate", func(t *Torrent) any { return t.Active }),
	simple("editDate", func(t *Torrent) any { return t.Edited }),
	simple("dateCreated", func(t *Torrent) any { return t.Created }),
	simple("secondsDownloading", func(t *Torrent) any { return int64(t.DownloadTime.Seconds()) }),
	simple("secondsSeeding", func(t *Torrent) any { return int64(t.SeedTime.Seconds()) }),
	simple("manualAnnounceTime", func(t *Torrent) any {
		if t.AnnounceAfter.IsZero() {
			return -1
		}
		return t.AnnounceAfter
	}),

	simple("comment", func(t *Torrent) any { return plain(t.Comment, maxPath) }),
	simple("creator", func(t *Torrent) any { return plain(t.Creator, maxText) }),
	simple("isPrivate", func(t *Torrent) any { return t.Private }),
	simple("totalSize", func(t *Torrent) any { return t.Size }),
	simple("pieceSize", func(t *Torrent) any { return t.PieceSize }),
	simple("pieceCount", func(t *Torrent) any { return t.PieceCount }),
	simple("file-count", func(t *Torrent) any { return t.FileCount }),
	simple("metadataPercentComplete", func(t *Torrent) any { return t.MetadataShare }),
	simple("magnetLink", func(t *Torrent) any { return t.Magnet }),
	simple("webseeds", func(t *Torrent) any { return plainAll(t.Webseeds) }),
	// What Transmission says when it cannot tell from a name.
	simple("primary-mime-type", func(*Torrent) any { return "application/octet-stream" }),
	// There is no such file: the store keeps what it held.
	simple("torrentFile", func(*Torrent) any { return "" }),

	simple("sizeWhenDone", func(t *Torrent) any { return t.WantedSize }),
	simple("leftUntilDone", func(t *Torrent) any { return t.Left }),
	simple("haveValid", func(t *Torrent) any { return t.Valid }),
	simple("haveUnchecked", func(t *Torrent) any { return t.Unchecked }),
	simple("desiredAvailable", func(t *Torrent) any { return t.Obtainable }),
	simple("percentDone", func(t *Torrent) any { return share(t.WantedSize-t.Left, t.WantedSize) }),
	simple("percentComplete", func(t *Torrent) any { return share(t.Valid, t.Size) }),
	simple("recheckProgress", func(t *Torrent) any { return t.CheckedShare }),
	simple("isStalled", func(t *Torrent) any { return t.Stalled }),
	simple("isFinished", func(t *Torrent) any { return t.Finished }),
	{"eta", 0, func(_ *Responder, t *Torrent) any { return eta(t) }},
	simple("etaIdle", func(t *Torrent) any { return etaIdle(t) }),

	simple("downloadedEver", func(t *Torrent) any { return t.Downloaded }),
	simple("uploadedEver", func(t *Torrent) any { return t.Uploaded }),
	simple("corruptEver", func(t *Torrent) any { return t.Corrupt }),
	simple("uploadRatio", func(t *Torrent) any { return ratio(t) }),
	simple("rateDownload", func(t *Torrent) any { return t.RateDown }),
	simple("rateUpload", func(t *Torrent) any { return t.RateUp }),
	simple("peersConnected", func(t *Torrent) any { return t.PeersConnected }),
	simple("peersSendingToUs", func(t *Torrent) any { return t.PeersSending }),
	simple("peersGettingFromUs", func(t *Torrent) any { return t.PeersTaking }),
	simple("webseedsSendingToUs", func(t *Torrent) any { return t.WebseedsSending }),
	simple("peersFrom", sources),

	simple("downloadDir", func(t *Torrent) any { return t.Folder }),
	simple("labels", func(t *Torrent) any { return plainAll(t.Labels) }),
	simple("group", func(t *Torrent) any { return plain(t.Group, maxText) }),
	simple("bandwidthPriority", func(t *Torrent) any { return t.Priority }),
	simple("queuePosition", func(t *Torrent) any { return t.QueuePosition }),
	simple("sequential_download", func(t *Torrent) any { return t.Sequential }),
	simple("honorsSessionLimits", func(t *Torrent) any { return t.HonorsSessionLimits }),
	simple("downloadLimit", func(t *Torrent) any { return t.DownLimit }),
	simple("downloadLimited", func(t *Torrent) any { return t.DownLimited }),
	simple("uploadLimit", func(t *Torrent) any { return t.UpLimit }),
	simple("uploadLimited", func(t *Torrent) any { return t.Limited }),
	simple("peer-limit", func(t *Torrent) any { return t.PeerLimit }),
	simple("maxConnectedPeers", func(t *Torrent) any { return t.PeerLimit }),
	simple("seedRatioLimit", func(t *Torrent) any { return t.RatioLimit }),
	simple("seedRatioMode", func(t *Torrent) any { return int(t.RatioMode) }),
	simple("seedIdleLimit", func(t *Torrent) any { return int(t.IdleLimit.Minutes()) }),
	simple("seedIdleMode", func(t *Torrent) any { return int(t.IdleMode) }),

	// Sotto's own; see Tuning.
	simple("sotto_shared", func(t *Torrent) any { return t.Shared }),
	simple("sotto_stable", func(t *Torrent) any { return t.Stable }),
	simple("sotto_networks", func(t *Torrent) any { return networkNames(t.Networks) }),
	simple("sotto_identity", func(t *Torrent) any { return plain(t.Identity, maxText) }),
	simple("sotto_seed_time", func(t *Torrent) any { return int(t.SeedTimeLimit.Minutes()) }),

	{"files", Files, files},
	{"fileStats", Files, fileStats},
	{"wanted", Files, wanted},
	{"priorities", Files, priorities},
	{"peers", Peers, peers},
	{"trackers", Trackers, trackers},
	{"trackerStats", Trackers, trackerStats},
	{"trackerList", Trackers, trackerList},
	{"pieces", Pieces, func(_ *Responder, t *Torrent) any { return base64.StdEncoding.EncodeToString(t.Pieces) }},
	{"availability", Availability, func(_ *Responder, t *Torrent) any { return t.Availability }},
}

// fieldNamed finds a field by its name in either dialect. Other spellings are
// no names: hekmon's client asks for "PieceSize" too, and would take the bytes
// for bits.
var fieldNamed = func() map[string]*field {
	m := make(map[string]*field, 2*len(fields))
	for i := range fields {
		f := &fields[i]
		m[f.name], m[snake(f.name)] = f, f
	}
	m["fileCount"] = m["file-count"] // as Sonarr asks
	return m
}()

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	// Never rounded up: 1 is for remotes the sign that it is done.
	return math.Floor(float64(part)/float64(whole)*1e4) / 1e4
}

// ratio is what was sent for what was fetched, or for what was there from the
// start. Transmission says -1 where there is none, -2 where it is infinite.
func ratio(t *Torrent) any {
	got := t.Downloaded
	if got == 0 {
		got = t.Valid
	}
	switch {
	case got > 0:
		return float64(t.Uploaded) / float64(got)
	case t.Uploaded > 0:
		return -2
	}
	return -1
}

// What Transmission says of a time that has no meaning, or is not known.
const (
	etaNone    = -1
	etaUnknown = -2
	longestETA = math.MaxInt32
)

// eta is the time in seconds until the download is done, at the rate of now.
// Until a ratio is reached is not told: remotes ask for the limits themselves.
func eta(t *Torrent) any {
	switch {
	case t.State != Downloading || t.Left <= 0:
		return etaNone
	case t.RateDown <= 0:
		return etaUnknown
	}
	return min(t.Left/t.RateDown, longestETA)
}

func etaIdle(t *Torrent) any {
	if t.State != Seeding || t.IdleMode != OwnLimit || t.IdleLimit <= t.IdleFor {
		return etaNone
	}
	return int64((t.IdleLimit - t.IdleFor).Seconds())
}

func sources(t *Torrent) any {
	s := t.Sources
	return object{
		{"fromCache", s.Cache},
		{"fromDht", s.DHT},
		{"fromIncoming", s.Incoming},
		{"fromLpd", 0}, // there is none: it would ask the local network
		{"fromLtep", 0},
		{"fromPex", s.Exchange},
		{"fromTracker", s.Tracker},
	}
}

func trackerList(_ *Responder, t *Torrent) any {
	var b strings.Builder
	for i, tr := range t.Trackers {
		if i > 0 && tr.Tier != t.Trackers[i-1].Tier {
			b.WriteByte('\n')
		}
		b.WriteString(plain(tr.URL, maxPath) + "\n")
	}
	return b.String()
}
