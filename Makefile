PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help install run test check bench chaos prices clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUNTIME) ## Build .venv with what the gateway needs to run

run: $(RUNTIME) ## Serve on http://127.0.0.1:8080 and print a curl line to try
	@$(BIN)/python -m gateway serve

test: $(DEVELOPMENT) ## Run all tests
	@$(BIN)/python -m pytest

check: $(DEVELOPMENT) ## Lint, types, layers and all tests: the same as CI
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

bench: $(RUNTIME) ## Measure the gateway beside nginx (takes minutes)
	@$(BIN)/python -m bench

chaos: $(RUNTIME) ## Run two minutes in which everything fails, twice with redis-server, and explain each failure
	@$(BIN)/python -m tests.chaos
	@if command -v redis-server >/dev/null; then $(BIN)/python -m tests.chaos --redis deny; fi

prices: $(DEVELOPMENT) ## Write the table of prices anew, from the installed genai-prices
	@$(BIN)/python scripts/build_prices.py

clean: ## Remove .venv and caches; data/ with keys and limits stays
	rm -rf $(VENV) bench/build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("Python 3.11 or newer is needed, not " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt requirements-fast.txt | $(BIN)/python
	$(INSTALL) -r requirements.txt
	@$(INSTALL) -r requirements-fast.txt 2>/dev/null \
		|| echo "gunicorn_h1c could not be built (is there a C compiler?): going on without it, a little slower"
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	$(INSTALL) -r requirements-dev.txt
	@touch $@
