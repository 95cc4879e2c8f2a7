# Two commands do everything on a fresh machine: `make run` (the whole pipeline) and `make test`.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
# the stages in dvc.yaml say `python`: they get the environment's
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1

.PHONY: help setup run test ui bench clean-work

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## ?/  make \1\t/' | expand -t 20

setup: $(READY)  ## .venv with the pinned packages; a no-op when it is there

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "AntiMatter needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version). Try: make run PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "no venv module: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

run: setup  ## the whole pipeline on params.yaml, then the page reports/index.html
	@python -m antimatter check
	dvc repro
	@python -m antimatter report

test: setup  ## linters, types, unit tests, and the real pipeline on a tiny corpus
	python -m pytest $(PYTEST_ARGS)

ui: setup  ## compare runs in the browser: MLflow on 127.0.0.1:5000
	@python -m antimatter ui

bench: setup  ## measurements of speed, printed; see benchmarks/
	python -m benchmarks

clean-work: setup  ## remove work/: scratch, downloads; refuses unfinished work unless FORCE=1
	@python -m antimatter clean-work $(if $(FORCE),--force)
