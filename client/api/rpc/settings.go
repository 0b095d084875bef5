package rpc

import "time"

// setting is one key of session-get and session-set.
type setting struct {
	name string     // legacy spelling
	get  func() any // asked for only when a caller does
	// set reads the argument of that name; nil when it cannot be changed, and
	// then why says so after "…: ".
	set func(a *args, name string)
	why string
}

// Why a setting of Transmission's cannot be changed.
const (
	clearnet    = "it would reach around the anonymising networks"
	noAddresses = "peers on the anonymising networks have no IP address"
	noPort      = "there is no port on this machine that peers could reach"
	noScripts   = "programs cannot be started from here"
	fact        = "it is not a setting"
)

// settings are all keys there are, with their values from s and their places
// in ch. What would reach the open internet, or run a program, is off, and
// stays off.
func (c *call) settings(s *Settings, ch *SettingsChange) []setting {
	return []setting{
		single("alt-speed-down", s.Alt.Down, &ch.AltDown, (*args).rate),
		single("alt-speed-enabled", s.Alt.On, &ch.AltOn, (*args).flag),
		single("alt-speed-time-begin", s.Alt.Begin, &ch.AltBegin, timeOfDay),
		single("alt-speed-time-day", s.Alt.Days, &ch.AltDays, within(0, 127)),
		single("alt-speed-time-enabled", s.Alt.Scheduled, &ch.AltScheduled, (*args).flag),
		single("alt-speed-time-end", s.Alt.End, &ch.AltEnd, timeOfDay),
		single("alt-speed-up", s.Alt.Up, &ch.AltUp, (*args).rate),
		fixed("blocklist-enabled", false, noAddresses),
		fixed("blocklist-size", 0, noAddresses),
		fixed("blocklist-url", "", clearnet),
		fixed("cache-size-mb", 0, fact),
		fixed("config-dir", "", fact),
		fixed("default-trackers", "", "a tracker for all torrents would link them to each other"),
		fixed("dht-enabled", false, clearnet),
		single("download-dir", s.Folder, &ch.Folder, c.readFolder),
		{name: "download-dir-free-space", get: func() any { return c.freeOn(s.Folder) }, why: fact},
		single("download-queue-enabled", s.DownloadQueue, &ch.DownloadQueue, (*args).flag),
		single("download-queue-size", s.DownloadQueueSize, &ch.DownloadQueueSize, within(1, maxIDs)),
		fixed("encryption", c.encryption(s), "it is decided for each network in the configuration file"),
		single("idle-seeding-limit", s.IdleLimit, &ch.IdleLimit, anyMinutes),
		single("idle-seeding-limit-enabled", s.LimitIdle, &ch.LimitIdle, (*args).flag),
		single("incomplete-dir", s.IncompleteFolder, &ch.IncompleteFolder, c.readFolder),
		single("incomplete-dir-enabled", s.UseIncomplete, &ch.UseIncomplete, (*args).flag),
		fixed("lpd-enabled", false, clearnet),
		single("peer-limit-global", s.PeerLimit, &ch.PeerLimit, within(1, maxPeers)),
		single("peer-limit-per-torrent", s.TorrentPeerLimit, &ch.TorrentPeerLimit, within(1, maxPeers)),
		fixed("peer-port", 0, noPort),
		fixed("peer-port-random-on-start", false, noPort),
		fixed("pex-enabled", false, "peer exchange between networks does not exist, and within one it is not a setting"),
		fixed("port-forwarding-enabled", false, clearnet),
		single("queue-stalled-enabled", s.StalledQueue, &ch.StalledQueue, (*args).flag),
		single("queue-stalled-minutes", s.StalledAfter, &ch.StalledAfter, anyMinutes),
		single("rename-partial-files", s.PartSuffix, &ch.PartSuffix, (*args).flag),
		fixed("rpc-version", byDialect(c, rpcVersion, modernVersion), fact),
		fixed("rpc-version-minimum", rpcVersionMinimum, fact),
		fixed("rpc-version-semver", byDialect(c, rpcSemver, ModernSemver), fact),
		fixed("script-torrent-added-enabled", false, noScripts),
		fixed("script-torrent-added-filename", "", noScripts),
		fixed("script-torrent-done-enabled", false, noScripts),
		fixed("script-torrent-done-filename", "", noScripts),
		fixed("script-torrent-done-seeding-enabled", false, noScripts),
		fixed("script-torrent-done-seeding-filename", "", noScripts),
		single("seed-queue-enabled", s.SeedQueue, &ch.SeedQueue, (*args).flag),
		single("seed-queue-size", s.SeedQueueSize, &ch.SeedQueueSize, within(1, maxIDs)),
		single("seedRatioLimit", s.RatioLimit, &ch.RatioLimit, anyRatio),
		single("seedRatioLimited", s.LimitRatio, &ch.LimitRatio, (*args).flag),
		fixed("session-id", c.r.config.SessionID, fact),
		single("speed-limit-down", s.SpeedDown, &ch.SpeedDown, (*args).rate),
		single("speed-limit-down-enabled", s.LimitDown, &ch.LimitDown, (*args).flag),
		single("speed-limit-up", s.SpeedUp, &ch.SpeedUp, (*args).rate),
		single("speed-limit-up-enabled", s.LimitUp, &ch.LimitUp, (*args).flag),
		single("start-added-torrents", s.StartAdded, &ch.StartAdded, (*args).flag),
		fixed("tcp-enabled", false, clearnet),
		fixed("trash-original-torrent-files", false, "torrent files come over the API and lie nowhere"),
		fixed("units", units, fact),
		fixed("utp-enabled", false, clearnet),
		fixed("version", likeTransmission+" (sotto "+c.r.config.Version+")", fact),
	}
}

var units = object{
	{"memory-bytes", 1024},
	{"memory-units", []string{"KiB", "MiB", "GiB", "TiB"}},
	{"size-bytes", 1000},
	{"size-units", []string{"kB", "MB", "GB", "TB"}},
	{"speed-bytes", 1000},
	{"speed-units", []string{"kB/s", "MB/s", "GB/s", "TB/s"}},
}

// single is a setting of one value that read understands; times are minutes.
func single[T any](name string, value T, place **T, read func(*args, string) *T) setting {
	return setting{
		name: name,
		get: func() any {
			if d, ok := any(value).(time.Duration); ok {
				return int(d / time.Minute)
			}
			return value
		},
		set: func(a *args, name string) { *place = read(a, name) },
	}
}

func fixed(name string, value any, why string) setting {
	return setting{name: name, get: func() any { return value }, why: why}
}

func within(low, high int) func(*args, string) *int {
	return func(a *args, name string) *int { return a.whole(name, low, high) }
}

func timeOfDay(a *args, name string) *time.Duration  { return a.minutes(name, 24*60-1) }
func anyMinutes(a *args, name string) *time.Duration { return a.minutes(name, maxMinutes) }
func anyRatio(a *args, name string) *float64         { return a.number(name, 0, maxRatio) }

func (c *call) readFolder(a *args, name string) *string {
	folder, ok := c.folder(a, name)
	if !ok {
		return nil
	}
	return &folder
}

func byDialect[T any](c *call, old, new T) T {
	if c.dialect == modern {
		return new
	}
	return old
}

// encryption has one word that the dialects spell differently.
func (c *call) encryption(s *Settings) string {
	if s.Encryption == "tolerated" {
		return byDialect(c, "tolerated", "allowed")
	}
	return s.Encryption
}

// freeOn is -1 when nobody knows, as Transmission says it.
func (c *call) freeOn(folder string) int64 {
	free, _, err := c.lib().Space(c.ctx, folder)
	if err != nil {
		return -1
	}
	return free
}
