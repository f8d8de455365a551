# pg_durable: build, install and test.
#
# Honoured: PG_CONFIG (which server), DESTDIR (packagers), CONFIG=release|debug, SWIFT_FLAGS.
# Every target may be repeated; all say little when they succeed and need no input.

PG_CONFIG ?= pg_config
CONFIG ?= release
DESTDIR ?=
SWIFT_FLAGS ?=
export PG_CONFIG CONFIG DESTDIR SWIFT_FLAGS

.DEFAULT_GOAL := build
.PHONY: help setup doctor build install uninstall installcheck demo check lint fmt test sim sim-nightly fuzz \
	server regress bench bench-loops bench-signals bench-starts start stop psql log clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install what is missing (Debian packages: the PostgreSQL server, its headers, a C toolchain, Python)
	@scripts/setup

doctor: ## say which tools are present and what is missing; changes nothing
	@scripts/setup --check

build: ## build/pg_durable.so and the install script, for the server that PG_CONFIG names
	@scripts/build pg_durable

install: build ## install the extension into that server's directories (with sudo when they are not yours)
	@scripts/install

uninstall: ## remove it from there
	@scripts/install --remove

installcheck: ## regression tests against a running server given by PGHOST, PGPORT, PGUSER (a superuser)
	@pgtest/regress/run --installed

demo: ## see a durable function run on real rows, and survive kill -9
	@scripts/setup
	@scripts/build pg_durable
	@scripts/install
	@scripts/demo

check: ## everything that must pass before a merge; ends with "N passed, N failed"
	@scripts/setup
	@scripts/check

lint: ## formatting and house rules of the sources
	@scripts/lint

fmt: ## format the Swift sources in place
	@swift format format --in-place --parallel --recursive Package.swift Sources Tests

test: ## the tests that need no server
	@scripts/swift-test

sim: ## simulate the engine under crashes and races: make sim SEED=17, or a minute of seeds without it
	@scripts/sim $(SEED)

sim-nightly: ## simulate 100,000 random graphs (about 15 minutes)
	@SIM_COUNT=100000 SIM_SECONDS=0 scripts/sim

fuzz: ## half a minute of libFuzzer on the envelope, substitution and cron parsers, and on what HTTP steps read
	@scripts/fuzz

server: install ## the suites that need a server: make server T="identity busy", all without T
	@pgtest/run $(T)

regress: install ## pg_regress on a private server: make regress T=vars, all without T
	@pgtest/regress/run $(T)

bench: install ## rate, latency and cost per step, beside pgbench
	@pgtest/bench/bench.py

bench-loops: install ## a million iterations of an endless loop must not slow down or grow (N=20000)
	@pgtest/bench/loops.py $(N)

bench-signals: install ## 100,000 waiting functions, all signalled in one transaction, must complete (N=10000)
	@pgtest/bench/signals.py $(N)

bench-starts: install ## a million starts in one transaction, and 100,000 savepoints, with a small ready set (N=100000)
	@pgtest/bench/starts.py $(N)

start: install ## start (or restart with the new build) the private server of this checkout
	@scripts/dev restart

stop: ## stop it
	@scripts/dev stop

psql: ## psql on it
	@scripts/dev psql

log: ## the end of its log
	@scripts/dev log

clean: ## remove what was built, and the private server with its data
	@scripts/dev remove
	@rm -rf build .build .pgdev
