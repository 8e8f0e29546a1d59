# Every target makes its own environment on a machine with Python 3.11+, make and a network.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PEERS := $(VENV)/.peers
SUITES = scoring cold-start decide fit http experiments
SUITE ?= $(SUITES)
export INSTANT_CREDIT_HOME ?= $(CURDIR)/var/home

COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	--python-version 3.11

.PHONY: help setup demo serve check format test prove bench reproduce schemas lock clean

help: ## List the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(STAMP): requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) (a few minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m instant_credit.commands warm
	@touch $(STAMP)

$(PEERS): $(STAMP) requirements/bench.txt
	@echo "Adding what the benchmarks measure beside this package ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $(PEERS)

setup: $(STAMP) ## Make the environment: hashed pins, this package, warm kernels.

demo: $(STAMP) ## Import a real tape, train, serve, decide three applications, show them. TAPE=file uses LendingClub 2007-2011.
	@$(BIN)/instant-credit demo $(if $(TAPE),--tape "$(TAPE)")

serve: $(STAMP) ## Serve the release that `make demo` left, until Ctrl-C.
	@$(BIN)/instant-credit serve

check: $(STAMP) ## Format, lint, types, layers, exported schemas.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/instant-credit schemas --check schemas

format: $(STAMP) ## Rewrite what `check` would complain about, where a tool can.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

test: $(STAMP) ## The whole suite. Real-tape tests run when ../shared/data is there.
	@$(BIN)/pytest -n 2 --dist worksteal

prove: $(STAMP) ## The long seeded proofs; each writes its JSON into var/proofs.
	@PROVE=1 $(BIN)/pytest -m prove -n 2 --timeout 7200

bench: $(PEERS) ## Time the suites beside their peers; JSON into benchmarks/results. SUITE=scoring runs one, QUICK=1 each within a minute.
	@failed=0; for suite in $(SUITE); do \
		$(BIN)/python -m benchmarks $$suite $(if $(QUICK),--quick,--json benchmarks/results/$$suite.json) || failed=1; done; exit $$failed

reproduce: $(PEERS) ## Time every suite, then write the figures of the READMEs from their JSON.
	@failed=0; $(MAKE) --no-print-directory bench || failed=1; $(BIN)/python -m benchmarks readme README.md benchmarks/README.md; exit $$failed

schemas: $(STAMP) ## Export JSON Schemas and the OpenAPI document.
	@$(BIN)/instant-credit schemas schemas

lock: $(STAMP) ## Pin the requirements again from pyproject.toml.
	@$(BIN)/python -m pip install --quiet uv
	@$(COMPILE) pyproject.toml --extra embedded -o requirements/server.txt
	@$(COMPILE) pyproject.toml -c requirements/server.txt --all-extras --group dev -o requirements/dev.txt
	@$(COMPILE) -c requirements/dev.txt --group bench -o requirements/bench.txt
	@sed -i -E "s/ (and|;) implementation_name == 'cpython' and \(.* or \(platform_python_implementation == 'CPython' and sys_platform == 'linux'\)\)//" \
		requirements/*.txt

clean: ## Remove the environment and everything that was made here. Stops and deletes the database in var/home.
	@if [ -x $(BIN)/instant-credit ] && [ -d var/home/postgres ]; then \
		DATABASE_URL= DATABASE_OWNER_URL= INSTANT_CREDIT_HOME="$(CURDIR)/var/home" $(BIN)/instant-credit database destroy --yes; fi
	@rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis
