# `make demo` and `make test` are each enough on a fresh machine with Python 3.11 or newer.
# PYTHON chooses the interpreter, PORT and ATTUNE_HOME are passed on: `make demo PORT=9000`.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --constraint constraints.txt
BENCH := $(wildcard bench/run.py)

.PHONY: help demo up install dev test lint types contracts migrations schema pytest bench browser clean

help:
	@echo "make demo    start Attune with a starter project (PORT, ATTUNE_HOME)"
	@echo "make test    every check and every test"
	@echo "make bench   the benchmarks"
	@echo "make lint | types | contracts | migrations | schema | pytest    one of the checks"

demo: install
	@$(BIN)/attune demo

up: install
	@$(BIN)/attune up

# Installing: a stamp in the environment is older than the files that say what belongs into it, or it is up to date.

install: $(VENV)/.installed
dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	@PYTHON="$(PYTHON)" .ci/make-venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing Attune into $(VENV) (a few minutes the first time)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing Attune and its tools into $(VENV) (a few minutes the first time)"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/.installed $@

browser: dev
	@.ci/ensure-browser $(BIN)

# Checking: cheapest first; pytest last, for its closing line says how it went.

test: lint types contracts migrations schema pytest

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --quiet --lint templates

types: dev
	$(BIN)/mypy

contracts: dev
	$(BIN)/lint-imports

migrations: dev
	DJANGO_SETTINGS_MODULE=config.settings.test $(BIN)/python manage.py makemigrations --check --dry-run

schema: dev
	.ci/check-schema $(BIN)

pytest: dev browser
	$(BIN)/pytest -q --numprocesses 2 --dist loadfile

bench: dev
ifeq ($(BENCH),)
	@echo "there is no bench/run.py" && exit 1
else
	$(BIN)/python -m bench.run
endif

clean:
	rm -rf build dist staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
