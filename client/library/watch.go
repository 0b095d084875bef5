package library

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

const (
	maxFound = 100 // files taken from the watch folder at a time
	maxLink  = 64 << 10
)

// scan returns a worker that looks into the watch folder. It polls: nothing is
// lost when the folder is on a network or comes late, and nobody has to watch
// the watcher. A file is read when it has not grown since the last look. One that
// a torrent has brought is that torrent's: strangers add nothing.
func (o *owner) scan() func() report {
	dir, seen := filepath.Clean(o.opts.Watch), o.seen
	return func() report {
		r := found{seen: make(map[string]int64)}
		list, err := os.ReadDir(dir)
		if err != nil {
			return r
		}
		for _, e := range list {
			name := e.Name()
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() || len(r.links) >= maxFound ||
				!strings.HasSuffix(name, ".torrent") && !strings.HasSuffix(name, ".magnet") ||
				len(o.claims.others(nil, dir, name)) > 0 {
				continue
			}
			at := filepath.Join(dir, name)
			size, before := seen[name]
			if !before || size != info.Size() {
				r.seen[name] = info.Size()
				continue
			}
			link, err := readLink(at)
			var bad *metainfo.Error
			if errors.As(err, &bad) {
				aside(at, ".refused") // or it is refused once more next time
			}
			if err != nil {
				continue // the next look tries again
			}
			r.links = append(r.links, foundLink{at, link})
		}
		return r
	}
}

// aside gives a file another name, which no other has: what the user has put there
// before is the user's.
func aside(at, suffix string) {
	for n := range maxFound {
		to := at + suffix
		if n > 0 {
			to = fmt.Sprintf("%s.%d%s", at, n, suffix)
		}
		if _, err := os.Lstat(to); notThere(err) {
			os.Rename(at, to)
			return
		}
	}
}

func readLink(at string) (*metainfo.Link, error) {
	if strings.HasSuffix(at, ".torrent") {
		return metainfo.Open(at)
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxLink))
	if err != nil {
		return nil, err
	}
	return metainfo.ParseMagnet(strings.TrimSpace(string(raw)))
}

type foundLink struct {
	at   string
	link *metainfo.Link
}

// found: the watch folder has something.
type found struct {
	seen  map[string]int64
	links []foundLink
}

func (r found) take(o *owner) {
	o.watching, o.seen = false, r.seen
	if o.leaving {
		return
	}
	for _, f := range r.links {
		if _, err := o.admitNew(rpc.Addition{Link: f.link}); err != nil {
			o.opts.Log.Debug("the watch folder has a torrent that cannot be added", "error", err)
			continue // the next look tries again
		}
		aside(f.at, ".added") // otherwise it is a duplicate next time
	}
}
