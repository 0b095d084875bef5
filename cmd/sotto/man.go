package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the manual page, made from the same texts as --help",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return manual(a.out, c.Root()) },
	}
}

// exits are the exit codes and what they say, in order.
var exits = []struct {
	code int
	says string
}{
	{exitOK, "Done."},
	{exitOther, "It did not work."},
	{exitUsage, "The command line or the configuration is wrong, or names no torrent."},
	{exitPartly, "Some of it was done."},
	{exitNotPermitted, "Not permitted: a file, a folder, or what a sharer keeps for others."},
	{exitRouter, "No router of a network can be reached."},
	{exitOtherInstance, "Another sotto has it."},
	{exitPassphrase, "The passphrase is wrong, or nobody was there to ask for it."},
	{exitLeak, "Refused: it would have revealed you."},
	{exitNoDaemon, "The daemon is not running."},
	{exitWalls, "The walls around the engine do not hold."},
	{exitInterrupted, "Interrupted."},
}

// manual writes the page in roff, with the macros of man(7).
func manual(out io.Writer, root *cobra.Command) error {
	p := page{bufio.NewWriter(out)}
	// Without a date, so that the same program always writes the same page.
	p.macro("TH", "SOTTO", "1", "", "sotto", "User Commands")
	p.macro("SH", "NAME")
	p.text("sotto - " + lower(root.Short))
	p.macro("SH", "SYNOPSIS")
	p.macro("B", "sotto")
	p.text("[flags] command [arguments]")
	p.macro("SH", "COMMANDS")
	p.commands(root)
	p.macro("SH", "OPTIONS")
	p.text("These go with every command.")
	p.flags(root.PersistentFlags())
	p.macro("SH", "EXIT STATUS")
	for _, e := range exits {
		p.macro("TP")
		p.text(fmt.Sprint(e.code))
		p.text(e.says)
	}
	p.macro("SH", "FILES")
	p.macro("TP")
	p.text("$XDG_CONFIG_HOME/sotto/sotto.toml")
	p.text("The configuration; sotto config show --effective lists all settings.")
	p.macro("TP")
	p.text("$XDG_STATE_HOME/sotto/")
	p.text("What survives a restart: keys, sealed state, the socket of the daemon.")
	return p.w.Flush()
}

// page writes roff.
type page struct{ w *bufio.Writer }

// macro writes a request of man(7) with its arguments.
func (p page) macro(name string, args ...string) {
	p.w.WriteString("." + name)
	for _, arg := range args {
		p.w.WriteString(` "` + strings.ReplaceAll(roff(arg), `"`, `\(dq`) + `"`)
	}
	p.w.WriteString("\n")
}

// text writes lines of text, with an empty line between paragraphs and those
// that begin with a word and a colon as they stand.
func (p page) text(s string) {
	for i, paragraph := range strings.Split(s, "\n\n") {
		if i > 0 {
			p.macro("PP")
		}
		for j, line := range strings.Split(paragraph, "\n") {
			if j > 0 && example(line) {
				p.macro("br")
			}
			p.line(line)
		}
	}
}

// example reports whether a line is one of a list, such as "bash: …".
func example(line string) bool {
	word, _, found := strings.Cut(line, ": ")
	return found && !strings.Contains(word, " ")
}

func (p page) line(s string) {
	s = roff(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s // not a request
	}
	p.w.WriteString(s + "\n")
}

// roff escapes what has a meaning to roff, and keeps the characters that people
// copy as they are on a keyboard.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`).Replace(s)
}

// commands describes all commands below one, each with those below it.
func (p page) commands(above *cobra.Command) {
	for _, c := range above.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		p.macro("SS", c.CommandPath()+strings.TrimPrefix(c.Use, c.Name()))
		if c.Long != "" {
			p.text(c.Long)
		} else {
			p.text(c.Short + ".")
		}
		p.flags(c.LocalNonPersistentFlags())
		p.commands(c)
	}
}

func (p page) flags(set *pflag.FlagSet) {
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		p.macro("TP")
		p.macro("B", strings.TrimSpace(name+" "+value))
		p.text(usage)
	})
}

// lower begins a text with a small letter, as the list of manual pages wants.
func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }
