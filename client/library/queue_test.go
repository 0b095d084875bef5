package library

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
)

func TestQueue(t *testing.T) {
	for name, tc := range map[string]struct {
		turns            []turn
		downloads, seeds int
		want             []bool
	}{
		"by place":                 {[]turn{{place: 2}, {place: 0}, {place: 1}}, 2, 0, []bool{false, true, true}},
		"priority before place":    {[]turn{{place: 0}, {place: 1, priority: 1}, {place: 2, priority: -1}}, 1, 0, []bool{false, true, false}},
		"seeds have places apart":  {[]turn{{place: 0}, {place: 1, seeding: true}, {place: 2, seeding: true}}, 1, 1, []bool{true, true, false}},
		"forced runs anyhow":       {[]turn{{place: 0}, {place: 1, forced: true}}, 1, 0, []bool{true, true}},
		"stalled takes no place":   {[]turn{{place: 0, stalled: true}, {place: 1}, {place: 2}}, 1, 0, []bool{true, true, false}},
		"without a queue everyone": {[]turn{{place: 0}, {place: 1}, {seeding: true}}, -1, -1, []bool{true, true, true}},
		"nobody":                   {[]turn{{place: 0}}, 0, 0, []bool{false}},
	} {
		require.Equal(t, tc.want, admit(tc.turns, tc.downloads, tc.seeds), name)
	}
}

func TestHoursOfTheAlternativeLimits(t *testing.T) {
	friday := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	at := func(h, m int) time.Time { return friday.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute) }
	day := rpc.AltSpeed{Begin: 9 * time.Hour, End: 17 * time.Hour, Days: 1 << 5}
	night := rpc.AltSpeed{Begin: 22 * time.Hour, End: 6 * time.Hour, Days: 1 << 5}
	whole := rpc.AltSpeed{Begin: 9 * time.Hour, End: 9 * time.Hour, Days: 1 << 5}
	spring := rpc.AltSpeed{Begin: 2 * time.Hour, End: 4 * time.Hour, Days: 1}
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	berlin := func(month time.Month, day, h, m int) time.Time { return time.Date(2026, month, day, h, m, 0, 0, zone) }
	for _, tc := range []struct {
		a    rpc.AltSpeed
		at   time.Time
		want bool
	}{
		{day, at(8, 59), false}, {day, at(9, 0), true}, {day, at(16, 59), true}, {day, at(17, 0), false},
		{day, at(33, 0), false}, // Saturday
		{night, at(21, 59), false}, {night, at(22, 0), true}, {night, at(29, 59), true}, {night, at(30, 0), false},
		{night, at(5, 0), false}, // the night of Thursday
		{night, at(46, 0), false},
		{whole, at(8, 59), false}, {whole, at(9, 0), true}, {whole, at(32, 59), true}, {whole, at(33, 0), false},
		{spring, berlin(3, 29, 1, 59), false}, {spring, berlin(3, 29, 3, 0), true}, // there is no hour from 2 to 3
		{spring, berlin(3, 29, 3, 59), true}, {spring, berlin(3, 29, 4, 0), false},
		{spring, berlin(10, 25, 2, 30), true}, {spring, berlin(10, 25, 2, 30).Add(time.Hour), true}, // there are two
	} {
		require.Equal(t, tc.want, within(tc.a, tc.at), "%v at %v", tc.a, tc.at)
	}
}
