package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"sotto/client/config"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration, or look for mistakes in it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.configShowCommand(), a.configCheckCommand())
	for _, sub := range c.Commands() {
		sub.Args = usageArgs(sub.Args)
	}
	return c
}

func (a *app) configShowCommand() *cobra.Command {
	effective := false
	c := &cobra.Command{
		Use:   "show",
		Short: "Show what the configuration file says",
		Long: "Show what the configuration file says; with --effective every setting as it holds,\n" +
			"and where it comes from. A flag wins over the environment, that over the file, and\n" +
			"the file over a default. What is shown can be used as a file.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.showConfig(effective) },
	}
	c.Flags().BoolVar(&effective, "effective", false, "every setting, with the environment, flags and defaults")
	return c
}

func (a *app) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "Look for mistakes, without starting anything",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				a.configPath = args[0]
			}
			return a.checkConfig()
		},
	}
}

func (a *app) showConfig(effective bool) error {
	load := a.settings
	if !effective {
		load = func() (*config.Settings, error) { return a.read(config.Sources{}) }
	}
	s, err := load()
	if err != nil {
		return err
	}
	shown := 0
	for _, one := range s.List() {
		if effective || one.Origin.From == "file" {
			a.showSetting(one)
			shown++
		}
	}
	if shown == 0 && !a.json {
		fmt.Fprintf(a.err, "nothing is set in %s; sotto config show --effective lists what holds\n", a.configFile())
	}
	return nil
}

// settingJSON is a setting that holds.
type settingJSON struct {
	Event string `json:"event"`
	Key   string `json:"key"`
	Value any    `json:"value"`
	From  string `json:"from"` // default, file, environment or flag
	Name  string `json:"name,omitempty"`
	Line  int    `json:"line,omitempty"`
}

// checkedJSON: the configuration has no mistakes.
type checkedJSON struct {
	Event    string `json:"event"`
	Settings int    `json:"settings"`
}

// showSetting prints a setting and where it comes from: as a line of the file,
// or as JSON.
func (a *app) showSetting(s config.Setting) {
	o := s.Origin
	if a.json {
		a.printJSON(settingJSON{"setting", s.Key, s.Value, o.From, o.Name, o.Line})
		return
	}
	where := o.From
	switch {
	case o.Line > 0:
		where = fmt.Sprintf("%q, line %d", o.Name, o.Line)
	case o.Name != "":
		where = o.Name
	}
	fmt.Fprintf(a.out, "%-40s # %s\n", s, where)
}

// checkConfig says what the next command would find.
func (a *app) checkConfig() error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	set := 0
	for _, one := range s.List() {
		if one.Origin.From != "default" {
			set++
		}
	}
	if a.json {
		a.printJSON(checkedJSON{"checked", set})
		return nil
	}
	fmt.Fprintf(a.out, "no mistakes in %d settings; sotto config show --effective lists them\n", set)
	return nil
}

func (a *app) printJSON(v any) {
	raw, _ := json.Marshal(v) // texts, numbers and booleans
	fmt.Fprintf(a.out, "%s\n", raw)
}
