package swarm_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine"
	"sotto/client/metainfo"
	"sotto/client/swarm"
	"sotto/client/tracker/server"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, n *memory.Network) transport.Endpoint {
	host := n.Transport()
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	e, err := host.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(t, err)
	return e
}

// A swarm finds its peers by the tracker alone, tells what the tracker said, and
// leaves nothing behind.
func TestSwarmFindsAndLeaves(t *testing.T) { synctest.Test(t, testSwarmFindsAndLeaves) }

func testSwarmFindsAndLeaves(t *testing.T) {
	n := memory.New(memory.Options{})
	look, err := profile.For(anon.Memory)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, make([]byte, 100_000), 0o600))
	link, err := metainfo.Build(t.Context(), file, metainfo.BuildOptions{})
	require.NoError(t, err)

	desk := server.New(server.Config{Swarms: link.Names()})
	home := open(t, n)
	tr, err := metainfo.ParseTracker("http://" + home.Addr().Reveal() + "/announce")
	require.NoError(t, err)
	quiet := *link
	has, err := swarm.Open(t.Context(), swarm.Options{Link: &quiet, Quiet: true, Engine: engine.Options{
		Endpoint: desk.Split(home), Look: look, Info: link.Info, Layers: link.Layers, Base: file, ReadOnly: true}})
	require.NoError(t, err)
	<-has.Done()
	link.Trackers, link.Peers = []metainfo.Tracker{tr}, []anon.Addr{home.Addr()}

	gets, err := swarm.Open(t.Context(), swarm.Options{Link: link, Jitter: time.Second, Engine: engine.Options{
		Endpoint: open(t, n), Look: look, Info: link.Info, Layers: link.Layers, Dir: t.TempDir()}})
	require.NoError(t, err)
	<-gets.Done()
	time.Sleep(time.Minute)
	st := gets.Trackers()[tr.URL]
	require.True(t, st.Answered)
	require.NoError(t, st.Err)
	require.Empty(t, gets.Trouble())
	require.Empty(t, has.Trackers(), "it asks nobody")
	gets.Hurry()
	require.NoError(t, gets.Close())
	require.NoError(t, gets.Close())
	require.NoError(t, has.Close())
}

// When it cannot start it leaves the network all the same.
func TestEndpointIsClosedOnFailure(t *testing.T) {
	n := memory.New(memory.Options{})
	look, err := profile.For(anon.Memory)
	require.NoError(t, err)
	ep := open(t, n)
	_, err = swarm.Open(t.Context(), swarm.Options{Link: &metainfo.Link{InfoHash: [20]byte{1}}, Engine: engine.Options{Endpoint: ep, Look: look}})
	require.Error(t, err, "no folder")
	_, err = ep.Dial(context.Background(), ep.Addr())
	require.Error(t, err)
}

func TestProvenAsksTheRouter(t *testing.T) {
	n := memory.New(memory.Options{})
	host := n.Transport()
	defer host.Close()
	require.NoError(t, swarm.Proven(t.Context(), host, true))
	require.ErrorIs(t, swarm.Proven(t.Context(), struct{ transport.Transport }{host}, false), anon.ErrUnavailable, "nobody to ask")
	require.ErrorIs(t, swarm.Proven(t.Context(), says{host, transport.Status{}}, false), anon.ErrUnavailable, "not proven")
	guest := says{host, transport.Status{Proven: true}}
	require.NoError(t, swarm.Proven(t.Context(), guest, false))
	require.ErrorIs(t, swarm.Proven(t.Context(), guest, true), anon.ErrUnavailable, "it cannot host")
}

// says is a transport whose router answers as it is told.
type says struct {
	transport.Transport
	status transport.Status
}

func (s says) Probe(context.Context) (transport.Status, error) { return s.status, nil }
