package remote

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hekmon/transmissionrpc/v3"
	"github.com/stretchr/testify/require"
)

// script is a remote that is a program of a few lines around somebody's client.
type script struct {
	t    *testing.T
	dir  string
	line []string
}

func newPython(t *testing.T, d *real) remote {
	_, port, err := net.SplitHostPort(d.addr)
	require.NoError(t, err)
	return &script{t, ".", []string{"/usr/bin/python3", "testdata/daemon.py", port, d.token}}
}

func newNode(t *testing.T, d *real) remote {
	return &script{t, "testdata/node", []string{"node", "daemon.mjs", d.addr, d.token}}
}

func (s *script) do(verb string, args ...any) string {
	s.t.Helper()
	line := append(append([]string(nil), s.line...), verb)
	for _, a := range args {
		line = append(line, fmt.Sprint(a))
	}
	out, err := run(s.t, s.dir, line[0], line[1:]...)
	require.NoError(s.t, err, "%s: %s", verb, out)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

func (s *script) list() (rows []row) {
	require.NoError(s.t, json.Unmarshal([]byte(s.do("list")), &rows))
	return rows
}

func (s *script) limited() (kB int64) {
	require.NoError(s.t, json.Unmarshal([]byte(s.do("limited")), &kB))
	return kB
}

func (s *script) add(file, folder string)    { s.do("add", file, folder) }
func (s *script) link(magnet, folder string) { s.do("link", magnet, folder) }
func (s *script) stop(id int64)              { s.do("stop", id) }
func (s *script) start(id int64)             { s.do("start", id) }
func (s *script) choose(id int64)            { s.do("choose", id) }
func (s *script) all(id int64)               { s.do("all", id) }
func (s *script) limit(kB int64)             { s.do("limit", kB) }
func (s *script) move(id int64, to string)   { s.do("move", id, to) }
func (s *script) remove(id int64, data bool) { s.do("remove", id, data) }

// hekmon is the client of Go programs.
type hekmon struct {
	t *testing.T
	c *transmissionrpc.Client
}

func newHekmon(t *testing.T, d *real) remote {
	u, err := url.Parse("http://me:" + d.token + "@" + d.addr + "/transmission/rpc")
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := transmissionrpc.New(u, &transmissionrpc.Config{CustomClient: &http.Client{Transport: transport, Timeout: time.Minute}})
	require.NoError(t, err)
	return &hekmon{t, c}
}

func (h *hekmon) ok(err error) {
	h.t.Helper()
	require.NoError(h.t, err)
}

func (h *hekmon) add(file, folder string) {
	paused := true
	text, err := transmissionrpc.File2Base64(file)
	h.ok(err)
	_, err = h.c.TorrentAdd(h.t.Context(), transmissionrpc.TorrentAddPayload{MetaInfo: &text, DownloadDir: &folder, Paused: &paused})
	h.ok(err)
}

func (h *hekmon) link(magnet, folder string) {
	paused := true
	_, err := h.c.TorrentAdd(h.t.Context(), transmissionrpc.TorrentAddPayload{Filename: &magnet, DownloadDir: &folder, Paused: &paused})
	h.ok(err)
}

func (h *hekmon) list() (rows []row) {
	all, err := h.c.TorrentGetAll(h.t.Context())
	h.ok(err)
	for _, x := range all {
		r := row{
			ID: *x.ID, Hash: *x.HashString, Name: *x.Name, Dir: *x.DownloadDir, Status: int(*x.Status), Done: *x.PercentDone,
			Have: *x.HaveValid, Left: *x.LeftUntilDone, Fetched: *x.DownloadedEver, Limit: -1,
		}
		if *x.DownloadLimited {
			r.Limit = *x.DownloadLimit
		}
		for i, f := range x.Files {
			r.Files = append(r.Files, fileRow{f.Name, f.Length, f.BytesCompleted, x.Wanted[i], int(x.Priorities[i])})
		}
		rows = append(rows, r)
	}
	return rows
}

func (h *hekmon) stop(id int64)  { h.ok(h.c.TorrentStopIDs(h.t.Context(), []int64{id})) }
func (h *hekmon) start(id int64) { h.ok(h.c.TorrentStartIDs(h.t.Context(), []int64{id})) }

func (h *hekmon) choose(id int64) {
	kB, yes := int64(900), true
	h.ok(h.c.TorrentSet(h.t.Context(), transmissionrpc.TorrentSetPayload{
		IDs: []int64{id}, DownloadLimit: &kB, DownloadLimited: &yes, FilesUnwanted: []int64{0}, PriorityHigh: []int64{1},
	}))
}

func (h *hekmon) all(id int64) {
	h.ok(h.c.TorrentSet(h.t.Context(), transmissionrpc.TorrentSetPayload{IDs: []int64{id}, FilesWanted: []int64{0, 1, 2}}))
}

func (h *hekmon) limit(kB int64) {
	yes := true
	h.ok(h.c.SessionArgumentsSet(h.t.Context(), transmissionrpc.SessionArguments{SpeedLimitDown: &kB, SpeedLimitDownEnabled: &yes}))
}

func (h *hekmon) limited() int64 {
	s, err := h.c.SessionArgumentsGetAll(h.t.Context())
	h.ok(err)
	return *s.SpeedLimitDown
}

func (h *hekmon) move(id int64, to string) {
	h.ok(h.c.TorrentSetLocation(h.t.Context(), id, to, true))
}

func (h *hekmon) remove(id int64, data bool) {
	h.ok(h.c.TorrentRemove(h.t.Context(), transmissionrpc.TorrentRemovePayload{IDs: []int64{id}, DeleteLocalData: data}))
}

// byHand is Debian's transmission-remote, whose tables are read as a user does.
type byHand struct {
	t *testing.T
	d *real
}

func newTransmissionRemote(t *testing.T, d *real) remote { return &byHand{t, d} }

func (b *byHand) ask(args ...string) string {
	b.t.Helper()
	out, err := run(b.t, ".", "transmission-remote", append([]string{b.d.addr, "-n", "me:" + b.d.token}, args...)...)
	require.NoError(b.t, err, "%v: %s", args, out)
	return out
}

// do asks for something that is answered with success.
func (b *byHand) do(args ...string) {
	b.t.Helper()
	require.Contains(b.t, b.ask(args...), `responded: "success"`, args)
}

var (
	inList = regexp.MustCompile(`(?m)^\s*(\d+)\*?\s+(?:\S+%|n/a)\s.*?(\S+)$`)
	inInfo = regexp.MustCompile(`(?m)^\s+([A-Z][A-Za-z ]+): (.*)$`)
	inFile = regexp.MustCompile(`(?m)^\s*\d+:\s+(\d+)%\s+(Low|Normal|High)\s+(Yes|No)\s+([0-9.]+) (\w+)\s+(.*)$`)
)

func (b *byHand) list() (rows []row) {
	for _, m := range inList.FindAllStringSubmatch(b.ask("-l"), -1) {
		r := row{Name: m[2], Have: -1, Left: -1, Fetched: -1, Limit: -1}
		r.ID, _ = strconv.ParseInt(m[1], 10, 64)
		for _, m := range inInfo.FindAllStringSubmatch(b.ask("-t", m[1], "-i"), -1) {
			switch m[1] {
			case "Hash":
				r.Hash = m[2]
			case "Location":
				r.Dir = m[2]
			case "State":
				r.Status = map[string]int{"Stopped": 0, "Finished": 0}[m[2]]
				if m[2] != "Stopped" && m[2] != "Finished" {
					r.Status = 4
				}
			case "Percent Done":
				done, err := strconv.ParseFloat(strings.TrimSuffix(m[2], "%"), 64)
				if err == nil { // "nan": nothing is known of a magnet link
					r.Done = done / 100
				}
			case "Download Limit":
				fmt.Sscanf(m[2], "%d kB/s", &r.Limit)
			}
		}
		for _, m := range inFile.FindAllStringSubmatch(b.ask("-t", m[1], "-f"), -1) {
			f := fileRow{Name: m[6], Wanted: m[3] == "Yes", Priority: map[string]int{"Low": -1, "Normal": 0, "High": 1}[m[2]]}
			number, err := strconv.ParseFloat(m[4], 64)
			require.NoError(b.t, err)
			f.Size = int64(number * map[string]float64{"Bytes": 1, "kB": 1e3, "MB": 1e6}[m[5]])
			if f.Size > 1_040_000 && f.Size < 1_060_000 {
				f.Size = 1 << 20 // it shows two places
			}
			if m[1] == "100" {
				f.Have = f.Size
			}
			r.Files = append(r.Files, f)
		}
		rows = append(rows, r)
	}
	return rows
}

func (b *byHand) limited() (kB int64) {
	m := regexp.MustCompile(`Download speed limit: (\d+) kB/s`).FindStringSubmatch(b.ask("-si"))
	require.NotNil(b.t, m, b.ask("-si"))
	kB, err := strconv.ParseInt(m[1], 10, 64)
	require.NoError(b.t, err)
	return kB
}

func (b *byHand) add(file, folder string)    { b.do("-a", file, "-w", folder, "-S") }
func (b *byHand) link(magnet, folder string) { b.do("-a", magnet, "-w", folder, "-S") }
func (b *byHand) stop(id int64)              { b.do("-t", fmt.Sprint(id), "-S") }
func (b *byHand) start(id int64)             { b.do("-t", fmt.Sprint(id), "-s") }
func (b *byHand) choose(id int64) {
	b.do("-t", fmt.Sprint(id), "-G", "0", "-ph", "1", "-d", "900")
}
func (b *byHand) all(id int64)             { b.do("-t", fmt.Sprint(id), "-g", "all") }
func (b *byHand) limit(kB int64)           { b.do("-d", fmt.Sprint(kB)) }
func (b *byHand) move(id int64, to string) { b.do("-t", fmt.Sprint(id), "--move", to) }

func (b *byHand) remove(id int64, data bool) {
	how := "-r"
	if data {
		how = "--remove-and-delete"
	}
	b.do("-t", fmt.Sprint(id), how)
}

// twenty are invocations of transmission-remote that say success or show what is
// so, one after another, against a real daemon.
func twenty(t *testing.T, d *real, a album) {
	b := &byHand{t, d}
	folder := filepath.Join(d.Downloads, "again")
	b.do("-w", folder)
	b.do("-a", a.file)
	id := fmt.Sprint(only(t, b).ID)
	until(t, d, b, "done", func(x row) bool { return x.Done == 1 })
	for _, args := range [][]string{
		{"-t", id, "-S"}, {"-t", id, "-s"}, {"-t", id, "-d", "900"}, {"-t", id, "-u", "800"}, {"-t", id, "-D"}, {"-t", id, "-pl", "0"},
		{"-t", id, "-pn", "0"}, {"-t", id, "-Bh"}, {"-t", id, "-sr", "1.5"}, {"-t", id, "-L", "x,y"}, {"-t", id, "-pr", "9"},
		{"-t", id, "--reannounce"}, {"-t", id, "-v"}, {"-d", "500"}, {"-u", "400"}, {"-as"}, {"-AS"}, {"-D"}, {"-U"}, {"-gsr", "2"},
	} {
		b.do(args...)
	}
	x := until(t, d, b, "verified", func(x row) bool { return x.Done == 1 && x.Status != 0 })
	requireFiles(t, a, filepath.Join(folder, a.name), "one", "three", "two")
	for what, args := range map[string][]string{
		a.name: {"-l"}, x.Hash: {"-t", id, "-i"}, a.name + "/one": {"-t", id, "-f"}, "Tracker 0": {"-t", id, "-it"},
		"1111": {"-t", id, "-ic"}, "Address": {"-t", id, "-ip"}, folder: {"-si"}, "TOTAL": {"-st"}, "Port is open: No": {"-pt"},
	} {
		require.Contains(t, b.ask(args...), what, args)
	}
	b.do("-t", id, "--remove-and-delete")
	require.Empty(t, b.list())
}
