//go:build linux

// Command kernels runs sotto's walls on kernels that people have: it boots
// Debian's own in emulated machines without a network, runs `sotto prove` and
// the tests of the walls there, and compares each answer with what that kernel
// can give.
//
//	go run ./testnet/kernels                          # every kernel, both processors
//	go run ./testnet/kernels -only '12, .*amd64'       # some of them
//	go run ./testnet/kernels -tests cage,broker       # with the tests of these packages of anon
//
// It changes nothing of the machine that it runs on: kernels are downloaded by
// apt into a folder of its own, checked by Debian's signatures, and unpacked,
// not installed. It emulates the processor itself and needs no /dev/kvm. It
// refuses to call a run good of which it has not read every answer.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
)

func main() {
	if base := filepath.Base(os.Args[0]); base == "true" || base == "sh" {
		return // in a machine this is every other program
	}
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](); err != nil {
			fmt.Println("guest:", err)
			os.Exit(1)
		}
		return
	}
	home, err := os.UserCacheDir()
	if err != nil {
		home = os.TempDir()
	}
	only := flag.String("only", ".", "run the machines whose name matches `expression`")
	tests := flag.String("tests", "", "run the tests of these `packages` of anon too: cage, broker")
	cache := flag.String("cache", filepath.Join(home, "sotto-kernels"), "keep kernels in `folder`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *cache, strings.FieldsFunc(*tests, func(r rune) bool { return r == ',' })); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

// run boots what only names, one after the other, and prints what was found.
func run(ctx context.Context, only, cache string, tests []string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("read which machines to run: %w", err)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "KERNEL\tSCENE\tLABEL\tEXIT\tLANDLOCK\tBLOCKED\tOPEN")
	ran, wrong := 0, 0
	for _, m := range machines() {
		if !wanted.MatchString(m.name()) {
			continue
		}
		ran++
		found, err := m.boot(ctx, cache, tests)
		for _, f := range found {
			fmt.Fprintln(table, f.row())
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs := m.judge(found, tests)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name(), err))
		}
		for _, err := range errs {
			fmt.Fprintln(os.Stderr, "WRONG:", err)
		}
		wrong += len(errs)
	}
	switch {
	case ran == 0:
		return fmt.Errorf("run machines: none is called %q", only)
	case wrong > 0:
		return fmt.Errorf("%d answers are wrong, see above", wrong)
	}
	return nil
}
