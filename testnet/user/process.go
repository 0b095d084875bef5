package user

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Event is one JSON line of sotto, with the keys that are looked at here.
type Event struct {
	Event    string  `json:"event"`
	Network  string  `json:"network"`
	Phase    string  `json:"phase"`
	Magnet   string  `json:"magnet"`
	Path     string  `json:"path"`
	Why      string  `json:"why"`
	Done     int64   `json:"done"`
	Total    int64   `json:"total"`
	Received int64   `json:"received"`
	Rate     int64   `json:"rate"`
	Peers    int     `json:"peers"`
	Took     float64 `json:"took"`
	Label    string  `json:"label"`
}

// Process is a running sotto. Its events are kept; its standard error goes to
// a file in the user's folder.
type Process struct {
	cmd    *exec.Cmd
	errors string

	mu     sync.Mutex
	events []Event
	grown  chan struct{} // closed and replaced with each event
	ended  chan struct{} // closed when the process is gone
	err    error
}

// Start runs sotto with the user's configuration and network, and --json. The process is
// killed when ctx is done.
func (u *User) Start(ctx context.Context, args ...string) (*Process, error) {
	args = append([]string{"--config", u.config(), "--json", "--verbose"}, args...)
	args = append(args, "--network", u.Network)
	cmd := exec.CommandContext(ctx, u.desk.Sotto, args...)
	cmd.Dir = u.Dir
	cmd.WaitDelay = 10 * time.Second
	// A test that runs out of time leaves nothing behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp(u.Dir, "stderr-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stderr = log
	p := &Process{cmd: cmd, errors: log.Name(), grown: make(chan struct{}), ended: make(chan struct{})}
	started := make(chan error)
	go p.run(stdout, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start sotto: %w", err)
	}
	return p, nil
}

// run keeps the thread that forked: the parent-death signal follows it.
func (p *Process) run(stdout io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.read(bufio.NewScanner(stdout))
	}
}

func (p *Process) read(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			e = Event{Event: "unreadable", Why: lines.Text()}
		}
		p.mu.Lock()
		p.events = append(p.events, e)
		close(p.grown)
		p.grown = make(chan struct{})
		p.mu.Unlock()
	}
	p.err = p.cmd.Wait()
	close(p.ended)
}

// Await returns the first event, past or to come, that ok accepts. The error
// says how the process ended, or that ctx did, with what sotto said last.
func (p *Process) Await(ctx context.Context, ok func(Event) bool) (Event, error) {
	for seen := 0; ; {
		p.mu.Lock()
		events, grown := p.events[seen:], p.grown
		p.mu.Unlock()
		for _, e := range events {
			if ok(e) {
				return e, nil
			}
		}
		seen += len(events)
		if len(events) > 0 {
			continue
		}
		select {
		case <-grown:
		case <-p.ended:
			p.mu.Lock()
			more := len(p.events) > seen
			p.mu.Unlock()
			if !more {
				return Event{}, fmt.Errorf("sotto ended (%v) without the event; %s", p.err, p.Said())
			}
		case <-ctx.Done():
			return Event{}, fmt.Errorf("%w; %s", ctx.Err(), p.Said())
		}
	}
}

// Walls returns an error when the engine has tried what it has no reason to, or
// ran behind walls that do not hold. Whoever starts a sotto asks at its end.
func (p *Process) Walls() error {
	for _, e := range p.Events() {
		if e.Event == "incident" {
			return fmt.Errorf("incident: %s", e.Why)
		}
		if e.Event == "walls" && e.Label != "sealed" && e.Label != "confined" {
			return fmt.Errorf("the walls are %s", e.Label)
		}
	}
	return nil
}

// Label returns what the last engine's walls were found to be; "" before.
func (p *Process) Label() (label string) {
	for _, e := range p.Events() {
		if e.Event == "walls" {
			label = e.Label
		}
	}
	return label
}

// Wait returns when the process is gone, with its exit code; -1 when a signal
// ended it.
func (p *Process) Wait() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// Ended is closed when the process is gone.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Interrupt is Ctrl-C.
func (p *Process) Interrupt() error { return p.cmd.Process.Signal(os.Interrupt) }

// Terminate asks it to end, as systemd does.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Events returns what has happened so far.
func (p *Process) Events() []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Event(nil), p.events...)
}

// Said returns the last event and the end of standard error, for messages.
func (p *Process) Said() string {
	raw, _ := os.ReadFile(p.errors) // only for a message
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	lines = lines[max(0, len(lines)-12):]
	last := "no event"
	if events := p.Events(); len(events) > 0 {
		last = fmt.Sprintf("last event %+v", events[len(events)-1])
	}
	return fmt.Sprintf("%s; %s ends:\n%s", last, filepath.Base(p.errors), strings.Join(lines, "\n"))
}

// Is returns a test for Await: an event by its name.
func Is(name string) func(Event) bool {
	return func(e Event) bool { return e.Event == name }
}

// Reaches returns a test for Await: progress of at least this part of the
// whole, past the check of what was there before.
func Reaches(part float64) func(Event) bool {
	return func(e Event) bool {
		return e.Event == "progress" && e.Phase == "fetching" && e.Total > 0 && float64(e.Done) >= part*float64(e.Total)
	}
}

// End interrupts the process and waits for it; one that does not listen is
// killed. Calling it for a process that is gone is fine.
func (p *Process) End() {
	p.Interrupt() // an error means that it is gone
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.Kill()
		<-p.ended
	}
}
