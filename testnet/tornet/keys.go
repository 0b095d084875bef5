package tornet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

var (
	// A certificate states the SHA-1 of its identity key on a line of its own
	// (tor's dir-spec, "fingerprint").
	certFingerprint = regexp.MustCompile(`(?m)^fingerprint ([0-9A-F]{40})$`)
	// tor --list-fingerprint prints the nickname and ten groups of four.
	listFingerprint = regexp.MustCompile(`(?m)^\w+ ((?:[0-9A-F]{4} ?){10})$`)
)

// generate makes every node's keys, all at the same time: this is the
// slowest part of a start and RSA keeps one core busy each.
func generate(ctx context.Context, c Config, nodes []*node) error {
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, a := range nodes {
		all.Go(func() { errs[i] = a.generate(ctx, c) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (a *node) generate(ctx context.Context, c Config) error {
	cert := a.path("keys/authority_certificate")
	gencert := exec.CommandContext(ctx, c.Gencert,
		"--create-identity-key", "--passphrase-fd", "0",
		"-i", a.path("keys/authority_identity_key"),
		"-s", a.path("keys/authority_signing_key"),
		"-c", cert,
		"-m", "12", // months of validity
		"-a", "127.0.0.1:"+strconv.Itoa(a.dirPort))
	gencert.Stdin = strings.NewReader("no secret\n")
	gencert.Env = environment()
	if out, err := gencert.CombinedOutput(); err != nil {
		return fmt.Errorf("make keys of %s: %w: %s", a.name, err, out)
	}
	text, err := os.ReadFile(cert)
	if err != nil {
		return fmt.Errorf("read certificate of %s: %w", a.name, err)
	}
	m := certFingerprint.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("certificate of %s has no fingerprint", a.name)
	}
	a.v3ident = string(m[1])
	return a.identity(ctx, c)
}

// identity lets tor make the relay's own keys and learns their fingerprint.
func (a *node) identity(ctx context.Context, c Config) error {
	zero := strings.Repeat("0", 40)
	list := exec.CommandContext(ctx, c.Tor, "--quiet", "--list-fingerprint",
		"-f", a.path("empty"), "--defaults-torrc", a.path("empty"),
		"--DataDirectory", a.dir, "--Nickname", a.name,
		"--ORPort", strconv.Itoa(a.orPort), "--SocksPort", "0", "--ExitRelay", "0",
		"--ContactInfo", contact, "--AssumeReachable", "1",
		// An authority that is nobody: with the real ones in force tor would
		// find this relay wanting.
		"--DirAuthority", "nobody orport=1 no-v2 v3ident="+zero+" 127.0.0.1:1 "+zero)
	list.Env = environment()
	out, err := list.CombinedOutput()
	if err != nil {
		return fmt.Errorf("make identity of %s: %w: %s", a.name, err, out)
	}
	m := listFingerprint.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("identity of %s: tor printed no fingerprint: %q", a.name, out)
	}
	a.fingerprint = strings.ReplaceAll(string(m[1]), " ", "")
	return nil
}

// environment is all a tool of the lab is told about ours.
func environment() []string { return []string{"PATH=" + os.Getenv("PATH")} }
