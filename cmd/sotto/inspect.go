package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sotto/client/metainfo"
)

func (a *app) inspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect LINK|FILE.torrent",
		Short: "Show what is in a link or torrent file, and what is ignored",
		Long: `Show what is in a link or torrent file, and what is ignored.

Touches no network. With - the link is read from standard input.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := oneLink(args[0], os.Stdin)
			if err != nil {
				return err
			}
			return a.inspect(c.Context(), from)
		},
	}
}

// inspectJob is an inspection as the engine sees it.
type inspectJob struct {
	From string `json:"from"` // a link, or the path of a torrent file
}

// inspect has the engine look, with no network to look over: what strangers
// wrote is not read outside its walls.
func (a *app) inspect(ctx context.Context, from string) error {
	from, read, err := linkScope(from)
	if err != nil {
		return err
	}
	a.quietWalls = true
	return a.engines(ctx, &post{
		job: &job{JSON: a.json, Inspect: &inspectJob{from}}, scope: scope{read: read}, lives: briefly,
	})
}

func (a *app) doInspect(j *inspectJob) error {
	link, err := openLink(j.From)
	if err != nil {
		return err
	}
	var info *metainfo.Info
	if link.Info != nil {
		if info, err = metainfo.ParseInfo(link.Info, link.InfoHash); err != nil {
			return err
		}
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(inspection(link, info))
	}
	a.printLink(link, info)
	return nil
}

// openLink reads what a user gives as a link. A path that is not there is
// their mistake, not the file's.
func openLink(arg string) (*metainfo.Link, error) {
	link, err := metainfo.Open(arg)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, badUsage(fmt.Errorf("%q is neither a magnet link nor a file", metainfo.Printable(arg, maxSentence)))
	}
	return link, err
}

func (a *app) printLink(link *metainfo.Link, info *metainfo.Info) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("name", "%s", or(link.Name, "not given"))
	row("info hash", "%x", link.InfoHash)
	if link.V2Hash != ([32]byte{}) {
		row("v2 info hash", "%x", link.V2Hash)
	}
	if info != nil {
		row("format", "%s", info.Format())
	}
	if info == nil {
		row("files", "known once a peer sends the metadata")
	} else {
		row("size", "%s in %d %s, %d %s of %s", size(info.Length), len(info.Files), plural(len(info.Files), "file"),
			info.Pieces, plural(info.Pieces, "piece"), size(info.PieceLength))
		for i, f := range info.Files {
			if !f.Pad {
				row(fmt.Sprintf("file %d", i), "%s  %s", metainfo.Printable(f.Path, maxSentence), size(f.Length))
			}
		}
	}
	if link.Files != nil {
		row("to fetch", "files %s", link.Files)
	}
	for _, t := range link.Trackers {
		row("tracker", "%s  (%s)", t.URL, t.Net)
	}
	for _, p := range link.Peers {
		row("peer", "%s  (%s)", p.Reveal(), p.On())
	}
	for _, s := range link.WebSeeds {
		row("web seed", "%s  (%s)", s.URL, s.Net)
	}
	if !reachable(link) {
		row("warning", "nothing in it can be reached over Tor or I2P")
	}
	for _, i := range link.Ignored {
		row("ignored", "%s %s: %s", i.Kind, i.Text, i.Why)
	}
	if link.More > 0 {
		row("ignored", "%d more", link.More)
	}
}

// reachable reports whether the link names anybody to ask. A web seed has no
// metadata to give.
func reachable(link *metainfo.Link) bool {
	return len(link.Trackers)+len(link.Peers) > 0 || link.Info != nil && len(link.WebSeeds) > 0
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

type inspectJSON struct {
	Name        string        `json:"name,omitempty"`
	InfoHash    string        `json:"info_hash"`
	V2Hash      string        `json:"v2_info_hash,omitempty"`
	Format      string        `json:"format,omitempty"` // v1, hybrid or v2
	Bytes       int64         `json:"bytes,omitempty"`
	PieceLength int64         `json:"piece_length,omitempty"`
	Private     bool          `json:"private"`
	Files       []fileJSON    `json:"files,omitempty"`
	Selected    string        `json:"selected,omitempty"` // as in so=
	Trackers    []string      `json:"trackers"`
	Peers       []string      `json:"peers"`
	WebSeeds    []string      `json:"web_seeds"`
	Ignored     []ignoredJSON `json:"ignored"`
	MoreIgnored int           `json:"more_ignored,omitempty"`
}

type fileJSON struct {
	Number int    `json:"number"`
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
}

type ignoredJSON struct {
	Kind string `json:"kind"`
	Text string `json:"text,omitempty"`
	Why  string `json:"why"`
}

func inspection(link *metainfo.Link, info *metainfo.Info) inspectJSON {
	j := inspectJSON{
		Name: link.Name, InfoHash: hex.EncodeToString(link.InfoHash[:]), Private: link.Private,
		Trackers: []string{}, Peers: []string{}, WebSeeds: []string{}, Ignored: []ignoredJSON{}, MoreIgnored: link.More, Selected: link.Files.String(),
	}
	if link.V2Hash != ([32]byte{}) {
		j.V2Hash = hex.EncodeToString(link.V2Hash[:])
	}
	if info != nil {
		j.Format = info.Format().String()
		j.Bytes, j.PieceLength = info.Length, info.PieceLength
		for i, f := range info.Files {
			if !f.Pad {
				j.Files = append(j.Files, fileJSON{i, f.Path, f.Length})
			}
		}
	}
	for _, t := range link.Trackers {
		j.Trackers = append(j.Trackers, t.URL)
	}
	for _, p := range link.Peers {
		j.Peers = append(j.Peers, p.Reveal())
	}
	for _, s := range link.WebSeeds {
		j.WebSeeds = append(j.WebSeeds, s.URL)
	}
	for _, i := range link.Ignored {
		j.Ignored = append(j.Ignored, ignoredJSON{string(i.Kind), i.Text, i.Why})
	}
	return j
}
