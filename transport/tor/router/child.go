package router

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"sotto/anon"
)

// ErrMissing is in the error of Start when there is no tor to run.
var ErrMissing = errors.New("tor is not installed")

// Child is a running tor. It dies with this process, however that ends: the
// kernel kills it where it can (Linux), tor watches our process id, and the
// transport takes ownership over the control connection.
type Child struct {
	cmd  *exec.Cmd
	said words
	done chan struct{}
	err  error // set before done is closed
}

// killAfter is how long a child may take to leave before it is killed.
const killAfter = 5 * time.Second

// Start runs binary, or the tor in PATH when it is empty, with the network
// off. It returns once the process runs; its sockets appear a little later.
// unsafe lines are put into the torrc as they stand. The errors are
// anon.ErrUnavailable.
func (h *Home) Start(binary string, unsafe []string) (*Child, error) {
	if binary == "" {
		binary = "tor"
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", anon.ErrUnavailable, ErrMissing)
	}
	torrc, defaults, err := h.write(unsafe)
	if err != nil {
		return nil, fmt.Errorf("write the torrc: %w: %w", anon.ErrUnavailable, err)
	}
	// A killed tor leaves these behind, and they would be taken for the new one's.
	for _, stale := range []string{h.Control(), h.Socks(), h.Cookie()} {
		os.Remove(stale)
	}
	c := &Child{done: make(chan struct{})}
	c.cmd = exec.Command(path, "--hush", "--defaults-torrc", defaults, "-f", torrc)
	c.cmd.Env = []string{} // not nil: tor needs nothing of ours
	c.cmd.Dir = h.run
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	c.cmd.WaitDelay = killAfter
	if c.cmd.SysProcAttr, err = attributes(); err != nil {
		return nil, fmt.Errorf("start tor: %w: %w", anon.ErrUnavailable, err)
	}
	if h.lock != nil {
		// The child holds the slot as long as it runs, should we die first.
		c.cmd.ExtraFiles = []*os.File{h.lock}
	}
	started := make(chan error, 1)
	go c.live(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start tor: %w: %w", anon.ErrUnavailable, err)
	}
	return c, nil
}

// live starts the process and waits for it on one thread. The kernel's
// death signal fires when the thread that forked ends, not the process, so
// the thread is held until the child is gone and then thrown away.
func (c *Child) live(started chan<- error) {
	runtime.LockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	c.err = c.cmd.Wait()
	close(c.done)
}

// PID is the child's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err says how the process ended, with its last words. Call it after Done.
func (c *Child) Err() error {
	how := "tor ended"
	if c.err != nil {
		how = "tor ended: " + c.err.Error()
	}
	if last := c.said.last(); last != "" {
		how += ": " + last
	}
	return fmt.Errorf("%w: %s", anon.ErrUnavailable, how)
}

// Stop asks the process to leave, kills it after a bound, and returns when it
// is gone.
func (c *Child) Stop() {
	ask(c.cmd.Process)
	t := time.NewTimer(killAfter)
	defer t.Stop()
	select {
	case <-c.done:
		return
	case <-t.C:
	}
	c.cmd.Process.Kill()
	<-c.done
}

// words keeps the end of what the child says.
type words struct {
	mu   sync.Mutex
	text []byte
}

const maxWords = 4096

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if over := len(w.text) - maxWords; over > 0 {
		w.text = append(w.text[:0], w.text[over:]...)
	}
	return len(p), nil
}

// last returns the last two lines that carry a cause. The closing line of a
// bad configuration only points at the ones above.
func (w *words) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keep []string
	for _, l := range strings.Split(strings.TrimSpace(string(w.text)), "\n") {
		if _, msg, ok := strings.Cut(l, "] "); ok && !strings.Contains(l, "see warnings above") {
			keep = append(keep, msg)
		}
	}
	return Scrub(strings.Join(keep[max(0, len(keep)-2):], "; "))
}
