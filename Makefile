# make demo: see it work.  make test: see it tested.  make test-long: browsers, leaks, kills.  make test-faults: killed 30 times.
# make test-thorough: everything, for hours.  make check: all that CI runs.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup demo test test-long test-faults test-thorough check format lint types imports bench clean

setup: .venv/ready-dev

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("nicegan needs Python 3.11 or newer: make PYTHON=python3.11 ..." if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv with what nicegan needs (a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(INSTALL) --editable '.[train]'
	@touch $@

.venv/ready-dev: .venv/ready
	@echo "adding what the tests need"
	@$(INSTALL) --editable '.[train,study,app,dev]'
	@touch $@

demo: .venv/ready
	$(BIN)/nicegan demo --out demo

test: .venv/ready-dev
	$(BIN)/pytest --numprocesses 2 --dist worksteal -r s

test-long: .venv/ready-dev
	$(BIN)/pytest -m long --numprocesses 2 --dist worksteal -r s

test-faults: .venv/ready-dev
	NICEGAN_KILLS=30 NICEGAN_THOROUGH=1 $(BIN)/pytest -m "" tests/faults

test-thorough: .venv/ready-dev
	NICEGAN_KILLS=30 NICEGAN_THOROUGH=1 $(BIN)/pytest -m "" -r s

check: format lint types imports test test-long

format lint types imports: .venv/ready-dev

format:
	$(BIN)/ruff format --check .

lint:
	$(BIN)/ruff check .

types:
	$(BIN)/pyright

imports:
	$(BIN)/lint-imports

bench: .venv/ready-dev
	$(BIN)/nicegan bench

clean:
	rm -rf .venv demo
