# Everything runs from .venv, which is made and filled by the first target that needs it.
# Needed beforehand: Python 3.11 or newer with pip and venv, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# DAGSTER_HOME is where dagster.yaml is; everything local is kept below AGENTARMY_HOME.
export DAGSTER_HOME ?= $(CURDIR)
export AGENTARMY_HOME ?= $(CURDIR)/.agentarmy

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: install
install: $(STAMP) ## Make .venv and install what requirements-dev.lock pins
$(STAMP): requirements-dev.lock pyproject.toml agentarmy_ops/archive/_chunks.c
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: $(STAMP) ## Provision, back up and prove three tenants through Dagster, on an embedded PostgreSQL
	$(BIN)/agentarmy-ops demo

.PHONY: up
up: $(STAMP) ## Serve the Dagster UI with daemon, schedules and sensors, over the same data, until Ctrl-C
	$(BIN)/agentarmy-ops up

.PHONY: down
down: $(STAMP) ## Stop the embedded servers
	$(BIN)/agentarmy-ops down

.PHONY: test
test: $(STAMP) ## Run the checks and the tests, with coverage
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory pytest

.PHONY: pytest
pytest: $(STAMP) ## Run the tests alone, with coverage
	@.ci/tools
	-@$(MAKE) --no-print-directory $(SCAN)/.installed
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 \
	    --dist loadfile --no-loadscope-reorder --cov --cov-report=term

.PHONY: smoke
smoke: $(STAMP) ## Take one tenant through provisioning, backup and verification, as CI does
	PYTHONPATH=. $(BIN)/python -m agentarmy_ops_tests.smoke

.PHONY: lint
lint: $(STAMP) lint-workflows lint-yaml lint-shell ## Run ruff, mypy, the architecture contracts and the three below
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: lint-workflows
lint-workflows: $(STAMP) ## Check GitHub's workflows by zizmor, their schema and actionlint
	$(BIN)/zizmor --offline --quiet --no-progress --strict-collection --persona pedantic .github .pre-commit-config.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema custom.github-workflows-require-timeout .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	.ci/actionlint/run

.PHONY: lint-yaml
lint-yaml: $(STAMP) ## Check all YAML by yamllint
	$(BIN)/yamllint --strict .

# Those that say in their first line that a shell runs them.
SHELL_SCRIPTS = $(shell grep -rlE '^\#!(/usr)?/bin/(env )?(ba|da)?sh' .ci deploy)

.PHONY: lint-shell
lint-shell: $(STAMP) ## Check all shell scripts by shellcheck
	$(BIN)/shellcheck $(SHELL_SCRIPTS)

.PHONY: format
format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: image-test
image-test: ## Build the image and prove that it works, with docker or podman
	$(PYTHON) deploy/image/test.py

.PHONY: docs
docs: $(STAMP) ## Build the documentation as a site, in site/; a warning is an error
	$(BIN)/mkdocs build --strict

.PHONY: lock
lock: ## Pin all dependencies again (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header \
	    --all-extras --output-file requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header \
	    --constraint requirements.lock --all-extras --group dev --output-file requirements-dev.lock pyproject.toml

BENCH ?= small
ARGS ?=

.PHONY: bench
bench: $(VENV)/.bench-installed ## Measure; BENCH=full is the real thing, ARGS are passed on
	PYTHONPATH=. $(BIN)/python -m bench --size $(BENCH) $(ARGS)
$(VENV)/.bench-installed: $(STAMP) requirements-bench.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

.PHONY: bench-lock
bench-lock: ## Pin what only the bench needs again (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header \
	    --constraint requirements-dev.lock --group bench --output-file requirements-bench.lock

SCAN := $(VENV)/scan

.PHONY: scan
scan: $(SCAN)/.installed ## Look for mistakes in the Terraform configuration (checkov, in an environment of its own)
	for environment in staging production; do \
	    $(SCAN)/bin/checkov --config-file deploy/terraform/.checkov.yaml --directory deploy/terraform \
	        --var-file deploy/terraform/environments/$$environment.tfvars.example || exit 1; \
	done
$(SCAN)/.installed: requirements-scan.lock
	$(PYTHON) -m venv $(SCAN)
	$(SCAN)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-scan.lock
	@touch $@

.PHONY: scan-lock
scan-lock: ## Pin the scanner again (needs uv)
	echo checkov | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --no-header \
	    --output-file requirements-scan.lock -

.PHONY: clean
clean: ## Stop what runs and remove all that the other targets made
	-@if [ -x $(BIN)/agentarmy-ops ]; then $(BIN)/agentarmy-ops down; fi
	rm -rf $(VENV) .agentarmy storage history schedules logs .telemetry .logs_queue .nux \
	    .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov site dist build *.egg-info agentarmy_ops/archive/*.so \
	    .bench bench/results
	find agentarmy_ops agentarmy_ops_tests -name __pycache__ -type d -prune -exec rm -rf {} +
