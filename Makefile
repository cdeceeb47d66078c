# Everything that one does with StickyServer. Each target installs the Debian packages that it lacks, and says so.
# Needs Swift 6.1 or newer on PATH.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run build release test lint format examples sanitize fuzz audit interop bench counts certs clean

# Options for what the target runs, as in: make run ARGS="--workers 4", make test ARGS="--filter Routing"
ARGS ?=
# debug: the demo's first start takes two thirds of the time that release needs (66 s against 99 s on two cores).
CONFIGURATION ?= debug
DEMO_TRAITS ?= Hummingbird
STRICT = -Xswiftc -warnings-as-errors
SWIFT_SOURCES = Package.swift Sources Tests Fuzz/Package.swift Fuzz/Sources

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Options go in ARGS: make run ARGS="--workers 4"'

run: ## build and start the demo server (CONFIGURATION=release for speed; ARGS=--help for its options)
	@scripts/dependencies.sh run
	swift run -c $(CONFIGURATION) --traits $(DEMO_TRAITS) sticky-demo $(ARGS)

build: ## build everything, for debugging
	@scripts/dependencies.sh run
	swift build --enable-all-traits $(ARGS)

release: ## build everything, optimised
	@scripts/dependencies.sh run
	swift build -c release --enable-all-traits $(ARGS)

# One test after the other: many start servers and clients of their own, and a machine with two cores is full with one.
# The core is built without traits too, in a directory of its own: it must stand alone, without NIO.
test: lint ## check the format, build with warnings as errors, fuzz for a minute, run all tests
	@scripts/dependencies.sh test
	swift build --scratch-path .build-core $(STRICT)
	swift build --build-tests --enable-all-traits $(STRICT)
	scripts/fuzz.sh 60 || [ $$? = 3 ]
	swift test --skip-build --no-parallel --disable-xctest --enable-all-traits $(STRICT) $(ARGS)

lint: ## check the format of the Swift sources
	swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)

format: ## bring the Swift sources into the project's format
	swift format --in-place --parallel --recursive $(SWIFT_SOURCES)

examples: ## build the packages under Examples/
	@scripts/dependencies.sh run
	swift build --package-path Examples/hummingbird-app $(ARGS)

sanitize: ## build and run the tests of single modules with the address and the thread sanitizer (ARGS=address: one of them)
	@scripts/dependencies.sh run
	scripts/sanitize.sh $(ARGS)

fuzz: ## run the libFuzzer drivers for a minute in all (ARGS="600 session": how long, and which)
	@scripts/dependencies.sh run
	scripts/fuzz.sh $(ARGS)

audit: ## let all of testssl.sh and sslscan judge the TLS server
	@scripts/dependencies.sh test
	swift build --product TLSFixture --traits NIO
	python3 Tests/interop/run.py audit

interop: ## let every other TLS implementation that is installed talk to the TLS server, and print a table
	@scripts/dependencies.sh test interop
	swift build --product TLSFixture --traits NIO
	python3 Tests/interop/run.py

bench: ## measure server CPU against nginx and write Benchmarks/results/ (ARGS=--help for its options)
	@scripts/dependencies.sh bench
	python3 Benchmarks/run.py $(ARGS)

counts: ## count system calls, wake-ups, instructions and allocations for each unit of work
	@scripts/dependencies.sh counts
	python3 Benchmarks/counts.py $(ARGS)

certs: ## check the test certificates; make them again where they do not hold
	@scripts/dependencies.sh certs
	certs/generate.sh $(ARGS)

clean: ## remove what builds have made
	rm -rf .build .build-core .build-asan .build-tsan Benchmarks/build Examples/*/.build Fuzz/.build Fuzz/findings
