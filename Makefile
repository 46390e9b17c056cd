# The targets a person needs; `make help` lists them.
SHELL := /bin/bash
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X github.com/regctl/regctl/internal/cli.stamped=$(VERSION)
# Tools are run at these versions by the module system; nothing is installed.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.DEFAULT_GOAL := help
.PHONY: help build env images demo demo-down test unit integration bench lint docs docs-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the static binary bin/regctl
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/regctl ./cmd/regctl

env: ## make sure of Docker Engine, Compose and the tools that tests use
	hack/env.sh docker
	hack/env.sh tools

images: ## build the stand-in images regctl.local/{nginx,registry}
	hack/env.sh docker
	hack/images.sh all

demo: ## start a registry on localhost, push to it and pull from it; leaves it running
	hack/demo.sh up

demo-down: ## remove everything that `make demo` made
	hack/demo.sh down

test: env lint unit images integration ## run everything

unit: ## unit and script tests under the race detector, no Docker needed
	$(GO) test -race -timeout 20m ./...
	$(GO) -C hack/conformance test ./...
	$(GO) -C hack/oras vet ./...

# Many of them wait for something most of the time: three at once on two cores.
integration: build ## tests on a real Docker Engine, Nginx and registries
	REGCTL_BIN=$(CURDIR)/bin/regctl $(GO) test -tags integration -timeout 25m -parallel 3 -count 1 ./internal/integration/...

bench: build images ## measure, as ratios in one run; writes docs/benchmarks.md
	hack/env.sh bench
	$(GO) run ./bench

lint: docs-check ## gofmt, go vet, staticcheck, govulncheck (where it can reach its database)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt-ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags integration ./internal/integration/...
	$(GO) run $(STATICCHECK) -tags integration ./...
	hack/vulncheck.sh $(GOVULNCHECK)

docs: ## generate docs/cli, docs/man, docs/json.md, docs/doctor.md, the example of regctl.yaml and its schema
	$(GO) run ./internal/docgen docs

docs-check: ## fail when the generated documents are out of date
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && $(GO) run ./internal/docgen "$$tmp" && \
	for f in cli man json.md doctor.md regctl.example.yaml regctl.schema.json; do \
	  diff -r "$$tmp/$$f" "docs/$$f" >&2 || { echo "docs/$$f is out of date: run make docs" >&2; exit 1; }; done

clean: ## remove bin/ and build/
	rm -rf bin build
