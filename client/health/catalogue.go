package health

import "time"

// Name is a condition's, the same in every version, for programs.
type Name string

// The conditions there are.
const (
	Incident       Name = "incident"
	Unconfined     Name = "unconfined"
	RouterAway     Name = "router-away"
	DiskFull       Name = "disk-full"
	DiskLow        Name = "disk-low"
	FolderMissing  Name = "folder-missing"
	FolderReadOnly Name = "folder-read-only"
	FilesMissing   Name = "files-missing"
	FilesChanged   Name = "files-changed"
	FilesLeft      Name = "files-left"
	DiskFault      Name = "disk-fault"
	InternalFault  Name = "internal-fault"
	TooManyFiles   Name = "too-many-files"
	NetworkFull    Name = "network-full"
	StateFault     Name = "state-fault"
	ClockJump      Name = "clock-jump"
	Refused        Name = "refused"
	InTheWay       Name = "in-the-way"
	NoPeers        Name = "no-peers"
	TrackerSilent  Name = "tracker-silent"
	Recovered      Name = "recovered"
	FewFiles       Name = "few-files"
	NotFindable    Name = "not-findable"
	ShareRefused   Name = "share-refused"
	ShareChanged   Name = "share-changed"
)

// Entry is what is said of a condition.
type Entry struct {
	Severity Severity
	// What happened, what it means for privacy, what to do: a sentence each.
	What, Privacy, Remedy string

	rise, fall time.Duration // how long it must hold, and be gone, to be told
	causes     []Name        // that it is a symptom of, and is not shown beside
}

const (
	at      = time.Duration(0)
	soon    = 10 * time.Second
	lasting = 5 * time.Minute
	unseen  = "Nothing was sent another way."
	hidden  = "This has no effect on your privacy."
)

var catalogue = map[Name]Entry{
	Incident: {Severity: Alarm, What: "Something tried to go around the anonymising network and was stopped; the torrent has ended.",
		Privacy: "The attempt was refused before anything was sent.", Remedy: "Keep the log, update sotto, and report what happened before you start the torrent again."},
	Unconfined: {Severity: Warning, What: "The walls that the system could put around sotto are not all up.",
		Privacy: "Sotto itself still refuses every way around the networks, but a fault in it would not be stopped by the system.",
		Remedy:  "Run sotto doctor: it names the missing walls."},
	RouterAway: {Severity: Trouble, What: "The router of this network does not answer.", Privacy: unseen,
		Remedy: "Start it, or wait: sotto goes on by itself when it is back.", rise: soon, fall: soon},
	DiskFull: {Severity: Trouble, What: "The disk is full, so downloads to it are paused.", Privacy: hidden,
		Remedy: "Free some space: they go on by themselves.", fall: soon},
	DiskLow: {Severity: Trouble, What: "There is less free space than sotto leaves alone, so downloads to this disk are paused.", Privacy: hidden,
		Remedy: "Free some space: they go on by themselves.", fall: soon, causes: []Name{DiskFull}},
	FolderMissing: {Severity: Trouble, What: "The folder of the data is not there.", Privacy: hidden,
		Remedy: "Connect the disk, or set another location.", fall: at},
	FolderReadOnly: {Severity: Trouble, What: "The folder of the data cannot be written to.", Privacy: hidden,
		Remedy: "Make it writable for you, or set another location.", fall: at},
	FilesMissing: {Severity: Trouble, What: "Files that were there are gone, so the torrent has stopped.", Privacy: hidden,
		Remedy: "Connect the disk or set their location; or verify the torrent to fetch them again.", fall: at, causes: []Name{FolderMissing}},
	FilesChanged: {Severity: Warning, What: "Files were changed from outside; what was damaged is fetched again.", Privacy: hidden,
		Remedy: "Find out which program writes to them.", fall: time.Hour, causes: []Name{FilesMissing, FolderMissing}},
	FilesLeft: {Severity: Warning, What: "Files of a torrent that was removed with its data could not be deleted.",
		Privacy: "They are where they were, for everybody to see who can read that disk.", Remedy: "Make the folder writable and delete them yourself.", fall: at},
	DiskFault: {Severity: Trouble, What: "The disk reports an error, so the torrent has stopped.", Privacy: hidden,
		Remedy: "Check the disk, then start the torrent again.", causes: []Name{DiskFull, FolderMissing, FolderReadOnly}},
	InternalFault: {Severity: Trouble, What: "Sotto met a fault of its own in this torrent and stopped it.", Privacy: unseen,
		Remedy: "Start it again; if it comes back, keep the log and report it."},
	TooManyFiles: {Severity: Trouble, What: "The system lets sotto open no more files, so torrents wait.", Privacy: unseen,
		Remedy: "Raise the limit on open files (LimitNOFILE for a service, ulimit -n in a shell) or let fewer torrents run: they go on by themselves.", fall: soon},
	NetworkFull: {Severity: Note, What: "More torrents want to be on a network than sotto keeps there at a time, so some wait.", Privacy: unseen,
		Remedy: "Stop others, or have fewer run at a time: they go on by themselves.", fall: soon},
	StateFault: {Severity: Trouble, What: "The library cannot save what happens.", Privacy: hidden,
		Remedy: "Free space where the state is kept and check that disk: what is not saved is checked again after a restart.", rise: soon, fall: soon},
	ClockJump: {Severity: Note, What: "The clock of this computer did not go on from where it was.",
		Privacy: "Tor and I2P need a clock that is right within minutes; with another one they do not connect, and send nothing another way.",
		Remedy:  "Check the date and the time.", fall: 10 * time.Minute},
	Refused: {Severity: Trouble, What: "The torrent cannot be used as it is.", Privacy: hidden, Remedy: "Get it from another source."},
	InTheWay: {Severity: Trouble, What: "Something that is not the torrent's has the name of one of its files.", Privacy: hidden,
		Remedy: "Move it away or choose another location, then start the torrent again."},
	NoPeers: {Severity: Note, What: "Nobody who has the torrent is connected.", Privacy: hidden,
		Remedy: "Wait: on these networks it can take a while to find somebody.", rise: lasting, fall: soon, causes: []Name{RouterAway, TrackerSilent}},
	TrackerSilent: {Severity: Warning, What: "No tracker of the torrent answers.", Privacy: hidden,
		Remedy: "Wait, or add another tracker.", rise: lasting, fall: soon, causes: []Name{RouterAway}},
	FewFiles: {Severity: Warning, What: "The system lets sotto have few files open, so it holds few connections at a time.", Privacy: hidden,
		Remedy: "Raise the limit of open files (ulimit -n, or LimitNOFILE of the service) and start sotto again."},
	NotFindable: {Severity: Trouble, What: "Nobody can reach us through the router of this network, so nothing is shared there.", Privacy: unseen,
		Remedy: "Run sotto doctor: it says what is wrong with the router. Sotto goes on trying.", rise: soon, fall: soon, causes: []Name{RouterAway}},
	ShareRefused: {Severity: Trouble, What: "This cannot be shared as it is.", Privacy: hidden,
		Remedy: "The torrent says why: take out or change what is in the way, then start it again."},
	ShareChanged: {Severity: Trouble, What: "Files that you share were changed, so they are shared no more.", Privacy: hidden,
		Remedy: "Put them back as they were and start the torrent again, or share them as they are now as a new one.", causes: []Name{FilesMissing, FolderMissing}},
	Recovered: {Severity: Warning, What: "The library was damaged and has been restored from an earlier copy.", Privacy: hidden,
		Remedy: "Check that the torrents you added last are there; the damaged file was kept."},
}

// All returns the names of all conditions there are, and what is said of each.
func All() map[Name]Entry {
	out := make(map[Name]Entry, len(catalogue))
	for n, e := range catalogue {
		out[n] = e
	}
	return out
}
