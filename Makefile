# Everything a person types here. `make` alone lists it.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

# The first Python that is new enough; `make PYTHON=/path/to/python3.12 ...` names another.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c '$(IS_NEW_ENOUGH)' 2>/dev/null && echo $(name))))

# Tests are spread over processes by file, in the order of collection. There are more processes than processors, because
# many tests wait.
# Those that type `make` themselves are not to inherit what this one was told.
PYTEST := env -u MAKEFLAGS -u OPTIONS $(BIN)/python -m pytest --numprocesses=4 --dist=loadscope --no-loadscope-reorder

# Without compiled modules a process takes twice as long to start, and the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo up simulate test faults check docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make .venv with everything in it, at the locked versions
	@:

$(INSTALLED): requirements.lock pyproject.toml
	@$(or $(PYTHON),false) -c '$(IS_NEW_ENOUGH)' || { \
		echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV) ..."
	@if command -v uv >/dev/null; then \
		{ test -x $(BIN)/python || uv venv --quiet --seed --python "$(PYTHON)" $(VENV); } && \
		uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock && \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		{ test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV); } && \
		$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

demo: $(INSTALLED) ## start everything, make 160 pictures, stop everything (DEMO_LIVE=1: for real money, asks first)
	@$(BIN)/darkroom demo $(OPTIONS)

up: $(INSTALLED) ## run everything on this machine until Ctrl-C (OPTIONS="--workers 4")
	@$(BIN)/darkroom up $(OPTIONS)

simulate: $(INSTALLED) ## run the stand-in for the Images API (OPTIONS="--help")
	@$(BIN)/darkroom simulate $(OPTIONS)

test: $(INSTALLED) ## run the tests (OPTIONS="tests/unit -k money")
	@$(PYTEST) $(OPTIONS)

faults: $(INSTALLED) ## play every row of the fault suite in its long size (OPTIONS="SIGSTOP" for some of them)
	@$(BIN)/python -m tests.faults $(OPTIONS)

check: $(INSTALLED) ## everything that CI runs: lint, format, types, imports, tests
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy --no-error-summary & types=$$!; status=0; $(PYTEST) || status=$$?; wait $$types && exit $$status

docs: $(INSTALLED) ## write the parts of docs/ that are made from the code, and the dashboards
	@$(BIN)/python -m tests.house.generate
	@$(BIN)/python -m deploy.grafana

clean: ## remove .venv and caches; .darkroom stays, because its pictures may be paid
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
