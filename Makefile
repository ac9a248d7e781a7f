# One command per task, the same here and in CI. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
FUZZ_SECONDS       ?= 20
PYTHON             ?= python3
CLAVIGER           ?= target/debug/claviger
HOST               := $(shell rustc -vV | sed -n 's/^host: //p')
RELEASED           := target/$(HOST)/release/claviger
BENCH_ARGS         ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: tools check unit crash-test clients docs-test page-test authz-test bench-check deploy-test fuzz-smoke ## everything below but the benchmarks; installs what it needs
	@echo "== make test: all stages passed"

.PHONY: tools
tools: ## install the Debian packages that the tests need, saying which
	@scripts/apt.sh bwrap=bubblewrap musl-gcc=musl-tools nginx=nginx-light openssl=openssl redis-server=redis-server
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || scripts/apt.sh python-venv-missing=python3-venv

.PHONY: check
check: ## format, lints with and without the emulator, documentation, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --package claviger --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet
	scripts/deny.sh $(CARGO_DENY_VERSION)

.PHONY: docs
docs: ## write config/schema.json and docs/reference/configuration.md from the declarations in src/config/
	CLAVIGER_TEST_WRITE=1 cargo test --locked --quiet --lib config::tests::example::the_schema_file_is_the_schema
	CLAVIGER_TEST_WRITE=1 cargo test --locked --quiet --lib config::tests::reference

.PHONY: unit
unit: ## unit, property and integration tests; those of a real Logto's recordings where the environment names them
	cargo test --locked --workspace
	@if [ -n "$${TEST_CLAVIGER_OPENAPI:-}" ]; then cargo test --locked --lib -- --ignored logtos_own_document; fi
	@if [ -n "$${TEST_CLAVIGER_TRANSCRIPTS:-}" ]; then cargo test --locked --test emulator_facts -- --ignored recorded_exchanges; fi

.PHONY: crash-test
crash-test: ## a thousand creations and rotations of tenants, and a batch of 10,000, cut off at random by the end of the program; two minutes
	cargo test --locked --test it -- --ignored --nocapture b52_a_thousand_flows b61_ten_thousand

.PHONY: quota
quota: bench-tools ## Logto Cloud's quota in real time: an export, people and sign-in, beside nginx and Envoy; needs an idle machine
	cargo test --locked --release --test it -- --ignored --nocapture b55_the_same_as_logto_cloud_has_it
	cargo build --release --locked
	$(PYTHON) bench/quota.py

.PHONY: modules
modules: ## draw the modules in ARCHITECTURE.md from the code's imports
	cargo test --locked --test architecture -- --ignored --exact draw_the_picture_in_architecture

.PHONY: clients
clients: ## unmodified public clients and a foreign issuer against the program
	cargo build --locked
	$(PYTHON) tests/clients/run.py --claviger $(CLAVIGER)

.PHONY: docs-test
docs-test: clients ## what README and docs/ tell their readers to type
	@scripts/apt.sh go=golang-go javac=default-jdk-headless
	$(PYTHON) tests/docs/run.py --claviger $(CLAVIGER)

.PHONY: page-test
page-test: ## the page of the admin listener in a real browser
	@scripts/apt.sh chromium=chromium
	cargo build --locked
	$(PYTHON) tests/page/run.py --claviger $(CLAVIGER)

.PHONY: authz-test
authz-test: ## real nginx and Envoy, asking the program
	@scripts/apt.sh nginx=nginx-light
	@scripts/envoy.sh $(PYTHON) >/dev/null
	cargo build --locked
	$(PYTHON) tests/authz/run.py --claviger $(CLAVIGER)

.PHONY: deploy-test
deploy-test: ## Kubernetes manifests, and the image's file system run without privileges
	$(PYTHON) tests/deploy/run.py

.PHONY: release
release: ## the binary as it is released, guided by a profile of a working day: smaller and faster than `cargo build --release`; 15 minutes
	scripts/release.sh $(HOST)
	@ls -l $(RELEASED)

.PHONY: fuzz-smoke
fuzz-smoke: ## each fuzz target for FUZZ_SECONDS (20)
	scripts/fuzz-smoke.sh $(CARGO_FUZZ_VERSION) $(FUZZ_SECONDS)

.PHONY: attack-test
attack-test: release ## thousands of hostile connections in a control group of 64 MiB; needs the right to make one, so not in `make test`
	@scripts/apt.sh openssl=openssl
	$(PYTHON) tests/attacks/run.py --claviger $(RELEASED)

.PHONY: bench
bench: bench-tools release ## beside nginx, HAProxy and Envoy; BENCH_ARGS="--rounds 3"
	$(PYTHON) bench/run.py --claviger $(RELEASED) $(BENCH_ARGS)

.PHONY: bench-check
bench-check: ## what the benchmark would measure still answers right, and refuses
	@scripts/apt.sh nginx=nginx-light openssl=openssl haproxy=haproxy taskset=util-linux
	cargo build --locked
	$(PYTHON) bench/run.py --verify-only --without envoy --claviger $(CLAVIGER)

.PHONY: bench-tools
bench-tools: ## install the peers of the benchmark, saying which
	@scripts/apt.sh nginx=nginx-light haproxy=haproxy wrk=wrk openssl=openssl taskset=util-linux strip=binutils
	@scripts/envoy.sh $(PYTHON) >/dev/null

.PHONY: bench-micro
bench-micro: ## criterion benchmarks of single stages
	cargo bench --locked
