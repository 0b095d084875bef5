package rpc

import (
	"time"

	"sotto/client/metainfo"
)

// Addition is a torrent to take in.
type Addition struct {
	// Link is the magnet link or torrent file, read and found sound. The
	// Library owns it. The files that it chooses hold unless Files.Wanted or
	// Files.Unwanted say otherwise.
	Link *metainfo.Link
	// Folder is absolute and allowed; "" means Settings.Folder.
	Folder string
	Paused *bool // nil means as Settings.StartAdded says
	// The rest is as in Change, from the start.
	Labels     []string
	Group      string
	PeerLimit  int // 0 means the session's
	Priority   int
	Sequential bool
	Files      FileChange
}

// Added is the outcome of an Addition.
type Added struct {
	ID        int64
	Name      string
	Hash      string
	Duplicate bool // it was there before, and is unchanged
}

// FileSet names files of a torrent by their index. With All it is every file;
// otherwise the zero FileSet is none. An index beyond the last file is the
// Library's to refuse with ErrFileIndex; for a magnet link that may be later,
// as a Fault.
type FileSet struct {
	All   bool
	Index []int
}

// Empty reports whether s names no file.
func (s FileSet) Empty() bool { return !s.All && len(s.Index) == 0 }

// FileChange is applied in the order of its fields.
type FileChange struct {
	Unwanted, Wanted  FileSet
	Low, Normal, High FileSet // priorities
}

// Change says what to set; nil leaves alone. Values are within the bounds that
// Torrent names.
type Change struct {
	Priority             *int
	DownLimit, UpLimit   *int64
	DownLimited, Limited *bool
	HonorsSessionLimits  *bool
	Labels               *[]string
	Group                *string // "" leaves the group
	PeerLimit            *int
	QueuePosition        *int
	RatioLimit           *float64
	RatioMode, IdleMode  *LimitMode
	IdleLimit            *time.Duration
	Sequential           *bool
	Trackers             *[][]string // every tier with its trackers, each as metainfo.ParseTracker spells it
	Files                FileChange
}

// Settings hold for the whole client. Rates are kB/s of 1000 bytes.
type Settings struct {
	Folder            string // where downloads go unless said otherwise
	IncompleteFolder  string // "" when there is none
	UseIncomplete     bool
	PartSuffix        bool // unfinished files are called .part
	StartAdded        bool
	SpeedDown         int64
	SpeedUp           int64
	LimitDown         bool // SpeedDown holds
	LimitUp           bool
	Alt               AltSpeed
	PeerLimit         int // of all torrents together
	TorrentPeerLimit  int // of each
	DownloadQueue     bool
	DownloadQueueSize int
	SeedQueue         bool
	SeedQueueSize     int
	StalledQueue      bool          // torrents without traffic do not count in the queues
	StalledAfter      time.Duration // whole minutes
	RatioLimit        float64
	LimitRatio        bool
	IdleLimit         time.Duration // whole minutes
	LimitIdle         bool
	// Encryption of the peer protocol itself, in Transmission's words:
	// "required", "preferred" or "tolerated".
	Encryption string
}

// AltSpeed are the other limits, and when they hold.
type AltSpeed struct {
	Down, Up   int64
	On         bool // they hold now
	Scheduled  bool
	Begin, End time.Duration // after midnight, whole minutes
	Days       int           // bit 0 is Sunday
}

// SettingsChange says what to set; nil leaves alone.
type SettingsChange struct {
	Folder, IncompleteFolder         *string
	UseIncomplete, PartSuffix        *bool
	StartAdded                       *bool
	SpeedDown, SpeedUp               *int64
	LimitDown, LimitUp               *bool
	AltDown, AltUp                   *int64
	AltOn, AltScheduled              *bool
	AltBegin, AltEnd                 *time.Duration
	AltDays                          *int
	PeerLimit, TorrentPeerLimit      *int
	DownloadQueue, SeedQueue         *bool
	DownloadQueueSize, SeedQueueSize *int
	StalledQueue                     *bool
	StalledAfter                     *time.Duration
	RatioLimit                       *float64
	LimitRatio, LimitIdle            *bool
	IdleLimit                        *time.Duration
}

// Stats are sums over the client.
type Stats struct {
	Torrents, Running, Paused int
	RateDown, RateUp          int64
	Now, Ever                 Totals // since the start of the daemon; over all runs, this one included
}

// Totals are what was done in some time.
type Totals struct {
	Downloaded, Uploaded int64 // payload
	Added                int   // files of torrents that were added
	Runs                 int   // starts of the daemon
	Active               time.Duration
}

// Group is a set of torrents with common limits in kB/s.
type Group struct {
	Name                string
	HonorsSessionLimits bool
	SpeedDown, SpeedUp  int64
	LimitDown, LimitUp  bool
}

// GroupChange says what to set; nil leaves alone.
type GroupChange struct {
	HonorsSessionLimits *bool
	SpeedDown, SpeedUp  *int64
	LimitDown, LimitUp  *bool
}
