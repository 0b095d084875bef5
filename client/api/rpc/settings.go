package rpc

import "time"

// setting is one key of session-get and session-set.
type setting struct {
	name string // legacy spelling
	get  func(*call, *Settings) any
	// set reads the argument called name; nil when it cannot be changed, and
	// then why says so after "…: ".
	set func(c *call, a *args, name string, ch *SettingsChange)
	why string
}

// Why a setting of Transmission's cannot be changed.
const (
	clearnet    = "it would reach around the anonymising networks"
	noAddresses = "peers on the anonymising networks have no IP address"
	noScripts   = "programs cannot be started from here"
	inFile      = "it is decided by the configuration file"
	fact        = "it is not a setting"
)

// settings are all keys there are. What would reach the open internet, or run
// a program, is off, and stays off.
var settings = []setting{
	plainSetting("alt-speed-down", func(s *Settings) any { return s.Alt.Down }, func(ch *SettingsChange) **int64 { return &ch.AltDown }, (*args).rate),
	plainSetting("alt-speed-enabled", func(s *Settings) any { return s.Alt.On }, func(ch *SettingsChange) **bool { return &ch.AltOn }, (*args).flag),
	plainSetting("alt-speed-time-begin", func(s *Settings) any { return inMinutes(s.Alt.Begin) }, func(ch *SettingsChange) **time.Duration { return &ch.AltBegin }, timeOfDay),
	plainSetting("alt-speed-time-day", func(s *Settings) any { return s.Alt.Days }, func(ch *SettingsChange) **int { return &ch.AltDays }, upTo(0, 127)),
	plainSetting("alt-speed-time-enabled", func(s *Settings) any { return s.Alt.Scheduled }, func(ch *SettingsChange) **bool { return &ch.AltScheduled }, (*args).flag),
	plainSetting("alt-speed-time-end", func(s *Settings) any { return inMinutes(s.Alt.End) }, func(ch *SettingsChange) **time.Duration { return &ch.AltEnd }, timeOfDay),
	plainSetting("alt-speed-up", func(s *Settings) any { return s.Alt.Up }, func(ch *SettingsChange) **int64 { return &ch.AltUp }, (*args).rate),
	fixed("blocklist-enabled", false, noAddresses),
	fixed("blocklist-size", 0, noAddresses),
	fixed("blocklist-url", "", clearnet),
	fixed("cache-size-mb", 0, fact),
	fixed("config-dir", "", fact),
	fixed("default-trackers", "", "a tracker for all torrents would link them to each other"),
	fixed("dht-enabled", false, clearnet),
	{"download-dir", func(_ *call, s *Settings) any { return s.Folder }, folderSetting(func(ch *SettingsChange) **string { return &ch.Folder }), ""},
	{"download-dir-free-space", freeSpaceOf, nil, fact},
	plainSetting("download-queue-enabled", func(s *Settings) any { return s.DownloadQueue }, func(ch *SettingsChange) **bool { return &ch.DownloadQueue }, (*args).flag),
	plainSetting("download-queue-size", func(s *Settings) any { return s.DownloadQueueSize }, func(ch *SettingsChange) **int { return &ch.DownloadQueueSize }, upTo(1, maxIDs)),
	{"encryption", encryption, nil, "it is decided for each network in the configuration file"},
	plainSetting("idle-seeding-limit", func(s *Settings) any { return inMinutes(s.IdleLimit) }, func(ch *SettingsChange) **time.Duration { return &ch.IdleLimit }, anyMinutes),
	plainSetting("idle-seeding-limit-enabled", func(s *Settings) any { return s.LimitIdle }, func(ch *SettingsChange) **bool { return &ch.LimitIdle }, (*args).flag),
	{"incomplete-dir", func(_ *call, s *Settings) any { return s.IncompleteFolder }, folderSetting(func(ch *SettingsChange) **string { return &ch.IncompleteFolder }), ""},
	plainSetting("incomplete-dir-enabled", func(s *Settings) any { return s.UseIncomplete }, func(ch *SettingsChange) **bool { return &ch.UseIncomplete }, (*args).flag),
	fixed("lpd-enabled", false, clearnet),
	plainSetting("peer-limit-global", func(s *Settings) any { return s.PeerLimit }, func(ch *SettingsChange) **int { return &ch.PeerLimit }, upTo(1, maxPeers)),
	plainSetting("peer-limit-per-torrent", func(s *Settings) any { return s.TorrentPeerLimit }, func(ch *SettingsChange) **int { return &ch.TorrentPeerLimit }, upTo(1, maxPeers)),
	fixed("peer-port", 0, "there is no port on this machine that peers could reach"),
	fixed("peer-port-random-on-start", false, "there is no port on this machine that peers could reach"),
	fixed("pex-enabled", false, "peer exchange between networks does not exist, and within one it is not a setting"),
	fixed("port-forwarding-enabled", false, clearnet),
	plainSetting("queue-stalled-enabled", func(s *Settings) any { return s.StalledQueue }, func(ch *SettingsChange) **bool { return &ch.StalledQueue }, (*args).flag),
	plainSetting("queue-stalled-minutes", func(s *Settings) any { return inMinutes(s.StalledAfter) }, func(ch *SettingsChange) **time.Duration { return &ch.StalledAfter }, anyMinutes),
	plainSetting("rename-partial-files", func(s *Settings) any { return s.PartSuffix }, func(ch *SettingsChange) **bool { return &ch.PartSuffix }, (*args).flag),
	{"rpc-version", func(c *call, _ *Settings) any { return byDialect(c, rpcVersion, modernVersion) }, nil, fact},
	fixed("rpc-version-minimum", rpcVersionMinimum, fact),
	{"rpc-version-semver", func(c *call, _ *Settings) any { return byDialect(c, rpcSemver, ModernSemver) }, nil, fact},
	fixed("script-torrent-added-enabled", false, noScripts),
	fixed("script-torrent-added-filename", "", noScripts),
	fixed("script-torrent-done-enabled", false, noScripts),
	fixed("script-torrent-done-filename", "", noScripts),
	fixed("script-torrent-done-seeding-enabled", false, noScripts),
	fixed("script-torrent-done-seeding-filename", "", noScripts),
	plainSetting("seed-queue-enabled", func(s *Settings) any { return s.SeedQueue }, func(ch *SettingsChange) **bool { return &ch.SeedQueue }, (*args).flag),
	plainSetting("seed-queue-size", func(s *Settings) any { return s.SeedQueueSize }, func(ch *SettingsChange) **int { return &ch.SeedQueueSize }, upTo(1, maxIDs)),
	plainSetting("seedRatioLimit", func(s *Settings) any { return s.RatioLimit }, func(ch *SettingsChange) **float64 { return &ch.RatioLimit }, anyRatio),
	plainSetting("seedRatioLimited", func(s *Settings) any { return s.LimitRatio }, func(ch *SettingsChange) **bool { return &ch.LimitRatio }, (*args).flag),
	{"session-id", func(c *call, _ *Settings) any { return c.r.config.SessionID }, nil, fact},
	plainSetting("speed-limit-down", func(s *Settings) any { return s.SpeedDown }, func(ch *SettingsChange) **int64 { return &ch.SpeedDown }, (*args).rate),
	plainSetting("speed-limit-down-enabled", func(s *Settings) any { return s.LimitDown }, func(ch *SettingsChange) **bool { return &ch.LimitDown }, (*args).flag),
	plainSetting("speed-limit-up", func(s *Settings) any { return s.SpeedUp }, func(ch *SettingsChange) **int64 { return &ch.SpeedUp }, (*args).rate),
	plainSetting("speed-limit-up-enabled", func(s *Settings) any { return s.LimitUp }, func(ch *SettingsChange) **bool { return &ch.LimitUp }, (*args).flag),
	plainSetting("start-added-torrents", func(s *Settings) any { return s.StartAdded }, func(ch *SettingsChange) **bool { return &ch.StartAdded }, (*args).flag),
	fixed("tcp-enabled", false, clearnet),
	fixed("trash-original-torrent-files", false, "torrent files come over the API and lie nowhere"),
	fixed("units", units, fact),
	fixed("utp-enabled", false, clearnet),
	{"version", func(c *call, _ *Settings) any { return likeTransmission + " (sotto " + c.r.config.Version + ")" }, nil, fact},
}

var units = object{
	{"memory-bytes", 1024},
	{"memory-units", []string{"KiB", "MiB", "GiB", "TiB"}},
	{"size-bytes", 1000},
	{"size-units", []string{"kB", "MB", "GB", "TB"}},
	{"speed-bytes", 1000},
	{"speed-units", []string{"kB/s", "MB/s", "GB/s", "TB/s"}},
}

// plainSetting is one of a single value that read understands.
func plainSetting[T any](name string, get func(*Settings) any, place func(*SettingsChange) **T, read func(*args, string) *T) setting {
	return setting{
		name: name,
		get:  func(_ *call, s *Settings) any { return get(s) },
		set:  func(_ *call, a *args, name string, ch *SettingsChange) { *place(ch) = read(a, name) },
	}
}

func fixed(name string, value any, why string) setting {
	return setting{name: name, get: func(*call, *Settings) any { return value }, why: why}
}

func folderSetting(place func(*SettingsChange) **string) func(*call, *args, string, *SettingsChange) {
	return func(c *call, a *args, name string, ch *SettingsChange) {
		if folder, ok := c.folder(a, name); ok {
			*place(ch) = &folder
		}
	}
}

func upTo(low, high int) func(*args, string) *int {
	return func(a *args, name string) *int { return a.whole(name, low, high) }
}

func timeOfDay(a *args, name string) *time.Duration  { return a.minutes(name, 24*60-1) }
func anyMinutes(a *args, name string) *time.Duration { return a.minutes(name, maxMinutes) }
func anyRatio(a *args, name string) *float64         { return a.number(name, 0, maxRatio) }

func inMinutes(d time.Duration) int { return int(d / time.Minute) }

func byDialect[T any](c *call, old, new T) any {
	if c.dialect == modern {
		return new
	}
	return old
}

// encryption has one word that the dialects spell differently.
func encryption(c *call, s *Settings) any {
	if s.Encryption == "tolerated" {
		return byDialect(c, "tolerated", "allowed")
	}
	return s.Encryption
}

// freeSpaceOf is -1 when nobody knows, as Transmission says it.
func freeSpaceOf(c *call, s *Settings) any {
	free, _, err := c.lib().Space(c.ctx, s.Folder)
	if err != nil {
		return -1
	}
	return free
}
