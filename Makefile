.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO := cargo
SEEDS ?= 1000
SECONDS ?= 60
LISTEN ?= 127.0.0.1:8080
DATA ?= ./data
PAGES := web/app/dist/index.html
PAGES_FROM := $(shell find web/sdk/src web/sdk/*.json web/app/src web/app/public web/app/*.* web/app/scripts -type f 2>/dev/null)
# Where web/need.sh puts a Node, if the machine has none that fits.
export PATH := $(CURDIR)/target/node/bin:$(PATH)

.PHONY: help run run-engine dev test need-web test-engine test-web check simulate crash contract live-checks hostile fuzz bench doc fmt clean-data

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(PAGES) run-engine ## build, and serve a demo shop on 127.0.0.1:8080 with a live drop

run-engine: ## the same without building pages: needs no Node
	$(CARGO) build --release -p server
	./target/release/fusion serve --dev --listen $(LISTEN) --data-dir $(DATA)

dev: web/node_modules/.package-lock.json ## the pages with hot reload, against a server that make run has started
	cd web && npm run build -w sdk && FUSION_URL=http://$(LISTEN) npm run dev -w app

$(PAGES): web/node_modules/.package-lock.json $(PAGES_FROM)
	cd web && npm run build -w sdk && npm run build -w app

web/node_modules/.package-lock.json: web/package-lock.json
	@web/need.sh node
	cd web && npm ci --no-audit --no-fund

test: need-web $(PAGES) test-engine test-web ## prove it: rules, simulation, doors, crashes, pages in a browser

need-web:
	@web/need.sh --install node chromium

test-web: $(PAGES) ## the client library and the pages, in a browser, against the real binary
	$(CARGO) build -p server
	cd web && npm test -w sdk && npm test -w app && npm run test:browser -w app

test-engine: ## all of it but the pages: needs no Node and no browser
	$(CARGO) test -p actors --features sabotage --test simulation -- --nocapture
	$(CARGO) test --workspace

check: ## format and lints; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

simulate: ## live SEEDS histories of the simulated world, or SEED=n again, with its log
	$(if $(SEED),FUSION_SEED=$(SEED),FUSION_SEEDS=$(SEEDS)) $(CARGO) test --profile simulate -p actors --features sabotage --test simulation -- --nocapture no_history

crash: ## the real binary under load, killed at random moments
	FUSION_CRASHES=20 $(CARGO) test -p server --test crash -- --nocapture

contract: ## the answers against the document that is served, as a vendor and as a buyer (Schemathesis)
	$(CARGO) build -p server
	gateway/contract/run.sh

live-checks: ## the WebSocket against other people's clients: RFC 6455 cases, the documented conversation, floods
	$(CARGO) build -p server
	gateway/live-checks/run.sh

hostile: ## what hostile clients cost the release build: descriptors, memory, CPU, disk, and the time of others' claims
	$(CARGO) build --release -p server
	gateway/hostile/run.sh

fuzz: ## each decoder and parser under libFuzzer for SECONDS, or these TARGETS
	SECONDS_EACH=$(SECONDS) fuzz/run.sh $(TARGETS)

bench: need-web $(PAGES) ## speed, as ratios against Redis, PostgreSQL, Bun and ws in the same run; writes bench/RESULTS.md
	$(CARGO) build --release -p server -p bench
	./target/release/bench run

doc: ## the documentation of every room; warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

fmt: ## format everything
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

clean-data: ## remove the demo shop's data, to start over
	rm -rf $(DATA)
