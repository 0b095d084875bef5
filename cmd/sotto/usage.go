package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sotto/client/metainfo"
)

// usageError is a command line that cannot be carried out as written.
type usageError struct {
	err     error
	command string // whose --help says more, such as "sotto get"; "" when nobody has said
}

func badUsage(err error) error { return &usageError{err: err} }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// do is what the user is told to do.
func (e *usageError) do() string {
	if e.command == "" || !strings.Contains(e.command, " ") {
		return "sotto --help shows the commands."
	}
	return e.command + " --help shows what it takes."
}

// usageArgs makes a usage error of what check refuses, in words of our own
// unless check has found some itself.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		var usage *usageError
		if err == nil || errors.As(err, &usage) {
			return err
		}
		return badUsage(refusal(c, args))
	}
}

// refusal says what a command takes, and what it was given instead.
func refusal(c *cobra.Command, args []string) error {
	given := "nothing"
	switch len(args) {
	case 0:
	case 1:
		given = fmt.Sprintf("%q", metainfo.Printable(args[0], maxSentence))
	default:
		given = fmt.Sprint(len(args), " arguments")
	}
	_, takes, found := strings.Cut(c.Use, " ")
	switch {
	case c.HasSubCommands():
		text := fmt.Sprintf("%s has no command %q", c.CommandPath(), metainfo.Printable(args[0], maxSentence))
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return errors.New(text)
	case !found:
		takes = "no arguments"
	}
	return fmt.Errorf("%s takes %s, and was given %s", c.CommandPath(), takes, given)
}
