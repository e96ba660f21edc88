# make demo   set up, train LeNet-5 on handwritten digits, write a report
# make test   set up, then every check and test that needs no more than a few minutes
# make check  the fast part of it: format, lint, types, house, fast tests
# make style  format, lint and types alone
# make proofs slow evidence: learning claims, kill tests at full count, full-size parity
# make bench  speed, side by side with what you would otherwise use (ONLY=name for one table)

PYTHON ?= python3
BIN := .venv/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pip need not compile all of torch: Python compiles what it imports, once, where it may keep it.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/pip install --quiet --no-compile --editable

PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

.PHONY: demo test style check proofs bench clean
.DEFAULT_GOAL := demo

.venv/python: | constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Neuropil needs Python 3.11 or newer, but $(PYTHON) is older; say make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/demo: .venv/python pyproject.toml constraints.txt
	$(INSTALL) ".[all]"
	@touch $@

.venv/dev: .venv/python pyproject.toml constraints.txt
	$(INSTALL) ".[all,dev,oracle]"
	@touch .venv/demo $@

demo: .venv/demo
	@$(BIN)/neuropil train digits-lenet5

style: .venv/dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

check: style
	@$(PYTEST) -m "not slow and not proof"

test: style
	@$(PYTEST) -m "not proof"

proofs: .venv/dev
	@$(BIN)/pytest -m proof -s

bench: .venv/dev
	@$(BIN)/python -m benchmarks $(ONLY)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build
