# rollcall's build. Needs Go and Node, and nothing else; every tool is taken at an exact version.
#
#   make demo    the whole pipeline on this machine, no account
#   make test    everything that CI runs
#   make help    the rest

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-print-directory

GOLANGCI_LINT_VERSION := v2.15.0
GOTESTSUM_VERSION     := v1.13.0

TOOLS     := build/tools
FUNCTIONS := planner worker

# What ships is the same to the byte wherever it is built: no paths, no symbols, no RPC of the old Go runtime.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -tags lambda.norpc -ldflags "-s -w"

# CDK runs on Node 20, and says in a box of eleven lines that it will not support it for ever.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: node_modules/.stamp ## Play a small company over some simulated days, on this machine
	@[[ -x build/local/rollcall ]] || echo "building rollcall; the first time this takes some minutes"
	@go build -o build/local/rollcall ./cmd/rollcall
	@build/local/rollcall demo

.PHONY: test
test: node_modules/.stamp build-local lint $(TOOLS)/gotestsum ## Lint, vet, and run all tests: unit, integration, architecture, infra
	@go vet ./...
	@$(TOOLS)/gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg --format-icons text -- ./...

.PHONY: test-long
test-long: node_modules/.stamp ## The long proofs: every fault of every service over HTTP, the planner killed at every call
	@go test -timeout 60m ./shared/scenario ./shared/reconcile -args -every

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Run golangci-lint
	@$(TOOLS)/golangci-lint run ./...

.PHONY: build
build: ## Build the functions for Lambda (linux/arm64)
	@for f in $(FUNCTIONS); do GOOS=linux GOARCH=arm64 $(GO_BUILD) -o build/$$f/bootstrap ./functions/$$f; done

.PHONY: build-local
build-local: ## Build the functions for this machine, for `rollcall invoke` and the integration test
	@for f in $(FUNCTIONS); do $(GO_BUILD) -o build/local/$$f/bootstrap ./functions/$$f; done

.PHONY: bench
bench: node_modules/.stamp build-local ## Run the benchmarks (BENCH=regexp to choose)
	@go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem ./...

.PHONY: synth
synth: node_modules/.stamp build ## Write the CloudFormation template to cdk.out; no account, no credentials, no network
	@node_modules/.bin/cdk synth --quiet --no-notices --no-version-reporting
	@echo "cdk.out/rollcall.template.json"

.PHONY: snapshot
snapshot: ## Write infra/snapshot anew from the stack; read the diff before you commit it
	@go test ./infra -run '^TestTheSnapshotIsFresh$$' -count 1 -args -refresh
	@git --no-pager diff --stat -- infra/snapshot

.PHONY: clean
clean: ## Remove what was built and installed
	@rm -rf build cdk.out node_modules

# npm ci needs no install script: the one native module brings its binaries.
node_modules/.stamp: package.json package-lock.json
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# A tool on the PATH is taken if it is of the very version; else it is built once (golangci-lint: some minutes).
define tool
	@mkdir -p $(TOOLS)
	@if [[ "$$($(1) $(4) 2>/dev/null)" == *"$(patsubst v%,%,$(3))"* ]]; then ln -sf "$$(command -v $(1))" $@; else \
	  echo "building $(1) $(3), once"; GOBIN=$(CURDIR)/$(TOOLS) go install $(2)@$(3); fi
	@touch -h $@
endef

$(TOOLS)/golangci-lint: Makefile
	$(call tool,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION),version)

$(TOOLS)/gotestsum: Makefile
	$(call tool,gotestsum,gotest.tools/gotestsum,$(GOTESTSUM_VERSION),--version)
