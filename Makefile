# Two commands do everything: make demo, make test. The others are below; each sets up what it needs.
PYTHON ?= python3
RIAD := .venv/bin/riad
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help demo up test check bench baddays clean lock messages setup-demo setup-test

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup-demo:
	@$(PYTHON) tools/setup.py demo

setup-test:
	@$(PYTHON) tools/setup.py test

demo: setup-demo ## set up, run the main job, show it
	@$(RIAD) demo

up: setup-demo ## keep the platform running on 127.0.0.1:8080
	@$(RIAD) up

test: setup-test ## set up, run all tests
	@$(PYTHON) tools/system_packages.py
	@$(PY) -m pytest $(TESTS)

check: setup-test ## lint, types, architecture, translations, docs
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@$(PY) tools/messages.py --check
	@$(PY) -m pytest -q tests/docs
	@echo "check: all well"

bench: setup-test ## measure beside peers; writes benchmarks/results and docs/benchmarks.md
	@$(PY) -m benchmarks

baddays: setup-test ## kill -9 at every step of the ledger and the platform; takes some minutes
	@$(PY) -m tests.baddays

messages: setup-test ## refresh the translation catalogues
	@$(PY) tools/messages.py

lock: setup-test ## resolve the dependencies again, with hashes
	@$(PY) tools/lock.py

clean: ## remove what was built here (not your data)
	rm -rf .venv .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
