package cage

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func spotless() (Report, Facts) {
	var r Report
	for _, a := range catalogue() {
		r.Results = append(r.Results, Result{Name: a.name, Why: "operation not permitted"})
	}
	return r, Facts{OwnNetwork: true, OwnUsers: true, Filtered: true, Powerless: true, Hidden: true, Landlock: 7}
}

func TestJudge(t *testing.T) {
	if !walled {
		require.Equal(t, Checked, Judge(Report{}, nil, Facts{}).Label)
		return
	}
	open := func(name string) func(*Report, *Facts) {
		return func(r *Report, _ *Facts) {
			for i := range r.Results {
				r.Results[i].Open = r.Results[i].Open || r.Results[i].Name == name
			}
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*Report, *Facts)
		heard  []string
		want   Label
	}{
		{"all well", func(*Report, *Facts) {}, nil, Sealed},
		{"no namespace", func(_ *Report, f *Facts) { f.OwnNetwork = false }, nil, Confined},
		{"no user namespace", func(_ *Report, f *Facts) { f.OwnUsers = false }, nil, Confined},
		{"no landlock", func(_ *Report, f *Facts) { f.Landlock = 0 }, nil, Confined},
		{"names can be asked for", open("ask about a file outside"), nil, Confined},
		{"one gets through", open("tcp4"), nil, Open},
		{"heard, not reported", func(*Report, *Facts) {}, []string{"udp4 sendto"}, Open},
		{"heard somebody", func(*Report, *Facts) {}, []string{"unknown"}, Open},
		{"silence", func(r *Report, _ *Facts) { r.Results = nil }, nil, Open},
		{"one left out", func(r *Report, _ *Facts) { r.Results = r.Results[1:] }, nil, Open},
		{"one said twice, open first", func(r *Report, _ *Facts) {
			r.Results = append([]Result{{Name: "tcp4", Open: true}}, r.Results...)
		}, nil, Open},
		{"no filter", func(_ *Report, f *Facts) { f.Filtered = false }, nil, Open},
		{"capabilities", func(_ *Report, f *Facts) { f.Powerless = false }, nil, Open},
		{"parent open", func(_ *Report, f *Facts) { f.Hidden = false }, nil, Open},
	} {
		r, f := spotless()
		tc.change(&r, &f)
		v := Judge(r, tc.heard, f)
		require.Equal(t, tc.want, v.Label, tc.name)
		require.Equal(t, tc.want == Sealed, len(v.Missing) == 0, tc.name)
		require.Len(t, v.Results, len(catalogue()), tc.name)
	}
}

func TestWallsHaveNames(t *testing.T) {
	require.Equal(t, "none", Walls(0).String())
	require.Equal(t, "namespaces+root+landlock+seccomp+hidden+stripped", allWalls.String())
}

// Whatever an engine reports: no panic, and no better label than its blocked
// attempts give it.
func FuzzReport(f *testing.F) {
	r, facts := spotless()
	raw, err := json.Marshal(r)
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte(`{"results":[{"name":"tcp4","open":true},{"name":"tcp4"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r Report
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		v := Judge(r, nil, facts)
		blocked := map[string]bool{}
		for _, x := range r.Results {
			said, ok := blocked[x.Name]
			blocked[x.Name] = !x.Open && (said || !ok)
		}
		for _, a := range catalogue() {
			if !blocked[a.name] {
				require.NotEqual(t, Sealed, v.Label)
			}
		}
	})
}
