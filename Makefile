# make test    everything, on a fresh Debian 12 machine with Go and root
# make check   the fast loop: no network, no daemons, under two minutes
# make demo    share and fetch over private Tor and I2P networks, and prove it
# make bench   ratios measured side by side in one run
# make man     the manual page and the completions of three shells, in out/
# make install the program, the page, the completions and the unit, below PREFIX
# make reproduce   builds twice, elsewhere and from nothing, and compares
# make kernels the walls on Debian's kernels of 5.10 to 7.2, emulated, amd64 and
#              arm64: half an hour; installs qemu, downloads 300 MB
# make torture the tests that kill and damage, for longer

GO ?= go
PREFIX ?= /usr/local
export CGO_ENABLED = 0
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.6.1
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.1.4
# lint vets everything, the tests too, and for more than go test would.
GOTEST = $(GO) test -vet=off
# The longest first, so that they are not what the others have to wait for.
LONG = ./client/engine ./client/library ./cmd/sotto
UNIT = $(LONG) $$($(GO) list ./... | grep -v /testnet) ./testnet/house

# Packages without a goroutine, which have no races: TestSequentialPackagesStartNothing.
SEQUENTIAL = anon anon/folder anon/keyring anon/profile anon/redact client/bencode client/config client/engine/choke client/engine/disk client/engine/merkle client/engine/pace client/engine/pick client/health client/journal client/metainfo
CONCURRENT = $(LONG) $$($(GO) list ./... | grep -v -e /testnet $(SEQUENTIAL:%=-e '^sotto/%$$'))

.PHONY: build man install reproduce check unit test demo bench torture lint fuzz fuzz-long swarms kills race e2e install-deps install-demo-deps cross kernels

build:
	$(GO) build -trimpath -o sotto ./cmd/sotto

man: build
	mkdir -p out
	./sotto man >out/sotto.1
	./sotto completion bash >out/sotto.bash
	./sotto completion zsh >out/_sotto
	./sotto completion fish >out/sotto.fish

install: man
	install -D -m 755 sotto $(DESTDIR)$(PREFIX)/bin/sotto
	install -D -m 644 out/sotto.1 $(DESTDIR)$(PREFIX)/share/man/man1/sotto.1
	install -D -m 644 out/sotto.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sotto
	install -D -m 644 out/_sotto $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_sotto
	install -D -m 644 out/sotto.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/sotto.fish
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/user
	sed 's|%h/.local/bin/sotto|$(PREFIX)/bin/sotto|' packaging/systemd/sotto.service >$(DESTDIR)$(PREFIX)/lib/systemd/user/sotto.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/user/sotto.service

reproduce:
	sh testnet/reproduce.sh

check:
	$(MAKE) --no-print-directory -j 2 -Oline lint unit

# Without the race detector, nor what only a debugger reads. Many tests wait
# more than they work, so more packages run than there are cores.
unit:
	$(GOTEST) -ldflags=-w -p 4 $(UNIT)

# The order is from cheap to dear.
test: install-deps lint cross race swarms kills fuzz e2e

lint:
	@fmt=$$(git ls-files '*.go' | xargs gofmt -l); test -z "$$fmt" || { echo "not gofmt'ed: $$fmt"; exit 1; }
	$(GO) vet ./...
	sh testnet/lint.sh $(STATICCHECK) $(GOVULNCHECK)

cross:
	GOOS=darwin $(GO) vet ./cmd/... ./anon/... ./client/... ./transport/...
	GOOS=windows $(GO) vet ./cmd/... ./anon/... ./client/... ./transport/...

# Every unit test, with the race detector where there can be races.
race:
	$(GOTEST) -timeout 30m $(SEQUENTIAL:%=./%)
	CGO_ENABLED=1 $(GOTEST) -race -timeout 30m -p 3 $(CONCURRENT)

# Fifty peers each, in virtual time; a seed that fails is named with the
# command that plays it again.
swarms:
	$(GOTEST) -count=1 -run 'TestSwarm$$' ./client/engine -swarm-seeds 50

# A library that is killed while it fetches, moves, verifies and is steered.
kills:
	$(GOTEST) -count=1 -run TestLibraryKilledAtAnyInstant ./client/library -library.kills 200

# So many inputs each, not so long: as many on a slow machine.
fuzz:
	sh testnet/fuzz.sh 10000x

fuzz-long:
	sh testnet/fuzz.sh 10m

# Real tor, i2pd, Transmission, libtorrent and aria2 on private networks, in
# namespaces. Most tests wait more than they work, so more of them run than
# there are cores.
e2e:
	$(GOTEST) -count=1 -timeout 40m -parallel 6 ./testnet/e2e ./testnet/...

demo: install-demo-deps build
	./sotto demo

bench: install-deps
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./anon/broker ./anon/cage ./client/engine ./client/library ./client/store ./testnet/e2e ./testnet/interop

# The same tests as in test, for longer.
torture:
	$(GO) test -count=1 -timeout 4h -run 'TestSwarm$$' ./client/engine -swarm-seeds 1000
	$(GO) test -count=1 -timeout 60m -v -run 'TestKilledAtAnyInstant|TestFlippedBits' ./client/store -store.kills 1000 -store.flips 5000
	$(GO) test -count=1 -timeout 60m -v -run TestLibraryKilledAtAnyInstant ./client/library -library.kills 1000
	$(GO) test -count=1 -timeout 60m -run TestAnythingInAnyOrder ./client/library -rapid.checks 2000 -rapid.steps 60
	$(GO) test -count=1 -timeout 90m -v -run TestEngineKilledAtAnyInstant ./testnet/e2e -e2e.kills 1000
	$(GO) test -count=1 -timeout 90m -v -run TestDaemonKilledAtAnyInstant ./testnet/e2e -e2e.upkills 200

# Kernels are unpacked into a cache of this user's, not installed. One of them runs
# the tests of anon/cage too, which takes as long as all the rest.
kernels:
	sh testnet/install.sh qemu-system-x86 qemu-system-arm
	$(GO) run ./testnet/kernels
	$(GO) run ./testnet/kernels -only '12, 6.1, amd64' -tests cage

install-deps:
	sh testnet/install.sh tor i2pd transmission-cli aria2 python3-libtorrent python3-transmissionrpc chromium strace gcc libc6-dev git zsh fish
	command -v npm >/dev/null || sh testnet/install.sh nodejs npm
	npm ci --ignore-scripts --no-audit --no-fund --prefix testnet/remote/testdata/node

install-demo-deps:
	sh testnet/install.sh tor i2pd
