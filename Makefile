# Everything needs Go and Git. Third-party programs (linter, servers for the integration tests, peers of the benchmarks)
# are pinned in modules of their own under testdata/tools, built on first use and kept in the user's cache directory.

.PHONY: help build install demo test race test-integration bench lint linked fuzz generate clean

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s
BENCHFLAGS ?=

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

build: ## build bin/lcm and bin/lcm-remote
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/lcm ./cmd/lcm-remote

install: ## install both programs where go install puts them
	CGO_ENABLED=0 go install -trimpath -ldflags '$(LDFLAGS)' ./cmd/lcm ./cmd/lcm-remote

demo: build ## run the main job on the example repository, in a scratch folder
	PATH="$(CURDIR)/bin:$$PATH" examples/demo.sh

test: ## run the unit and script tests; needs Go, Git and ssh-keygen
	go test ./...

race: ## the tests of everything concurrent under the race detector; needs a C compiler
	go test -race -short ./pkg/bundle ./pkg/diff ./pkg/gitrepo ./pkg/publish/... ./pkg/schema ./pkg/seal ./pkg/validate ./pkg/workspace

# The packages with tests of that kind. What needs no server is make test's.
INTEGRATION = $(sort $(dir $(addprefix ./,$(shell grep -rl --include='*_test.go' '^//go:build integration' cmd pkg))))

test-integration: ## run the tests against real servers and the sops CLI, which are built first
	testdata/tools/build.sh vault
	testdata/tools/build.sh versitygw
	testdata/tools/build.sh sops
	testdata/tools/build.sh sops-3.12
	testdata/tools/build.sh sops-3.11
	go test -tags integration -skip '^(TestScript|TestHostile)$$' $(INTEGRATION)
	cd testdata/oracle/sopslib && CGO_ENABLED=0 go test ./...

bench: build ## time lcm against its peers; BENCHFLAGS='-o docs/benchmarks.md' writes the page
	go run ./cmd/internal/bench $(BENCHFLAGS)

lint: linked ## check style, package directions and the modules that lcm links
	"$$(testdata/tools/build.sh golangci-lint)" run --allow-parallel-runners ./...

linked: ## check that lcm links the listed modules only, and no cloud SDK
	testdata/linked/check.sh

fuzz: ## run every fuzz target for FUZZTIME
	testdata/fuzz.sh $(FUZZTIME)

generate: ## rewrite what is generated: the references of commands and modules, the list of linked modules
	go generate ./pkg/schema ./pkg/layer ./schemas
	go run ./cmd/internal/docgen -o docs/commands -modules docs/modules
	testdata/linked/check.sh -update

clean: ## remove what the targets above left in this folder
	rm -rf bin dist coverage.out
