package rpc

// The fields of torrent-get that are lists of objects.

func files(_ *Responder, t *Torrent) any {
	out := make([]object, 0, len(t.Files))
	for _, f := range t.Files {
		out = append(out, object{
			{"bytesCompleted", f.Have},
			{"length", f.Size},
			{"name", plain(f.Path, maxPath)},
			{"begin_piece", f.First},
			{"end_piece", f.Last + 1},
		})
	}
	return out
}

func fileStats(_ *Responder, t *Torrent) any {
	out := make([]object, 0, len(t.Files))
	for _, f := range t.Files {
		out = append(out, object{
			{"bytesCompleted", f.Have},
			{"priority", f.Priority},
			{"wanted", f.Wanted},
		})
	}
	return out
}

// wanted is 0 or 1 for each file, in both dialects: as booleans, which the
// specification promises, it broke clients, and Transmission 4 took it back.
func wanted(_ *Responder, t *Torrent) any {
	out := make([]int, len(t.Files))
	for i, f := range t.Files {
		if f.Wanted {
			out[i] = 1
		}
	}
	return out
}

func priorities(_ *Responder, t *Torrent) any {
	out := make([]int, len(t.Files))
	for i, f := range t.Files {
		out[i] = f.Priority
	}
	return out
}

func peers(r *Responder, t *Torrent) any {
	out := make([]object, 0, len(t.Peers))
	for _, p := range t.Peers {
		out = append(out, object{
			{"address", r.peerName(p.Addr)},
			{"clientIsChoked", p.Choking},
			{"clientIsInterested", p.Interested},
			{"clientName", plain(p.Client, 64)},
			{"flagStr", flags(p)},
			{"isDownloadingFrom", p.Sending},
			{"isEncrypted", p.Encrypted},
			{"isIncoming", p.Incoming},
			{"isUTP", false}, // there is none: it is UDP
			{"isUploadingTo", p.Taking},
			{"peerIsChoked", p.Choked},
			{"peerIsInterested", p.Interesting},
			{"port", r.peerPort(p.Addr)},
			{"progress", p.Share},
			{"rateToClient", p.RateDown},
			{"rateToPeer", p.RateUp},
		})
	}
	return out
}

// flags are Transmission's letters for what a peer and we do to each other.
func flags(p Peer) string {
	out := ""
	letter := func(yes bool, c string) {
		if yes {
			out += c
		}
	}
	letter(p.Sending, "D")
	letter(!p.Sending && p.Interested, "d")
	letter(p.Taking, "U")
	letter(!p.Taking && p.Interesting, "u")
	letter(!p.Choking && !p.Interested, "K")
	letter(!p.Choked && !p.Interesting, "?")
	letter(p.Encrypted, "E")
	letter(p.FromExchange, "X")
	letter(p.Incoming, "I")
	return out
}

func trackers(_ *Responder, t *Torrent) any {
	out := make([]object, 0, len(t.Trackers))
	for _, tr := range t.Trackers {
		out = append(out, object{
			{"announce", plain(tr.URL, maxPath)},
			{"id", tr.ID},
			{"scrape", ""},
			{"sitename", plain(tr.Host, maxText)},
			{"tier", tr.Tier},
		})
	}
	return out
}

// trackerStats says of scrapes what Transmission says before the first one:
// we make none.
func trackerStats(_ *Responder, t *Torrent) any {
	out := make([]object, 0, len(t.Trackers))
	for _, tr := range t.Trackers {
		out = append(out, object{
			{"announce", plain(tr.URL, maxPath)},
			{"announceState", int(tr.State)},
			{"downloadCount", tr.Downloads},
			{"hasAnnounced", !tr.Last.IsZero()},
			{"hasScraped", false},
			{"host", plain(tr.Host, maxText)},
			{"id", tr.ID},
			{"isBackup", tr.Backup},
			{"lastAnnouncePeerCount", tr.LastPeers},
			{"lastAnnounceResult", plain(tr.LastResult, maxText)},
			{"lastAnnounceStartTime", tr.LastStart},
			{"lastAnnounceSucceeded", tr.LastOK},
			{"lastAnnounceTime", tr.Last},
			{"lastAnnounceTimedOut", tr.TimedOut},
			{"lastScrapeResult", ""},
			{"lastScrapeStartTime", 0},
			{"lastScrapeSucceeded", false},
			{"lastScrapeTime", 0},
			{"lastScrapeTimedOut", false},
			{"leecherCount", tr.Leechers},
			{"nextAnnounceTime", tr.Next},
			{"nextScrapeTime", 0},
			{"scrape", ""},
			{"scrapeState", int(AnnounceInactive)},
			{"seederCount", tr.Seeders},
			{"sitename", plain(tr.Host, maxText)},
			{"tier", tr.Tier},
		})
	}
	return out
}
