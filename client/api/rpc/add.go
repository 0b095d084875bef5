package rpc

import (
	"encoding/base64"
	"errors"
	"strings"

	"sotto/client/metainfo"
)

// torrentAdd takes magnet links, bare info hashes and torrent files in base64.
//
// filename cannot be a path, not even over the unix socket: the daemon lives
// in another cage than the caller and must not become its way to find out
// which files exist; whoever can read a torrent file can send it. An address
// of the web would have to be fetched around the networks.
func (c *call) torrentAdd(a *args) (object, error) {
	add := Addition{
		Paused: a.flag("paused"),
		Files:  a.fileChange(),
	}
	add.Link = readLink(a)
	if a.has("download_dir") {
		add.Folder, _ = c.folder(a, "download_dir")
	}
	if labels := a.labels("labels"); labels != nil {
		add.Labels = *labels
	}
	add.Group, _ = a.text("group", maxText)
	if n := a.whole("peer_limit", 1, maxPeers); n != nil {
		add.PeerLimit = *n
	}
	if n := a.whole("bandwidth_priority", -1, 1); n != nil {
		add.Priority = *n
	}
	if yes := a.flag("sequential_download"); yes != nil {
		add.Sequential = *yes
	}
	a.has("cookies") // were for fetching from the web
	if err := a.done(); err != nil {
		return nil, err
	}
	added, err := c.lib().Add(c.ctx, add)
	if err != nil {
		return nil, err
	}
	key := "torrent-added"
	if added.Duplicate {
		key = "torrent-duplicate"
	}
	return object{{key, object{
		{"hashString", added.Hash},
		{"id", added.ID},
		{"name", plain(added.Name, maxText)},
	}}}, nil
}

const maxPeers = 10_000

// readLink reads what is to be added, and notes in a why it cannot be.
func readLink(a *args) *metainfo.Link {
	name, named := a.text("filename", metainfo.MaxSize)
	data, given := a.text("metainfo", MaxBody)
	var link *metainfo.Link
	var err error
	switch {
	case given && data != "":
		link, err = readMetainfo(data)
	case named && name != "":
		link, err = readName(strings.TrimSpace(name))
	default:
		err = refuse("no filename or metainfo specified")
	}
	if err != nil && a.err == nil {
		a.err = err
	}
	return link
}

func readMetainfo(data string) (*metainfo.Link, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimRight(data, "\r\n"))
	if err != nil {
		return nil, &Error{CodeTorrent, "invalid or corrupt torrent file: not base64"}
	}
	return checkLink(metainfo.ParseTorrent(raw))
}

const instead = "send the torrent file itself or a magnet link"

func readName(name string) (*metainfo.Link, error) {
	lower := strings.ToLower(name)
	switch {
	case strings.HasPrefix(lower, "magnet:"):
		return checkLink(metainfo.ParseMagnet(name))
	case isHash(lower):
		return checkLink(metainfo.ParseMagnet("magnet:?xt=urn:btih:" + lower))
	case strings.Contains(name, "://"):
		return nil, &Error{CodeTorrent, "addresses are not fetched, it would go around the anonymising networks: " + instead}
	}
	return nil, &Error{CodeTorrent, "files are not opened for callers: " + instead}
}

func checkLink(link *metainfo.Link, err error) (*metainfo.Link, error) {
	var bad *metainfo.Error
	switch {
	case err == nil:
		return link, nil
	case errors.As(err, &bad): // repeats nothing of the input
		return nil, &Error{CodeTorrent, "invalid or corrupt torrent: " + bad.Error()}
	}
	return nil, &Error{CodeTorrent, "this torrent cannot be used"}
}
