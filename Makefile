.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO := cargo
SEEDS ?= 1000
SECONDS ?= 60
LISTEN ?= 127.0.0.1:8080
DATA ?= ./data

.PHONY: help run test test-engine check simulate crash contract fuzz bench doc fmt clean-data

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build, and serve a demo shop on 127.0.0.1:8080 with a live drop
	$(CARGO) build --release -p server
	./target/release/fusion serve --dev --listen $(LISTEN) --data-dir $(DATA)

test: test-engine ## prove it: rules, simulation, doors, crashes
	$(CARGO) test --workspace

test-engine: ## the rules and the runtime on virtual time
	$(CARGO) test -p actors --features sabotage --test simulation -- --nocapture

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

fuzz: ## each decoder and parser under libFuzzer for SECONDS, or these TARGETS
	SECONDS_EACH=$(SECONDS) fuzz/run.sh $(TARGETS)

bench: ## speed, as ratios against Redis and PostgreSQL in the same run; writes bench/RESULTS.md
	$(CARGO) build --release -p server -p bench
	./target/release/bench run

doc: ## the documentation of every room; warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

fmt: ## format everything
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

clean-data: ## remove the demo shop's data, to start over
	rm -rf $(DATA)
