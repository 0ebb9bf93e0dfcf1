# The one front door. `make help` lists what there is; every recipe is short, the work is in the tools it calls.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

NODES      ?= 3
PROXY_MODE ?= nftables
FUZZ_SECONDS ?= 600
VERSION    := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
REGISTRY   ?= quay.io/metallb-rs
TAG        ?= v$(VERSION)

# The project's own cluster, unless the caller names another one.
LAB_KUBECONFIG := $(CURDIR)/target/cluster/kubeconfig
export KUBECONFIG ?= $(LAB_KUBECONFIG)

# No build names a package with -p: each set of packages has a set of features of its own, and would be built anew.
CLUSTER   := cargo run --quiet --bin cluster --
DENY_VERSION := 0.20.2
DENY_ROOT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/metallb-tools/cargo-deny-$(DENY_VERSION)
DENY      := $(DENY_ROOT)/bin/cargo-deny
BINARIES  := operator controller speaker

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z0-9-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nVariables: NODES=%s (1-9)  PROXY_MODE=%s (or iptables)  REGISTRY=%s  TAG=%s  FUZZ_SECONDS=%s\n' \
	  '$(NODES)' '$(PROXY_MODE)' '$(REGISTRY)' '$(TAG)' '$(FUZZ_SECONDS)'

.PHONY: deps
deps: ## Install the system packages (Debian, Ubuntu), or name them elsewhere
	@scripts/deps

.PHONY: demo
demo: deps ## From nothing to a served address: cluster, images, operator, pool, web Service
	@NODES=$(NODES) PROXY_MODE=$(PROXY_MODE) scripts/demo

.PHONY: test
test: ## Everything CI runs, and how long each step took
	@scripts/steps deps lint deny unit check-generated courier images e2e

##@ Develop

.PHONY: build
build: ## Build everything (debug)
	cargo build

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: lint
lint: ## Formatting, clippy, rustdoc and shell scripts, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo clippy --workspace --test '*' --quiet -- -D warnings # those with test = false, which --all-targets leaves out
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --quiet
	shellcheck scripts/* .ci/run

.PHONY: deny
deny: $(DENY) ## Licences, banned crates and sources of all dependencies
	$(DENY) --log-level error check bans licenses sources

$(DENY):
	@echo "building cargo-deny $(DENY_VERSION), once (about 2 minutes) ..."
	cargo install cargo-deny --version $(DENY_VERSION) --locked --quiet --root $(DENY_ROOT)

.PHONY: audit
audit: $(DENY) ## Known vulnerabilities of all dependencies (needs the internet)
	$(DENY) check advisories

.PHONY: unit
unit: ## Unit and property tests, and the tidiness of the tree
	cargo test --quiet

.PHONY: fuzz
fuzz: ## Damaged frames and packets for each decoder, FUZZ_SECONDS long
	cargo run --quiet --bin fuzz -- $(FUZZ_SECONDS)

.PHONY: manifests
manifests: ## Generate config/ and what the Helm chart has in common with it from the Rust types
	cargo run --quiet --bin crdgen -- config/crd
	cargo run --quiet --bin manifests -- --registry $(REGISTRY) --tag $(TAG) config

.PHONY: bundle
bundle: ## Generate bundle/ and catalog/ for the Operator Lifecycle Manager
	cargo run --quiet --bin bundle -- --registry $(REGISTRY) --tag $(TAG) .

.PHONY: courier
courier: bundle ## Fail if operator-courier does not accept the bundle (installs it from PyPI, once)
	@scripts/courier

# What `make manifests` and `make bundle` write.
GENERATED := config charts bundle bundle.Dockerfile catalog catalog.Dockerfile

.PHONY: check-generated
check-generated: manifests bundle ## Fail if config/, charts/ or the bundle is not what the types say
	@git diff --exit-code -- $(GENERATED) || { echo "out of date: run 'make manifests bundle' and commit"; exit 1; }
	@untracked=$$(git ls-files --others --exclude-standard -- $(GENERATED)); test -z "$$untracked" || \
	  { echo "generated, but not committed: $$untracked"; exit 1; }

##@ Images

.PHONY: images
images: ## Build target/images/{operator,controller,speaker}.tar, without a container engine
	@REGISTRY=$(REGISTRY) TAG=$(TAG) scripts/images

##@ Cluster

.PHONY: cluster-up
cluster-up: ## Start a real Kubernetes cluster in network namespaces (root)
	@$(CLUSTER) up --nodes $(NODES) --proxy-mode $(PROXY_MODE)

.PHONY: cluster-down
cluster-down: ## Stop it, and leave nothing behind
	@$(CLUSTER) down

.PHONY: cluster-status
cluster-status: ## Say what runs
	@$(CLUSTER) status

.PHONY: load
load: images ## Import our images into every node of the cluster
	@$(CLUSTER) load $(BINARIES:%=target/images/%.tar)

.PHONY: deploy
deploy: ## Install the operator into the cluster of $KUBECONFIG
	@scripts/kubectl apply -k config/default
	@scripts/kubectl -n metallb-system rollout status deployment/metallb-operator-controller-manager --timeout=120s

.PHONY: undeploy
undeploy: ## Remove the MetalLB resource, the operator and the CRDs from the cluster of $KUBECONFIG
	@if scripts/kubectl get crd metallbs.metallb.io >/dev/null 2>&1; then \
	  scripts/kubectl -n metallb-system delete metallbs.metallb.io --all --timeout=60s; fi
	@scripts/kubectl delete -k config/default --ignore-not-found

##@ Benchmarks

.PHONY: bench
bench: deps images ## Ours and upstream side by side, into docs/benchmarks.md; ONLY=row,row prints some; replaces a cluster that runs
	@NODES=$(NODES) PROXY_MODE=$(PROXY_MODE) ONLY='$(ONLY)' scripts/bench

.PHONY: failover-table
failover-table: ## Simulate failover among up to 2,000 speakers, into docs/failover.md; takes an hour, and 13 GB of memory
	cargo run --quiet --profile simulation --bin failover-table -- docs/failover.md

##@ End-to-end tests

.PHONY: e2e
e2e: images ## All tests that need a real cluster, or the files in ONLY; replaces one that runs
	@NODES=$(NODES) PROXY_MODE=$(PROXY_MODE) ONLY='$(ONLY)' scripts/e2e

.PHONY: e2e-olm
e2e-olm: images ## Install, upgrade and remove by docs/olm.md with the Operator Lifecycle Manager, which it builds
	@NODES=$(NODES) PROXY_MODE=$(PROXY_MODE) ONLY=olm_install scripts/e2e

.PHONY: e2e-external
e2e-external: ## The tests that work on any cluster, on the one in $KUBECONFIG with MetalLB deployed
	cargo test --test 'admit_*' --test 'operator_*' --test 'controller_*' \
	  --test 'speaker_*' --test 'reliability_*' -- --test-threads=1

.PHONY: clean
clean: cluster-down ## Remove everything that was built in this checkout
	cargo clean
