# From a fresh clone: `make demo` shows an answer, `make test` checks everything.
# Needs Python 3.11 or newer (another one: make demo PYTHON=python3.13), make, and a package index.
PYTHON ?= python3
BIN    := .venv/bin
DEMO   := examples/026-081m-confusion-ca-unresponsive.json
REPORT := demo/report.html

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format types docs bench score lock clean

help:  ## say what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## */\t/' | awk -F'\t' '{ printf "make %-8s %s\n", $$1, $$2 }'

.venv/run.stamp: requirements/run.lock pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup run

.venv/dev.stamp: requirements/dev.lock .venv/run.stamp
	@PYTHON="$(PYTHON)" scripts/setup dev

demo: .venv/run.stamp  ## assess the bundled published case and write a report
	@$(BIN)/carnallite assess $(DEMO) --html $(REPORT) --force
	@echo
	@echo "The report is $(REPORT): open it in a browser."

test: .venv/dev.stamp  ## check format, lint, types, order of rooms and data, then run all tests
	@scripts/check
	@scripts/test

check: .venv/dev.stamp  ## all checks, no tests
	@scripts/check

lint: .venv/dev.stamp  ## lint
	@$(BIN)/ruff check .

format: .venv/dev.stamp  ## put every Python file into the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

types: .venv/dev.stamp  ## strict types
	@$(BIN)/mypy

docs: .venv/dev.stamp  ## write the generated pages
	@scripts/docs

bench: .venv/dev.stamp  ## measure and compare with benchmarks/budget.toml
	@scripts/bench

score: .venv/dev.stamp  ## score the published cases of tests/published
	@$(BIN)/python scripts/score_cases.py tests/published

lock: .venv/dev.stamp  ## renew the hash-locked dependencies from pyproject.toml
	@scripts/lock

clean:  ## remove what was made here
	@rm -rf .venv demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
