// Package demo is what "sotto demo" shows: a folder shared and fetched by real
// sotto processes over a private Tor network and again over a private I2P
// network of real daemons, in a network namespace that reaches nothing else.
//
// It asserts what it prints: a wrong hash, a socket that leads anywhere but to
// the router, walls that do not hold or anything that an engine tried on them
// is an error.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sotto/testnet"
	"sotto/testnet/census"
	"sotto/testnet/user"
)

// sample is what is shared: several files, some of them smaller than a piece,
// 64 MiB and a bit.
var sample = []user.File{
	{Path: "README", Bytes: 1_234},
	{Path: "film/part-1.mkv", Bytes: 40 << 20},
	{Path: "film/part-2.mkv", Bytes: 20 << 20},
	{Path: "pictures/cover.jpg", Bytes: 333_333},
	{Path: "pictures/back.jpg", Bytes: 4 << 20},
}

// Per network: I2P's tunnels of three hops carry about 2 MiB/s on two cores.
const timeout = 15 * time.Minute

// Run shows everything on out. sotto is the program to run. It is called
// inside a namespace of testnet/netns.
func Run(ctx context.Context, sotto string, out io.Writer) (err error) {
	lab, err := testnet.New(testnet.Config{Log: prefix{out, "  "}})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			lab.Keep()
			fmt.Fprintf(out, "logs are kept in %s\n", lab.Dir())
		}
		err = errors.Join(err, lab.Close()) // which says when a daemon died by itself
	}()
	fmt.Fprintln(out, "This is a network namespace with a loopback interface and nothing else.")
	folder := filepath.Join(lab.Dir(), "holiday")
	if err := user.Sample(folder, 1, sample); err != nil {
		return err
	}
	want, err := user.Sums(folder)
	if err != nil {
		return err
	}
	s := show{out: out, desk: &user.Desk{Lab: lab, Sotto: sotto}, folder: folder, want: want}
	for _, network := range []string{"tor", "i2p"} {
		if err := s.network(ctx, network); err != nil {
			return fmt.Errorf("%s: %w", network, err)
		}
	}
	fmt.Fprintf(out, "\nProven:\n  %s\n", strings.Join(s.proven, "\n  "))
	return nil
}

type show struct {
	out    io.Writer
	desk   *user.Desk
	folder string
	want   map[string]string
	proven []string
}

func (s *show) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// network shares and fetches once.
func (s *show) network(ctx context.Context, network string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s.say("\n%s: starting a private network of real daemons", network)
	alice, err := s.desk.New(ctx, network)
	if err != nil {
		return err
	}
	bob, err := s.desk.New(ctx, network)
	if err != nil {
		return err
	}
	began := time.Now()
	share, err := alice.Start(ctx, "share", s.folder)
	if err != nil {
		return err
	}
	defer share.End()
	sharing, err := share.Await(ctx, user.Is("sharing"))
	if err != nil {
		return fmt.Errorf("share: %w", err)
	}
	s.say("  sotto share: reachable after %.1f s as %s", time.Since(began).Seconds(), shorten(sharing.Magnet))
	get, err := bob.Start(ctx, "get", "-o", filepath.Join(bob.Dir, "downloads"), sharing.Magnet)
	if err != nil {
		return err
	}
	defer get.End()
	if _, err := get.Await(ctx, user.Reaches(0.2)); err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if err := s.sockets(network, alice, share, bob, get); err != nil {
		return err
	}
	done, err := get.Await(ctx, user.Is("finished"))
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if err := s.verify(network, get, done); err != nil {
		return err
	}
	share.End()
	return errors.Join(share.Walls(), get.Walls())
}

// sockets prints the census of both processes, and refuses a socket that
// leads to anything but the network's router.
func (s *show) sockets(network string, alice *user.User, share *user.Process, bob *user.User, get *user.Process) error {
	for _, p := range []struct {
		name string
		user *user.User
		*user.Process
	}{{"sotto share", alice, share}, {"sotto get", bob, get}} {
		if l := p.Label(); l != "sealed" && l != "confined" {
			return fmt.Errorf("%s runs its engine behind walls that are %q", p.name, l)
		}
		held, err := settled(p.PID())
		if err != nil {
			return err
		}
		s.say("  %s is %s and holds %s", p.name, p.Label(), census.Summary(held))
		sam := ""
		if network == "i2p" {
			if sam, err = s.sam(p.user); err != nil {
				return err
			}
		}
		for _, socket := range held {
			if socket.Kind != "unix" && (sam == "" || socket.Remote != sam) {
				return fmt.Errorf("%s holds a socket that does not lead to its router: %s %s", p.name, socket.Kind, socket.End())
			}
		}
	}
	return nil
}

// settled takes the census again while it meets a socket that was closed
// during it, which no table knows any more.
func settled(pid int) (held []census.Socket, err error) {
	for range 10 {
		held, err = census.Of(pid)
		if err != nil || !slices.ContainsFunc(held, func(s census.Socket) bool { return s.Kind == census.Unknown }) {
			break
		}
	}
	return held, err
}

func (s *show) sam(u *user.User) (string, error) {
	net, err := s.desk.Lab.I2P(context.Background()) // it is up already
	if err != nil {
		return "", err
	}
	return net.SAM(u.Router), nil
}

func (s *show) verify(network string, get *user.Process, done user.Event) error {
	if code := get.Wait(); code != 0 {
		return fmt.Errorf("get: exit code %d; %s", code, get.Said())
	}
	got, err := user.Sums(done.Path)
	if err != nil {
		return err
	}
	if !maps.Equal(got, s.want) {
		return fmt.Errorf("what was fetched is not what was shared")
	}
	text := fmt.Sprintf("%d files, %.1f MiB over %s in %.1f s from start to verified, %.2f MiB/s; all SHA-256 sums equal",
		len(got), float64(done.Done)/(1<<20), network, done.Took, float64(done.Done)/(1<<20)/done.Took)
	s.say("  sotto get: %s", text)
	s.proven = append(s.proven, text, fmt.Sprintf("on %s neither process held a socket to anything but its own router", network))
	return nil
}

// shorten leaves the ends of a long link.
func shorten(link string) string {
	if len(link) <= 90 {
		return link
	}
	return link[:60] + "…" + link[len(link)-24:]
}

// prefix indents the lines it passes on; each Write is whole lines.
type prefix struct {
	to   io.Writer
	with string
}

func (p prefix) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.to, p.with); err != nil {
		return 0, err
	}
	return p.to.Write(b)
}
