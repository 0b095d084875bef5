package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"sotto/anon"
	"sotto/anon/vault"
	"sotto/transport"
)

// job is what the broker tells the engine to do: the command line as the broker
// has understood it, with every path absolute and free of links. The engine has
// no environment, no configuration and no current folder to look into.
type job struct {
	JSON        bool `json:"json,omitempty"`
	Verbose     bool `json:"verbose,omitempty"`
	Plain       bool `json:"plain,omitempty"` // the terminal, if it is one, is too dumb for a bar
	AllNetworks bool `json:"all_networks,omitempty"`
	// Labels of the identities, one a network: those of an engine that was
	// killed are given to the next, which so has the same addresses.
	Labels map[anon.Network]string `json:"labels"`

	// One of these.
	Get     *getJob     `json:"get,omitempty"`
	Share   *shareJob   `json:"share,omitempty"`
	Inspect *inspectJob `json:"inspect,omitempty"`
	Up      *upJob      `json:"up,omitempty"`
}

// The engine's inherited descriptors, after the three that everybody has.
const (
	doorFD  = 3 // the broker
	jobFD   = 4 // the job is read from it
	crashFD = 5 // the runtime writes to it what it says of a crash
	fileFD  = 6 // share writes the torrent file to it, if one is wanted
	keyFD   = 6 // up reads the key of its state from it
)

// hands is what a job is done with.
type hands struct {
	transports []transport.Transport
	controls   []net.Listener // as in upJob.Entrances
	torrent    *os.File       // for share; nil when none is wanted
	box        *vault.Box     // for up
	// report tells the broker something; on systems without walls it is called
	// in the one process there is.
	report func(context.Context, []byte) error
}

// hands are those of a job that is done in this process.
func (p *post) hands() hands {
	h := hands{transports: p.offer.Transports, torrent: p.scope.torrent, box: p.box}
	for _, l := range p.offer.Control {
		h.controls = append(h.controls, l)
	}
	h.report = func(_ context.Context, b []byte) error { return p.offer.Report(b) }
	return h
}

// maxJob bounds a job's text: links are bounded, paths are the system's.
const maxJob = 4 << 20

func readJob(r io.Reader) (*job, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxJob+1))
	if err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	if len(raw) > maxJob {
		return nil, errors.New("read job: it is too long")
	}
	j := new(job)
	if err := json.Unmarshal(raw, j); err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	return j, nil
}

// do carries a job out. On systems with walls that is the engine's whole life.
func (j *job) do(ctx context.Context, h hands, out, errs *os.File) error {
	a := &app{out: out, err: errs, json: j.JSON, verbose: j.Verbose, plain: j.Plain}
	switch {
	case j.Get != nil:
		return a.doGet(ctx, j, h.transports)
	case j.Share != nil:
		return a.doShare(ctx, j, h.transports, h.torrent)
	case j.Inspect != nil:
		return a.doInspect(j.Inspect)
	case j.Up != nil:
		return a.doUp(ctx, j.Up, h)
	}
	return errors.New("a job that says nothing")
}
