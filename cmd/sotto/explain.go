package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"sotto/anon"
	"sotto/anon/folder"
	"sotto/anon/grant"
	"sotto/anon/keyring"
	"sotto/anon/vault"
	"sotto/client"
	"sotto/client/api/caller"
	"sotto/client/api/rpc"
	"sotto/client/config"
	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/client/store"
)

// The exit codes, which scripts may rely on.
const (
	exitOK            = 0
	exitOther         = 1
	exitUsage         = 2
	exitPartly        = 3
	exitNotPermitted  = 4
	exitRouter        = 10
	exitOtherInstance = 11
	exitPassphrase    = 12
	exitLeak          = 13
	exitNoDaemon      = 14
	exitWalls         = 15
	exitInterrupted   = 130
)

// message is how an error reaches the user: what happened, what it means for
// their privacy, what to do. Every message is made in this file.
type message struct {
	Event   string `json:"event"`
	Code    int    `json:"code"`
	What    string `json:"what"`
	Privacy string `json:"privacy,omitempty"`
	Do      string `json:"do,omitempty"`
}

var interrupted = message{
	Code: exitInterrupted, What: "interrupted",
	Privacy: "Everything that was open is closed.",
	Do:      "Run the same command again to go on; verified data is kept.",
}

// rule maps a kind of error to the rest of its message. The first match wins.
type rule struct {
	is          error
	code        int
	privacy, do string
}

var rules = []rule{
	{anon.ErrLeak, exitLeak,
		"It was stopped before anything was sent another way.",
		"This should never happen; please report it, with the output of --verbose."},
	{client.ErrNothingUsable, exitLeak,
		"Nothing was sent: every tracker and peer it names would have revealed you.",
		"Put a link in quotes: a shell cuts it at the first &. If it was whole, ask for one with an onion or I2P tracker; sotto inspect shows what this one holds."},
	{client.ErrElsewhere, exitOther,
		"Nothing was sent.",
		"Name that folder with -o to go on there. To begin anew, remove its record: the file named by its info hash, in torrents of state_dir."},
	{errWalls, exitWalls,
		"Nothing was started: a flaw in the engine could have revealed you.",
		"sotto prove shows what is open and what is missing. --accept-unconfined goes on all the same."},
	{errForeignCall, exitOther,
		"The walls held: nothing was sent another way.",
		"Do not run it again before you know why. Please report it, with the link if you can."},
	{errForeignWord, exitOther,
		"The walls held: nothing was sent another way.",
		"Do not run it again before you know why. Please report it, with the link if you can."},
	{errReader, exitOther,
		"Everything that was open is closed.",
		"Run the same command again to go on; verified data is kept."},
	{errCrashed, exitOther,
		"Everything it had open is closed; nothing was sent another way.",
		"Run the same command again: verified data is kept. Please report the lines above."},
	{config.ErrExposed, exitNotPermitted,
		"Nothing was started: whoever writes it can choose a router that sees everything you do.",
		"Make it yours, and run chmod go-w on it. Look at what it says before you use it again."},
	{caller.ErrNotRunning, exitNoDaemon,
		"Nothing was sent.",
		"Start it with sotto up, in another terminal or as a service."},
	{errNoTorrent, exitUsage,
		"",
		"sotto ls shows what there is: name a torrent by its number, the beginning of its hash, or a part of its name that no other has."},
	{errLeft, exitInterrupted,
		"The daemon goes on: it is not stopped by this.",
		"sotto ls shows what it does; sotto stop stops a torrent."},
	{errPartly, exitPartly, "", "The lines above say what is missing; what was done stays."},
	{errFolderKept, exitNotPermitted, "What the engine sees of your disk is as it was.", "sotto folders shows what was added. sotto move moves torrents, sotto rm forgets them; --force takes a folder away all the same."},
	{errNotGiven, exitNotPermitted, "What the engine sees of your disk is as it was.", "sotto folders shows what was added."},
	{grant.ErrDamaged, exitOther, "Nothing was started: what the engine may see is not known.", "Remove the file folders in the state folder, and add the folders again: torrents there wait until then."},
	{errNotConfirmed, exitOther, "", "Nothing was changed."},
	{errLongPath, exitUsage, "Nothing was started.", "Choose a shorter state_dir in the configuration."},
	{client.ErrNothingChosen, exitUsage, "", "sotto inspect shows the numbers of the files in a torrent file."},
	{errShortLives, exitOther,
		"Everything it had open is closed; nothing was sent another way.",
		"Free some memory, or stop torrents, and run it again; verified data is kept."},
	{errDaemonRuns, exitOtherInstance,
		"Nothing was started.",
		"Use the one that runs, or stop it first. A second one needs a state_dir of its own."},
	{store.ErrRunning, exitOtherInstance,
		"Nothing was started.",
		"Use the one that runs, or stop it first. A second one needs a state_dir of its own."},
	{errKeysInside, exitUsage,
		"Nothing was started: a flaw in the engine could have read the keys of your state.",
		"Name folders that do not contain state_dir."},
	{errPassphraseInside, exitUsage,
		"Nothing was started: a flaw in the engine could have read what opens your state.",
		"Name folders that do not contain vault.passphrase_file."},
	{errSettingsInside, exitUsage,
		"Nothing was started: a flaw in the engine could have chosen a router that sees everything you do.",
		"Name folders that do not contain the configuration file, or move that one."},
	{errInState, exitUsage,
		"Nothing was started: a flaw in the engine could have read the keys of your state.",
		"Name folders outside of state_dir."},
	{errSteered, exitUsage,
		"Nothing was started: a flaw in the engine could have got at another folder of yours.",
		"Name the folder that the link leads to."},
	{errProgramInside, exitUsage,
		"Nothing was started: a flaw in the engine could have put another program in its place.",
		"Name folders that contain neither sotto nor tor, or move those."},
	{errRunInside, exitUsage,
		"Nothing was started: a flaw in the engine could have chosen what the router does.",
		"Name folders that do not contain the system's folder for temporary files."},
	{errNoRunBase, exitUsage,
		"Nothing was started: a flaw in the engine could have chosen what the router does.",
		"Name folders that contain less, or set TMPDIR to a folder outside of them."},
	{errNobodyToAsk, exitPassphrase,
		"What is sealed stays sealed.",
		"Start it in a terminal, or run sotto passphrase remember in one, or set vault.passphrase_file, or give systemd the credential " + credentialName + "."},
	{errRemembered, exitPassphrase,
		"What is sealed stays sealed.",
		"Run sotto passphrase forget, then start it and type the passphrase."},
	{errNothingSealed, exitUsage,
		"Nothing was remembered.",
		"Start with sotto up --passphrase the first time: it seals a new state_dir, and no other."},
	{keyring.ErrRefused, exitOther,
		"Nothing was remembered: the passphrase is nowhere but where you keep it.",
		"Type it at each start, or set vault.passphrase_file, or give systemd the credential " + credentialName + ". Only Linux has a keyring, and a container may deny it."},
	{errTwice, exitPassphrase, "Nothing was made.", "Run it again."},
	{vault.ErrPassphrase, exitPassphrase,
		"What is sealed stays sealed.",
		"Try another one. Nobody can open it without: without a backup of the passphrase, only a new state_dir helps."},
	{vault.ErrEmpty, exitPassphrase,
		"What is sealed stays sealed.",
		"Give a passphrase that has at least one character."},
	{vault.ErrKind, exitPassphrase,
		"What is sealed stays sealed.",
		"Set vault.passphrase_file, or remove it, as the state was made."},
	{folder.ErrExposed, exitNotPermitted,
		"It was not used: others on this computer may know it.",
		"Run chmod 600 on it, and change what it holds if somebody may have read it."},
	{folder.ErrShared, exitNotPermitted,
		"Nothing was started: whoever writes there can put a daemon and keys of theirs in the place of yours.",
		"Make it yours, and run chmod 700 on it. If somebody may have used that, begin with a new state_dir."},
	{vault.ErrVersion, exitOther, "It was left as it is.", "Update sotto, or use another state_dir."},
	{store.ErrVersion, exitOther, "It was left as it is.", "Update sotto, or use another state_dir."},
	{errRemoteRecord, exitOther,
		"Nothing was started, and nobody can come in over Tor.",
		"Run sotto remote disable, and enable it again: the onion will have another address."},
	{vault.ErrDamaged, exitOther,
		"It was left as it is; nothing was sent.",
		"Restore the state folder from a backup, or set it aside and begin with a new one; downloads themselves are not touched."},
	{store.ErrVault, exitOther,
		"It was left as it is.",
		"Bring back the vault folder that belongs to it, from a backup; or set the library folder aside."},
	{store.ErrDamaged, exitOther,
		"It was left as it is; nothing was sent.",
		"Restore the library folder from a backup, or set it aside and add the torrents again; downloads themselves are not touched."},
	{journal.ErrBusy, exitOtherInstance, "", "Wait for the other sotto to finish, or stop it."},
	{anon.ErrUnavailable, exitRouter,
		"Nothing was sent another way.",
		"Run sotto doctor to see what is missing."},
	{anon.ErrPermission, exitNotPermitted, "", "Ask the sharer for access."},
	{syscall.ENOSPC, exitOther, "", "Free some space and run the same command again; verified data is kept."},
	{fs.ErrPermission, exitNotPermitted, "", "Check who owns the file or folder."},
}

func explain(err error) message {
	m := message{Code: exitOther, What: metainfo.Printable(err.Error(), maxSentence)}
	var usage *usageError
	var bad *config.Error
	var refused *rpc.Error
	var malformed *metainfo.Error
	switch {
	case errors.As(err, &usage):
		m.Code, m.Do = exitUsage, usage.do()
		return m
	case errors.As(err, &bad):
		m.Code, m.Privacy = exitUsage, "Nothing was started."
		return m
	case errors.As(err, &malformed):
		m.Do = "Fetch or copy it again, whole."
		if malformed.In == "magnet link" {
			m.Do = "Copy it again, whole, and put it in quotes: a shell cuts it at the first &."
		}
		return m
	case errors.As(err, &refused) && refused.Code == rpc.CodePath:
		m.Code = exitNotPermitted
		if errors.Is(err, errPlace) {
			m.Do = "sotto status shows the folders of the daemon; daemon.folders in its configuration adds some."
		}
		return m
	}
	for _, r := range rules {
		if errors.Is(err, r.is) {
			m.Code, m.Privacy, m.Do = r.code, r.privacy, r.do
			break
		}
	}
	return m
}

// complain prints a message on standard error, as text or as one JSON line.
func (a *app) complain(m message) {
	if a.json {
		m.Event = "error"
		raw, _ := json.Marshal(m) // three strings and a number
		fmt.Fprintf(a.err, "%s\n", raw)
		return
	}
	lines := []string{"sotto: " + m.What}
	for _, s := range []string{m.Privacy, m.Do} {
		if s != "" {
			lines = append(lines, "  "+s)
		}
	}
	fmt.Fprintln(a.err, strings.Join(lines, "\n"))
}
