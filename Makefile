# Everything here works from a fresh clone: the first target that needs it makes .venv.

SHELL := /bin/sh
VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
# The first Python that is new enough; `make PYTHON3=/path/to/python3` names another.
PYTHON3 := $(shell for each in python3 python3.13 python3.12 python3.11; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$each"; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help demo up test lint types contracts format openapi migrate bench chaos chaos-training campaign fuzz clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(INSTALLED) ## Fine-tune a real model along the real path, with a before/after score (minutes)
	$(PYTHON) -m worker.demo

up: $(INSTALLED) ## Run the whole house on this machine until Ctrl-C
	$(PYTHON) -m service.cli up

test: $(INSTALLED) ## Run all tests, against a real PostgreSQL, a real Valkey and a real (tiny) model
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(INSTALLED) ## Compare speed and memory with what one would run instead (minutes)
	$(PYTHON) -m benchmarks

chaos: $(INSTALLED) ## Thousands of jobs at a simulated paid server while everything is killed; SEED=… JOBS=… KILLS=…
	$(PYTHON) -m tests.system.remote_chaos $(SEED:%=--seed %) $(JOBS:%=--jobs %) $(KILLS:%=--kills %)

chaos-training: $(INSTALLED) ## The same for jobs that are trained here; SEED=… JOBS=… KILLS=… (minutes)
	$(PYTHON) -m tests.system.chaos $(SEED:%=--seed %) $(JOBS:%=--jobs %) $(KILLS:%=--kills %)

campaign: $(INSTALLED) ## Webhooks to receivers with bad habits, over nine simulated days (minutes)
	$(PYTHON) -m tests.system.webhook_campaign

fuzz: $(INSTALLED) ## Random and hostile requests to every route; N=… SEED=… (minutes)
	$(PYTHON) -m tests.fuzz $(N:%=--n %) $(SEED:%=--seed %)

lint: $(INSTALLED) ## Check style
	$(PYTHON) -m ruff check .

types: $(INSTALLED) ## Check types
	$(PYTHON) -m mypy

contracts: $(INSTALLED) ## Check who may import whom
	$(VENV)/bin/lint-imports

format: $(INSTALLED) ## Correct what ruff can correct by itself
	$(PYTHON) -m ruff check --fix .

openapi: $(INSTALLED) ## Write openapi/openapi.json anew
	$(PYTHON) -m service.openapi

migrate: $(INSTALLED) ## Bring the configured database to the newest schema
	$(PYTHON) -m service.cli migrate

clean: ## Remove what was built or cached; data (.tuneworks) and .venv stay
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(VENV): $(INSTALLED)

$(INSTALLED): pyproject.toml .ci/constraints.txt
	@test -n "$(PYTHON3)" || { echo "Tuneworks needs Python 3.11 or newer: install it, or say where it is:" \
		"make PYTHON3=/path/to/python3" >&2; exit 1; }
	@test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON3) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	@touch $@
