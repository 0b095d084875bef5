package main

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
)

// scripts stand in for cobra's, which evaluate what stands on the command line: in
// fish a link in quotes ran programs when somebody pressed Tab.
//
//go:embed shell
var scripts embed.FS

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print what lets a shell complete commands and torrents",
		Long: `Print what lets a shell complete commands, and torrents by what the daemon has.

bash: source <(sotto completion bash)
zsh:  sotto completion zsh > "${fpath[1]}/_sotto"
fish: sotto completion fish > ~/.config/fish/completions/sotto.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := scripts.ReadFile("shell/completion." + args[0])
			if err == nil {
				_, err = a.out.Write(text)
			}
			return err
		},
	}
}

// impatience bounds what a daemon that does not answer costs who presses Tab.
const impatience = 2 * time.Second

// maxCompleted bounds the torrents that a shell is offered.
const maxCompleted = 500

// completeTorrents offers the torrents of the daemon: the number, and what it
// is called; or, to who has begun to write one, the name. most is how many
// arguments are torrents, 0 for all.
func (a *app) completeTorrents(most int) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for _, l := range a.known(c.Context()) {
			id, name := fmt.Sprint(l.ID), harmless(string(l.Name))
			if slices.Contains(args, id) {
				continue
			}
			if strings.HasPrefix(id, begun) {
				out = append(out, cobra.CompletionWithDesc(id, name))
			}
			if begun != "" && name == string(l.Name) && strings.HasPrefix(strings.ToLower(name), strings.ToLower(begun)) {
				out = append(out, cobra.CompletionWithDesc(name, id))
			}
		}
		return out[:min(len(out), maxCompleted)], cobra.ShellCompDirectiveNoFileComp
	}
}

// completeOneOf offers those of a list that begin like what was begun.
func completeOneOf(values []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
		for _, v := range values {
			if strings.HasPrefix(v, begun) {
				out = append(out, v)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// known returns what the daemon has; nothing when it is not there.
func (a *app) known(ctx context.Context) []label {
	ctx, cancel := context.WithTimeout(ctx, impatience)
	defer cancel()
	daemon, err := a.reachDaemon()
	if err != nil {
		return nil
	}
	defer daemon.Close()
	list, err := caller.Torrents[label](ctx, daemon, nil)
	if err != nil {
		return nil
	}
	return list
}

// harmless replaces all that a shell could take for more than text: strangers
// choose names, and the scripts of some shells expand what they are given, so
// that a name could run programs when somebody presses Tab.
func harmless(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" ._+-", r) {
			return r
		}
		return '_'
	}, name)
}

// complete says what follows the commands and flags that have something to offer.
func (a *app) complete(root *cobra.Command) {
	torrents := map[string]int{"show": 1, "start": 0, "stop": 0, "verify": 0, "rm": 0, "move": 0, "limit": 0,
		"files": 1, "peers": 1, "trackers": 1, "open": 1}
	flags := map[string][]string{
		"network": {"i2p", "tor"}, "format": {"v1", "hybrid", "v2"}, "sort": orderNames(),
		"state": append([]string{"active", "problem", "finished", "metadata"}, states...),
	}
	for _, c := range root.Commands() {
		if most, ok := torrents[c.Name()]; ok {
			c.ValidArgsFunction = a.completeTorrents(most)
		}
		for name, values := range flags {
			if c.Flags().Lookup(name) != nil {
				// The error is for a flag that is not there, or done twice.
				c.RegisterFlagCompletionFunc(name, completeOneOf(values))
			}
		}
	}
}
