# Everything a newcomer needs. Each target sets up what it uses; nothing else has to be known.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help run test check format bench clean
help:            ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

run: $(VENV)/.run    ## a simulated meter, read, decoded, spooled and written to a file; Ctrl-C ends it
	@$(BIN)/datalogger run --demo

test: $(VENV)/.dev   ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: $(VENV)/.dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put every file in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## the figures of README, as ratios beside their peers, in one run
	$(BIN)/python -m bench

clean:           ## remove what the targets above set up
	rm -rf $(VENV) .venv-peer .venv-peer-dlms build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "datalogger needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "could not make a virtual environment; on Debian and Raspberry Pi OS: apt install python3-venv"; exit 1; }

$(VENV)/.run: pyproject.toml requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock --config-settings editable_mode=compat -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r requirements-dev.txt
	@touch $@
