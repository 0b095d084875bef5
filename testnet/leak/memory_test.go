package leak

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/guard"
	"sotto/client"
	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/testnet/user"
	"sotto/transport"
	"sotto/transport/memory"
)

// memoryTransfer shares a folder and fetches it over a network inside this
// process, as sotto would, and logs to standard error. Its arguments are the
// folder and an empty one for everything else.
func memoryTransfer(args []string) error {
	folder, dir := args[0], args[1]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	network := memory.New(memory.Options{HideDialers: true})
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	person := func() *client.Client {
		return &client.Client{Log: log, Transports: []transport.Transport{
			guard.New(network.Transport(), guard.Options{Log: log}),
		}}
	}
	alice, bob := person(), person()
	defer alice.Transports[0].Close()
	defer bob.Transports[0].Close()
	sharing := make(chan *metainfo.Link, 1)
	alice.Report = func(e client.Event) {
		if s, ok := e.(client.Sharing); ok {
			sharing <- s.Link
		}
	}
	stop, ended := shareUntil(ctx, alice, folder)
	select {
	case link := <-sharing:
		if err := fetch(ctx, bob, link, folder, dir); err != nil {
			return err
		}
	case err := <-ended:
		return fmt.Errorf("share ended: %w", err)
	}
	stop()
	return <-ended
}

func shareUntil(ctx context.Context, c *client.Client, folder string) (stop func(), ended <-chan error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- c.Share(ctx, folder, "") }()
	return cancel, done
}

// fetch goes through the text form of the link and compares what comes.
func fetch(ctx context.Context, c *client.Client, link *metainfo.Link, folder, dir string) error {
	link, err := metainfo.ParseMagnet(link.Magnet())
	if err != nil {
		return err
	}
	if c.Journal, err = journal.Open(filepath.Join(dir, "state")); err != nil {
		return err
	}
	done, err := c.Get(ctx, link, dir)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	want, err := user.Sums(folder)
	if err != nil {
		return err
	}
	got, err := user.Sums(done.Path)
	if err == nil && !maps.Equal(got, want) {
		err = errors.New("what was fetched is not what was shared")
	}
	// What a tracer and the logs are searched for.
	fmt.Println(link.Magnet())
	return err
}

// oneSocket makes a socket, for the tracer to see.
func oneSocket([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	return c.Close()
}

// A transfer on the memory network makes not one call that has to do with
// sockets: everything that reaches a network goes through a transport.
func TestGetOnMemoryMakesNoNetworkCall(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "album")
	require.NoError(t, user.Sample(folder, 5, []user.File{{Path: "a.bin", Bytes: 3 << 20}, {Path: "b/c", Bytes: 1}}))
	calls := traceRole(t, "role-memory", folder, t.TempDir())
	require.Empty(t, calls)
}

func TestTracerSeesSockets(t *testing.T) {
	names := map[string]bool{}
	for _, c := range traceRole(t, "role-one-socket") {
		names[c.name] = true
	}
	for _, name := range []string{"socket", "bind", "listen", "connect"} {
		require.Contains(t, names, name)
	}
}

// traceRole runs a role to its end and returns its calls.
func traceRole(t *testing.T, name string, args ...string) []call {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	line := append(tracer(file), os.Args[0], name)
	cmd := exec.CommandContext(within(t), line[0], append(line[1:], args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return readTrace(t, file)
}
