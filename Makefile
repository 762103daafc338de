# Everything runs in .venv; the first target sets it up, later runs work offline.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help
help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

.PHONY: run
run: .venv/.run ## The whole pipeline on this machine; the board is at http://localhost:5006/viz
	$(BIN)/cryptoctopus run

.PHONY: test
test: .venv/.dev ## Unit, property, conformance, cluster and browser tests
	$(BIN)/pytest

.PHONY: lint
lint: .venv/.dev ## Format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: check
check: lint test ## What CI runs

.PHONY: bench
bench: .venv/.bench ## Measurements, as a table and as build/bench.json
	$(BIN)/python -m tests.benchmarks

.PHONY: clients
clients: .venv/.run ## Clients of others read the built-in exchange; installs them under build/
	$(BIN)/python -m tests.clients

.venv/.pip:
	$(PYTHON) -m venv .venv
	touch $@

# pip may be as old as 23.2; --no-deps because the lists are complete.
.venv/.run: requirements.txt pyproject.toml | .venv/.pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.venv/.dev: requirements-dev.txt .venv/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	touch $@

# The systems that the measurements compare with.
.venv/.bench: requirements-bench.txt .venv/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.txt
	touch $@
