# `make demo` and `make test` do everything on a fresh machine with Python 3.11 or newer.
# PYTHON=python3.12 chooses another interpreter, PIP_OPTIONS="..." adds pip options (a CPU-only index for torch, say).

PYTHON ?= python3
PIP_OPTIONS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
PROGRAM := $(VENV)/.program
export OMP_WAIT_POLICY = passive
export GOMP_SPINCOUNT = 0

.PHONY: demo test lint types bench clean
.DEFAULT_GOAL := test

$(PROGRAM): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PIP_OPTIONS) -e .
	touch $@

$(STAMP): $(PROGRAM)
	$(BIN)/python -m pip install --quiet $(PIP_OPTIONS) -e ".[dev]"
	touch $@

demo: $(PROGRAM)  ## The demo grids on the embedded victims, and their report in demo/report/index.html; no development tools
	mkdir -p demo
	$(BIN)/leakboard run grids/demo.toml --store demo/demo.db
	$(BIN)/leakboard run grids/demo_low_fpr.toml --store demo/demo.db --report demo/report

test: $(STAMP)  ## All tests
	$(BIN)/python -m pytest -n auto

lint: $(STAMP)  ## Format, lint and types, as CI runs them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)  ## Every benchmark; each prints ratios measured in one run
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:  ## Remove the environment and what the demo made
	rm -rf $(VENV) demo
