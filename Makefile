# What contributors run; every target works on a fresh machine with rustup.

MODULE := target/policy/wasm32-wasip1/release/vault_sidecar_injector.wasm
# What both modules are made with.
BUILD := Cargo.toml Cargo.lock rust-toolchain.toml .cargo/config.toml
SOURCES := $(shell find build src -type f) $(BUILD)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A toolchain that was there before this repository does not have it.
.PHONY: wasm-target
wasm-target:
	@rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1

policy.wasm: $(SOURCES) | wasm-target ## Build the module
	cargo build --release --locked --target wasm32-wasip1 --target-dir target/policy --package vault-sidecar-injector
	cp $(MODULE) $@

VSI := target/debug/vsi

.PHONY: vsi
vsi: ## Build the command line tool as target/debug/vsi
	cargo build --quiet --locked --package vsi

# Only kwctl writes metadata into the module.
KWCTL ?= $(shell command -v kwctl)

annotated-policy.wasm: policy.wasm policy-metadata.yml README.md ## Build the module with its metadata, as it is pushed to registries; needs kwctl
	@[ -n '$(KWCTL)' ] || { echo '$@ needs kwctl: https://docs.kubewarden.io/howtos/install-kwctl' >&2; exit 1; }
	rm -f $@
	$(KWCTL) annotate --metadata-path policy-metadata.yml --usage-path README.md --output-path $@ policy.wasm

.PHONY: run
run: vsi ## Show what the policy does to the pods of a Deployment and of Jobs
	@for sample in deployment-dynamic job-dynamic job-native; do \
		$(VSI) inject -f deploy/samples/$$sample.yaml -o diff || exit; \
	done

.PHONY: test
test: policy.wasm ## Run all tests
	cargo test --workspace --locked

# What is released, where kwctl is installed; otherwise `vsi` runs the module as it is.
E2E_TOOL := $(or $(KWCTL),$(VSI))
E2E_POLICY := $(if $(KWCTL),annotated-policy.wasm,policy.wasm)

.PHONY: e2e-tests
e2e-tests: $(E2E_POLICY) | $(if $(KWCTL),,vsi) ## Try every feature through `kwctl run`, or `vsi run` where there is no kwctl; needs bats and jq
	@echo 'e2e.bats runs $(E2E_TOOL) ($(shell $(E2E_TOOL) --version | head -1))'
	KWCTL='$(E2E_TOOL)' POLICY=$(E2E_POLICY) bats e2e.bats

.PHONY: e2e-registry
e2e-registry: $(E2E_POLICY) ## Push the module to a registry on loopback and get it back; needs docker-registry
	POLICY=$(E2E_POLICY) cargo test --locked --manifest-path e2e/registry/Cargo.toml --target-dir target/registry --test registry

.PHONY: e2e-agent-injector
e2e-agent-injector: policy.wasm ## Hold the policy against HashiCorp's Agent Injector, pod by pod; e2e/agent-injector/README.md has the options
	POLICY=policy.wasm cargo test --locked --manifest-path e2e/agent-injector/Cargo.toml --target-dir target/agent-injector -- --nocapture

playground/node_modules: playground/package-lock.json
	npm ci --prefix playground --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: playground-page
playground-page: policy.wasm playground/node_modules
	npm run --silent --prefix playground build

.PHONY: playground
playground: policy.wasm playground/node_modules ## Serve the page that runs the module in the browser, on loopback; needs Node.js
	npm run --silent --prefix playground serve

CHROMIUM ?= $(shell command -v chromium || command -v google-chrome)

.PHONY: e2e-playground
e2e-playground: policy.wasm playground/node_modules | vsi ## Try that page in a browser; needs Node.js and Chromium
	npm run --silent --prefix playground check
	CHROMIUM='$(CHROMIUM)' npm test --silent --prefix playground

.PHONY: playground-pictures
playground-pictures: policy.wasm playground/node_modules ## Draw that page anew for the documentation; needs Node.js and Chromium
	CHROMIUM='$(CHROMIUM)' npm run --silent --prefix playground pictures

CLUSTER := target/cluster
CLUSTER_TESTS := --locked --manifest-path e2e/cluster/Cargo.toml --target-dir target/cluster-tests

.PHONY: cluster-programs
cluster-programs: ## Build the programs of a Kubernetes cluster from their Go modules, once; takes most of an hour
	e2e/cluster/local/programs.sh $(CLUSTER)/bin

.PHONY: cluster-up
cluster-up: ## Bring up a Kubernetes cluster of one node on this machine, as root; e2e/cluster/README.md says what it needs
	e2e/cluster/local/up.sh

.PHONY: cluster-down
cluster-down: ## Delete the cluster of make cluster-up
	e2e/cluster/local/down.sh

# policy-server takes a module with its metadata, which kwctl writes.
CLUSTER_MODULES := policy.wasm $(and $(KWCTL),$(shell command -v policy-server),annotated-policy.wasm)

.PHONY: e2e-cluster
e2e-cluster: $(CLUSTER_MODULES) ## Run injected pods in the cluster of KUBECONFIG, or of make cluster-up; e2e/cluster/README.md has the options
	KUBECONFIG=$${KUBECONFIG:-$(CURDIR)/$(CLUSTER)/kubeconfig} cargo test $(CLUSTER_TESTS) \
		$(if $(ARGS),--test scenarios -- $(ARGS))

.PHONY: lint-cluster
lint-cluster: ## Check e2e/cluster with clippy; its dependencies take long to compile
	cargo clippy $(CLUSTER_TESTS) --all-targets -- --deny warnings

.PHONY: tested
tested: ## Write the results of the last full run of make e2e-cluster to docs/tested.md
	cargo run --quiet $(CLUSTER_TESTS) --bin tested -- $(CLUSTER)/report.json docs/tested.md

SCHEMAS := target/schemas

$(SCHEMAS)/installed: tests/schemas/requirements.txt
	python3 -m venv --clear $(SCHEMAS)
	$(SCHEMAS)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

.PHONY: schemas
schemas: $(SCHEMAS)/installed vsi ## Hold injected pods and samples against the schemas of Kubernetes; needs python3 with venv
	cargo run --quiet --locked --package golden-cases >$(SCHEMAS)/cases.jsonl
	$(SCHEMAS)/bin/python tests/schemas/validate.py $(SCHEMAS)/cases.jsonl
	@mkdir -p $(SCHEMAS)/samples
	@for sample in deploy/samples/*.yaml; do \
		$(VSI) inject -f $$sample >$(SCHEMAS)/samples/$${sample##*/} || exit; \
	done
	@# 1.29 is the first release that knows native sidecars.
	@for release in 1.29 1.37; do \
		$(SCHEMAS)/bin/kubernetes-validate --strict --kubernetes-version $$release $(SCHEMAS)/samples/*.yaml || exit; \
	done

.PHONY: golden
golden: policy.wasm ## Write golden outcomes and reference tables anew; read the difference
	UPDATE_GOLDEN=1 cargo test --quiet --package vsi --bin vsi reference::documents
	$(MAKE) --no-print-directory published
	UPDATE_GOLDEN=1 cargo test --quiet --test golden
	UPDATE_GOLDEN=1 cargo test --quiet --test messages

# The locks of all workspaces have the version.
.PHONY: published
published: ## Write the version, repository and author of Cargo.toml into all files that name them
	@for workspace in Cargo.toml $(wildcard */Cargo.toml e2e/*/Cargo.toml); do \
		cargo metadata --format-version 1 --manifest-path $$workspace >/dev/null || exit; \
	done
	UPDATE_GOLDEN=1 cargo test --quiet --locked --test published every_file

.PHONY: release-dry-run
release-dry-run: ## Make a release on this machine and check it, as far as that goes without publishing; needs kwctl, jq and musl-tools
	.ci/release-dry-run

.PHONY: cost
cost: policy.wasm ## Print what fixed requests cost, and their bounds; with UPDATE_GOLDEN=1 write the bounds anew
	cargo test --quiet --locked --test cost costs -- --nocapture

BASELINE := target/policy/wasm32-wasip1/release/policy_baseline.wasm
BENCH = cargo run --release --quiet --locked --manifest-path benches/Cargo.toml --target-dir target/benches -- \
	policy.wasm $(BASELINE)

$(BASELINE): $(shell find benches/baseline -type f) $(BUILD) | wasm-target
	cargo build --release --locked --target wasm32-wasip1 --target-dir target/policy --package policy-baseline
	touch $@

ANNOTATED_BASELINE := target/policy/annotated-baseline.wasm

$(ANNOTATED_BASELINE): $(BASELINE) policy-metadata.yml
	rm -f $@
	$(KWCTL) annotate --metadata-path policy-metadata.yml --output-path $@ $(BASELINE)

.PHONY: cluster-load
cluster-load: webhook-load ## Create 300 pods at once in the cluster of make e2e-cluster, and report how long they take
	E2E=load $(MAKE) --no-print-directory e2e-cluster

.PHONY: webhook-load
webhook-load: annotated-policy.wasm $(ANNOTATED_BASELINE) ## Measure how many requests policy-server answers; needs policy-server, kwctl and wrk
	KUBECONFIG=$${KUBECONFIG:-$(CURDIR)/$(CLUSTER)/kubeconfig} e2e/cluster/load/webhooks.sh annotated-policy.wasm $(ANNOTATED_BASELINE)

.PHONY: bench
bench: policy.wasm $(BASELINE) ## Measure the policy against the least that a policy does; wasmtime is built first, which takes long
	$(BENCH)

.PHONY: performance
performance: policy.wasm $(BASELINE) ## Measure anew what docs/performance.md shows, and write it there
	$(BENCH) --docs docs

# libFuzzer's coverage, which the pinned Rust gives as it is. They need a C++ compiler, and nothing else.
FUZZ_TARGETS := request annotations template
FUZZ_SECONDS ?= 600
FUZZ_HOST = $(shell rustc --version --verbose | sed -n 's/^host: //p')
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module $(addprefix -Cllvm-args=-sanitizer-coverage-, \
	level=4 inline-8bit-counters pc-table trace-compares)
FUZZER = fuzz/target/$(FUZZ_HOST)/release
# A unit of more than a second would not end in time on the policy server, where the module runs.
FUZZ_OPTIONS = -dict=fuzz/dictionary -max_len=32768 -timeout=10 -report_slow_units=1 -artifact_prefix=fuzz/artifacts/$*/

SITE := --locked --manifest-path site/Cargo.toml --target-dir target/site

.PHONY: docs
docs: $(if $(shell command -v npm),playground-page) ## Build the documentation as a site in target/site/book, and check its links; with Node.js, the playground is in it
	cargo test --quiet $(SITE)
	cargo run --quiet $(SITE)
	[ -z '$<' ] || cp -R target/playground target/site/book/

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS:%=fuzz-%) ## Fuzz each target for FUZZ_SECONDS (600); with make -j2 two at a time

.PHONY: $(FUZZ_TARGETS:%=fuzz-%)
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: fuzz-build
	mkdir -p fuzz/corpus/$* fuzz/artifacts/$*
	$(FUZZER)/$* $(FUZZ_OPTIONS) -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 fuzz/corpus/$* fuzz/target/seeds/$*

.PHONY: fuzz-smoke
fuzz-smoke: $(FUZZ_TARGETS:%=fuzz-smoke-%) ## Run each fuzz target for some thousand inputs

.PHONY: $(FUZZ_TARGETS:%=fuzz-smoke-%)
$(FUZZ_TARGETS:%=fuzz-smoke-%): fuzz-smoke-%: fuzz-build
	mkdir -p fuzz/artifacts/$*
	$(FUZZER)/$* $(FUZZ_OPTIONS) -runs=10000 -seed=1 -verbosity=0 fuzz/target/seeds/$*

.PHONY: fuzz-build
fuzz-build:
	RUSTFLAGS='$(FUZZ_FLAGS)' cargo build --release --locked --manifest-path fuzz/Cargo.toml \
		--target $(FUZZ_HOST) --bins
	cargo run --quiet --locked --manifest-path fuzz/Cargo.toml --package seeds -- fuzz/target/seeds

.PHONY: lint
lint: wasm-target ## Check format, clippy and the shell scripts
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path fuzz/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	shellcheck --shell=sh --external-sources --check-sourced --source-path=SCRIPTDIR \
		$(shell find src -name '*.sh' -not -path '*/parts/*')
	shellcheck --external-sources .ci/* $(shell find e2e/cluster -name '*.sh')
	shellcheck --external-sources e2e.bats e2e/cli/helpers.bash
	cargo fmt --check --manifest-path e2e/agent-injector/Cargo.toml
	cargo fmt --check --manifest-path e2e/registry/Cargo.toml
	cargo fmt --check --manifest-path e2e/cluster/Cargo.toml
	cargo fmt --check --manifest-path benches/Cargo.toml
	cargo fmt --check --manifest-path site/Cargo.toml

# What licenses and sources dependencies may have, and which are known to be vulnerable. Not every license that is allowed is
# in every workspace.
.PHONY: deny
deny: ## Check dependencies with cargo-deny
	cargo deny --locked --workspace check
	cargo deny --locked --manifest-path fuzz/Cargo.toml --workspace check --allow license-not-encountered
	cargo deny --locked --manifest-path benches/Cargo.toml --workspace check --allow license-not-encountered
	cargo deny --locked --manifest-path e2e/agent-injector/Cargo.toml --workspace check --allow license-not-encountered
	cargo deny --locked --manifest-path e2e/registry/Cargo.toml --workspace check --allow license-not-encountered
	cargo deny --locked --manifest-path e2e/cluster/Cargo.toml --workspace check --allow license-not-encountered
	cargo deny --locked --manifest-path site/Cargo.toml --workspace check --allow license-not-encountered

.PHONY: clean
clean: cluster-down ## Remove what was built, programs of the cluster included
	cargo clean
	cargo clean --manifest-path fuzz/Cargo.toml
	rm -rf policy.wasm annotated-policy.wasm playground/dist playground/node_modules
