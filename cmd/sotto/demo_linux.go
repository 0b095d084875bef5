package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sotto/testnet/demo"
	"sotto/testnet/netns"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Share and fetch over private networks on this machine",
		Args:  cobra.NoArgs,
		RunE:  a.demo,
	}
}

// demo runs itself once more inside a namespace and shows everything there.
func (a *app) demo(c *cobra.Command, _ []string) error {
	if !netns.Inside() {
		code, err := netns.Run(c.Context(), netns.Config{Args: []string{"demo"}, Stdout: a.out, Stderr: a.err})
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("the demonstration failed with code %d", code)
		}
		return nil
	}
	if err := netns.Arrive(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own program: %w", err)
	}
	return demo.Run(c.Context(), self, a.out)
}
