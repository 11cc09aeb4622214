.DEFAULT_GOAL := help
.PHONY: help serve test site update lock bench

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# uv keeps its cache in the home folder; a user without one gets it beside the environment.
export UV_CACHE_DIR ?= $(shell test -w "$$HOME" && echo "$$HOME/.cache/uv" || echo .venv/cache)

help:  ## List these commands.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

serve: $(READY)  ## Serve the site on localhost and reload it on each change.
	$(BIN)/mkdocs serve

test: $(READY)  ## Prove every block, then check the site against the ledger.
	$(BIN)/pytest

site: $(READY)  ## Build the site strictly into site/.
	$(BIN)/mkdocs build --strict

update: $(READY)  ## Rewrite shown outputs and versions, and show the diff.
	$(BIN)/pytest --update-examples docs tests/prove
	git --no-pager diff -- docs snippets README.md

bench: $(READY)  ## Measure what the proof of a block costs.
	$(BIN)/python -m tests.bench

lock: $(READY)  ## Renew requirements.txt.
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --custom-compile-command "make lock" \
		--group site --group snippets --group tests --output-file requirements.txt
	$(MAKE) $(READY)

# pip installs the locked uv, uv installs the rest.
$(READY): requirements.txt
	$(PYTHON) -m venv .venv
	awk '/^uv==/ { on = 1 } on { print } on && !/\\$$/ { exit }' requirements.txt > .venv/uv.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement .venv/uv.txt
	$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.txt
	touch $@
