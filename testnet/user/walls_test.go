package user

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWalls(t *testing.T) {
	walls := func(label string) Event { return Event{Event: "walls", Label: label} }
	for name, tc := range map[string]struct {
		events []Event
		label  string
		fails  bool
	}{
		"before the attack": {},
		"sealed":            {events: []Event{walls("sealed"), {Event: "progress"}}, label: "sealed"},
		"started again":     {events: []Event{walls("sealed"), walls("confined")}, label: "confined"},
		"open":              {events: []Event{walls("open"), walls("sealed")}, label: "sealed", fails: true},
		"none":              {events: []Event{walls("checked")}, label: "checked", fails: true},
		"incident":          {events: []Event{walls("sealed"), {Event: "incident"}}, label: "sealed", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Process{events: tc.events}
			require.Equal(t, tc.label, p.Label())
			require.Equal(t, tc.fails, p.Walls() != nil)
		})
	}
}
