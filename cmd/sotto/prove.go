package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sotto/anon/cage"
)

func (a *app) proveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "prove",
		Short: "Attack the walls around the engine, and show what became of it",
		Long: `Attack the walls around the engine from inside, and show what became of each attempt.

Every start of the engine does the same and refuses to go on when one gets
through. Nothing leaves this machine: the attempts aim at sockets that sotto
opens for them on loopback.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.prove(c.Context()) },
	}
}

func (a *app) prove(ctx context.Context) error {
	v, err := a.attack(ctx)
	if err != nil {
		return err
	}
	if a.json {
		err = json.NewEncoder(a.out).Encode(v)
	} else {
		a.printProof(v)
	}
	if v.Label == cage.Open && err == nil {
		return errWalls
	}
	return err
}

// attack starts an engine, lets it attack its walls, and ends it.
func (a *app) attack(ctx context.Context) (cage.Verdict, error) {
	c, err := a.start(scope{}, false)
	if errors.Is(err, cage.ErrNoWalls) {
		return cage.Verdict{Label: cage.Checked, Missing: []string{err.Error()}}, nil
	}
	if err != nil {
		return cage.Verdict{}, err
	}
	defer c.close()
	v, err := c.prove(ctx)
	c.child.Kill()
	c.child.Wait() // its end is ours
	return v, err
}

func (a *app) printProof(v cage.Verdict) {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range v.Results {
		state := "blocked"
		switch {
		case r.Open:
			state = "OPEN"
		case r.Absent:
			state = "nothing to try it on"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", state, r.Name, r.Reveals)
	}
	w.Flush()
	fmt.Fprintln(a.out, wallsText(v))
	if text := landlockText(v.Facts); text != "" {
		fmt.Fprintln(a.out, text)
	}
}

// landlockText says what Landlock of this kernel does not stop, so that fewer
// walls stand before it; nothing where it stops all that ours is asked to, or is
// missing, which the label says.
func landlockText(f cage.Facts) string {
	var open string
	switch {
	case f.Landlock == 0 || f.Landlock >= 6: // Linux 6.12
		return ""
	case f.Landlock >= 4: // Linux 6.7
		open = "other programs' sockets and signals"
	default:
		open = "TCP, other programs' sockets and signals"
	}
	others := "the namespaces and seccomp do"
	if !f.OwnNetwork {
		others = "seccomp alone does"
	}
	return fmt.Sprintf("Landlock of this kernel (version %d) does not stop %s: %s", f.Landlock, open, others)
}
