.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO := cargo
# Each file by name: cargo fmt does not find the modules that a macro declares.
RUSTFMT := rustfmt --edition 2024
SEEDS ?= 1000
SECONDS ?= 60
LISTEN ?= 127.0.0.1:8080
DATA ?= ./data
PAGES := web/app/dist/index.html
PAGES_FROM := $(shell find web/sdk/src web/sdk/*.json web/app/src web/app/public web/app/*.* web/app/scripts -type f 2>/dev/null)
# The folder into which web/need.sh installs Node if the machine has no suitable version.
export PATH := $(CURDIR)/target/node/bin:$(PATH)

.PHONY: help run run-engine dev test need-web test-engine test-web check new-kind simulate crash contract live-checks hostile fuzz bench doc fmt clean-data

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(PAGES) run-engine ## build, and serve a demo shop on 127.0.0.1:8080 with a live drop

run-engine: ## the same without building pages: needs no Node
	$(CARGO) build --release -p server
	./target/release/fusion serve --dev --listen $(LISTEN) --data-dir $(DATA)

dev: web/node_modules/.package-lock.json ## serve the pages with hot reload, against a server that make run has started
	cd web && npm run build -w sdk && FUSION_URL=http://$(LISTEN) npm run dev -w app

$(PAGES): web/node_modules/.package-lock.json $(PAGES_FROM)
	cd web && npm run build -w sdk && npm run build -w app

web/node_modules/.package-lock.json: web/package-lock.json
	@web/need.sh node
	cd web && npm ci --no-audit --no-fund

test: need-web $(PAGES) test-engine test-web ## run all tests: rules, simulation, API, crashes, pages in a browser

need-web:
	@web/need.sh --install node chromium

test-web: $(PAGES) ## test the client library and the pages, in a browser, against the real binary
	$(CARGO) build -p server
	cd web && npm test -w sdk && npm test -w app && npm run test:browser -w app

test-engine: ## the same without the pages: needs no Node and no browser
	$(CARGO) test -p actors --features fault-injection --test simulation -- --nocapture
	$(CARGO) test --workspace

check: ## check format, lints and dependencies; warnings are errors
	git ls-files -z '*.rs' | xargs -0 $(RUSTFMT) --check
	.ci/words.py --self-test
	.ci/words.py
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	.ci/dependencies.py

new-kind: ## apply docs/new-kind.md to a copy of the repository, and build and test the kind that it adds
	.ci/new_kind.py

simulate: ## run SEEDS histories of the simulation, or replay SEED=n with its log
	$(if $(SEED),FUSION_SEED=$(SEED),FUSION_SEEDS=$(SEEDS)) $(CARGO) test --profile simulate -p actors --features fault-injection --test simulation -- --nocapture no_history

crash: ## kill the real binary under load at random moments
	FUSION_CRASHES=20 $(CARGO) test -p server --test crash -- --nocapture

contract: ## check responses against the served OpenAPI document, as a vendor and as a buyer (Schemathesis)
	$(CARGO) build -p server
	gateway/contract/run.sh

live-checks: ## test the WebSocket with independent clients: RFC 6455 cases, the documented conversation, floods
	$(CARGO) build -p server
	gateway/live-checks/run.sh

hostile: ## measure what hostile clients cost the release build: descriptors, memory, CPU, disk, latency of other buyers' claims
	$(CARGO) build --release -p server
	gateway/hostile/run.sh

fuzz: ## run each decoder and parser, or TARGETS, under libFuzzer for SECONDS
	SECONDS_EACH=$(SECONDS) fuzz/run.sh $(TARGETS)

bench: need-web $(PAGES) ## measure speed, as ratios to Redis, PostgreSQL, Bun and ws in the same run; writes bench/RESULTS.md
	$(CARGO) build --release -p server -p bench
	./target/release/bench run

doc: ## build the documentation of every crate; warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

fmt: ## format everything
	git ls-files -z '*.rs' | xargs -0 $(RUSTFMT)

clean-data: ## remove the data of the demo shop
	rm -rf $(DATA)
