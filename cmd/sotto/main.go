// Command sotto shares files and fetches them over I2P and Tor, and no other
// way.
//
// This package parses the command line, wires the parts together, prints and
// exits; it is the only place that does the latter two. There is one file for
// each subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"sotto/anon/cage"
)

func main() {
	in, err := cage.Enter(os.Args)
	// A reader of our output that is gone is an error of Write. The signal
	// would end us without a word to the trackers.
	signal.Ignore(syscall.SIGPIPE)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "sotto:", err)
		os.Exit(exitWalls)
	case in != nil:
		os.Exit(engine(in))
	}
	ctx, stop := untilAsked()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// untilAsked returns a context that the first request to end us ends. The
// second is the system's affair: it ends this process at once, and the engine
// and a tor of ours die with it. A terminal that closes asks too, unless nohup
// has said that it may not.
func untilAsked() (context.Context, context.CancelFunc) {
	asks := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		asks = append(asks, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), asks...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// app is what every subcommand shares.
type app struct {
	out, err *os.File // results: what a script reads; and everything else

	json             bool
	verbose          bool
	plain            bool // no bars, whatever the terminal
	acceptUnconfined bool
	quietWalls       bool // say nothing of walls that hold
	configPath       string
	stateDir         string
	networks         []string

	reach *cage.Reach // what is left to this process once the engine runs
}

// run is main without the process around it. The first interrupt ends ctx and
// every subcommand cleans up.
func run(ctx context.Context, args []string, stdout, stderr *os.File) int {
	a := &app{out: stdout, err: stderr, plain: os.Getenv("TERM") == "dumb"}
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	c, err := root.ExecuteContextC(ctx)
	var usage *usageError
	if errors.As(err, &usage) && usage.command == "" {
		usage.command = c.CommandPath()
	}
	return a.exit(ctx, err)
}

// exit says what an error means and returns the exit code.
func (a *app) exit(ctx context.Context, err error) int {
	var ended *engineEnded
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &ended):
		return ended.code
	}
	m := explain(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		m = interrupted
	}
	a.complain(m)
	return m.Code
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:                        "sotto",
		Short:                      "Share files and fetch them over I2P and Tor, and no other way",
		Version:                    build(),
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return badUsage(err) })
	root.Flags().Bool("version", false, "print which commit this is, and end")
	root.SetHelpCommandGroupID(groupMachine)
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", "", "configuration file (default: sotto/sotto.toml in your configuration folder)")
	flags.StringVar(&a.stateDir, "state-dir", "", "folder of what must survive a restart (default: as configured)")
	flags.BoolVar(&a.json, "json", false, "print JSON, one object a line")
	flags.BoolVar(&a.acceptUnconfined, "accept-unconfined", false, "go on although the walls around the engine do not hold: a flaw in it could then reveal you")
	flags.BoolVar(&a.verbose, "verbose", false, "log what happens, without addresses or names")
	addGroup(root, groupTransfer, a.shareCommand(), a.getCommand(), a.inspectCommand())
	addGroup(root, groupLibrary, append(a.daemonCommands(), a.upCommand(), a.passphraseCommand(), a.remoteCommand())...)
	addGroup(root, groupMachine, a.doctorCommand(), a.proveCommand(), a.demoCommand(), a.configCommand(), a.completionCommand(), a.manCommand())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
		c.SuggestionsMinimumDistance = root.SuggestionsMinimumDistance
	}
	a.complete(root)
	return root
}

// The titles that --help shows commands under.
const (
	groupTransfer = "One transfer:"
	groupLibrary  = "A library that keeps running, and what to ask of it:"
	groupMachine  = "This machine:"
)

// addGroup adds commands that --help shows under one title.
func addGroup(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, c := range commands {
		c.GroupID = title
	}
	root.AddCommand(commands...)
}
