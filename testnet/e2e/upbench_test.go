package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/caller"
	"sotto/client/api/rpc/rpctest"
	"sotto/client/metainfo"
	"sotto/testnet/user"
)

// BenchmarkUp adds 1,000 torrents that nobody shares to a daemon on Tor, starts it
// again, and asks it as the command line does.
func BenchmarkUp(b *testing.B) {
	u := newUser(b, "tor")
	d := upThousand(b, u)
	require.NoError(b, d.Terminate())
	require.Zero(b, d.Wait(), d.Said())
	for range b.N {
		begun := time.Now()
		d = up(b, u)
		require.Len(b, list(b, d), 1000)
		b.ReportMetric(time.Since(begun).Seconds()*1000, "ready-ms")
		_, err := d.Await(within(b), func(e user.Event) bool { return e.Event == "router" && e.Phase == "ready" })
		require.NoError(b, err)
		time.Sleep(20 * time.Second)
		cpu := processTime(b, d.PID()) + processTime(b, d.Engine())
		time.Sleep(20 * time.Second)
		b.ReportMetric((processTime(b, d.PID())+processTime(b, d.Engine())-cpu).Seconds()/20*100, "idle-%cpu")
		var all []time.Duration
		for range 21 {
			at := time.Now()
			list(b, d)
			all = append(all, time.Since(at))
		}
		slices.Sort(all)
		b.ReportMetric(float64(all[10].Microseconds())/1000, "ls-ms")
		b.ReportMetric(memory(b, d.PID()), "broker-MB")
		b.ReportMetric(memory(b, d.Engine()), "engine-MB")
		b.ReportMetric(0, "ns/op")
		require.NoError(b, d.Terminate())
		require.Zero(b, d.Wait(), d.Said())
	}
}

func list(b *testing.B, d *user.Daemon) []user.Item {
	all, err := caller.Torrents[user.Item](b.Context(), d.Caller, nil)
	require.NoError(b, err, d.Said())
	return all
}

// upThousand starts a daemon and adds the torrents, as fast as it lets us.
func upThousand(b *testing.B, u *user.User) *user.Daemon {
	d := up(b, u)
	for i := range 1000 {
		link, err := metainfo.ParseTorrent(rpctest.Torrent(fmt.Sprintf("torrent %d", i), "a", "b", "c", "d", "e", "f"))
		require.NoError(b, err)
		own, err := metainfo.ParseTracker("http://" + anon.OnionAddr([32]byte{1, byte(i), byte(i >> 8)}, 80).Reveal() + "/announce")
		require.NoError(b, err)
		link.Trackers = []metainfo.Tracker{own}
		params := map[string]any{"metainfo": base64.StdEncoding.EncodeToString(link.Torrent())}
		for {
			var raw json.RawMessage
			err := d.Call(b.Context(), "torrent_add", params, &raw)
			var busy *caller.StatusError
			if errors.As(err, &busy) && busy.Status == 429 {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			require.NoError(b, err, d.Said())
			break
		}
	}
	return d
}

// processTime is how long a process has had a core. The kernel counts in
// hundredths of a second.
func processTime(b *testing.B, pid int) time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(b, err)
	// pid (comm) state …, of which the twelfth and thirteenth are utime and stime.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	var user, system int64
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	require.NoError(b, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory is what of a process is resident, in MB of 2^20 bytes.
func memory(b *testing.B, pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	require.NoError(b, err)
	var all, resident int64
	_, err = fmt.Sscan(string(raw), &all, &resident)
	require.NoError(b, err)
	return float64(resident*int64(os.Getpagesize())) / mib
}
