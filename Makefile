# Scrip. `make run` starts the whole product, `make test` proves it; the rest is for people who change it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

$(VENV)/.run: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Scrip needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what Scrip runs on ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Installing what the tests need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

web/dist/index.html: $(VENV)/.run embedded/web.py $(wildcard web/*.json web/*.js web/.npmrc web/index.html web/src/* web/src/tabs/*)
	@echo "Building GraphiQL ..."
	@$(BIN)/python -m embedded.web
	@touch $@

setup: $(VENV)/.dev web/dist/index.html  ## everything the other targets need

run: $(VENV)/.run web/dist/index.html  ## the whole product with sample data, on this machine
	@exec $(BIN)/python standalone.py

test: setup  ## all tests, on real PostgreSQL and a real Temporal server
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

format: $(VENV)/.dev  ## rewrite the code in the house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(VENV)/.dev  ## format, lint, types, imports
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy . && $(BIN)/lint-imports

drift: $(VENV)/.dev  ## the committed schema and migrations equal the code
	@$(BIN)/python -m tests.drift

check: lint drift test  ## what CI runs

docs: $(VENV)/.dev  ## write the parts of the documentation that the code knows
	@$(BIN)/python -m tests.documentation_tables

bench: setup  ## a table of ratios, see docs/performance.md
	@$(BIN)/python -m benchmarks

lock: $(VENV)/.dev  ## resolve requirements*.in again
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header requirements.in -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -c requirements.lock requirements-dev.in -o requirements-dev.lock

.PHONY: help setup run test format lint drift check docs bench lock
