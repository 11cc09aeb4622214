.DEFAULT_GOAL := help
.PHONY: help serve new parts test check site links successor book publish retract release changes \
	update fresh pythons mutate bench bare lock

PYTHON ?= python3
ADDRESS ?= 127.0.0.1:8100
REMOTE ?= origin
BRANCH ?= gh-pages
DAYS ?= 7
export NAME TO VERSION SINCE REMOTE BRANCH DAYS
BIN := .venv/bin
SYNC := $(BIN)/uv pip sync --quiet --require-hashes
READY := .venv/ready
SERVICE := snippets/service
SERVICE_READY := .venv/service/ready
SUCCESSOR_READY := .venv/successor/ready

# uv keeps its cache in the home folder; a user without one gets it beside the environment.
export UV_CACHE_DIR ?= $(shell test -w "$$HOME" && echo "$$HOME/.cache/uv" || echo $(CURDIR)/.venv/cache)

# Links to the repository, of whoever builds: a fork is right without edits.
export REPO_URL ?= $(shell git remote get-url origin 2>/dev/null \
	| sed -nE 's|^(https://[^/@]*)/(.*[^/])$$|\1/\2|p; s|^git@([^:]*):(.*)$$|https://\1/\2|p' \
	| sed 's|\.git$$||')
export EDIT_URI ?= $(if $(REPO_URL),edit/main/docs/)
export NO_MKDOCS_2_WARNING := 1

help:  ## List these commands.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

serve: $(READY)  ## Serve the site on localhost and reload it on each change.
	$(BIN)/python -m tests.speed.serve --dev-addr $(ADDRESS)

new: $(READY) $(SERVICE_READY)  ## Make a service of your own from ours: make new NAME=orders TO=../orders
	@$(BIN)/python -m tests.new "$$NAME" "$$TO"

parts: $(READY)  ## Start the database and the server that blocks need, and print their variables.
	@$(BIN)/python -m tests.parts

test: $(READY) $(SERVICE_READY)  ## Prove every block, then check the site against the ledger.
	$(BIN)/pytest $(if $(ONLY),--only=$(ONLY))

check: $(READY) $(SERVICE_READY)  ## Prove one page alone: make check PAGE=concurrency/timeouts
	@test -n "$(PAGE)" || { echo "Name a page: make check PAGE=concurrency/timeouts" >&2; exit 2; }
	@$(BIN)/pytest --quiet docs/$(patsubst docs/%,%,$(PAGE:.md=)).md

site: $(READY)  ## Build the site strictly into site/.
	$(BIN)/mkdocs build --strict

links: $(READY)  ## Ask each link that leads out of the site whether it is there; it needs a network.
	@$(BIN)/python -m tests.watch.links --cache .venv/links.json

successor: $(READY) $(SUCCESSOR_READY)  ## Build the same site by ProperDocs and MaterialX, and compare.
	@$(BIN)/python -m tests.successor

book: site  ## Write all pages into site/ as Markdown too: one book, one file a page, and llms.txt.
	@$(BIN)/python -m tests.publish.book site

publish: $(READY)  ## Publish this commit's site as a version: make publish VERSION=1.2
	@$(BIN)/python -m tests.publish publish "$$VERSION" "$$REMOTE" "$$BRANCH"

retract: $(READY)  ## Take a published version down: make retract VERSION=1.2
	@$(BIN)/python -m tests.publish retract "$$VERSION" "$$REMOTE" "$$BRANCH"

release: $(READY)  ## Tag this commit and push the tag, if all is true: make release VERSION=1.2
	@$(BIN)/python -m tests.publish release "$$VERSION" "$$REMOTE"

changes: $(READY)  ## Print which claims changed since a tag, for the changelog: make changes SINCE=v1.1
	@$(BIN)/python -m tests.publish.changes "$$SINCE"

update: $(READY)  ## Rewrite shown outputs, versions and pictures, and show the diff.
	$(BIN)/pytest --update-examples docs tests/prove; status=$$?; \
		test ! -e docs/ledger.json || $(BIN)/pytest --quiet --update-examples tests/check/test_pictures.py; \
		git --no-pager diff -- docs snippets tests/prove README.md; exit $$status

fresh: $(READY)  ## Prove all with releases that are a week old or more, in a copy: make fresh DAYS=7
	@$(BIN)/python -m tests.fresh --days "$$DAYS"

pythons: $(READY)  ## Prove this commit on each Python that is found, and merge the ledgers.
	@$(BIN)/python -m tests.pythons

mutate: $(READY) $(SERVICE_READY)  ## Change each snippet in small ways, let old mistakes return, and list what tests accept.
	@test -e docs/ledger.json || $(BIN)/pytest --quiet docs tests/prove tests/service
	$(BIN)/python -m tests.mutate $(ONLY)
	$(if $(ONLY),,$(BIN)/python -m tests.mutate.returns)

bench: $(READY)  ## Measure what the proof of a block costs, and how soon a saved change shows.
	$(BIN)/python -m tests.speed.bench
	$(BIN)/python -m tests.speed.reload

bare:  ## Run .ci/run in an empty Debian, as root; it takes minutes.
	.ci/bare

lock: $(READY) $(SERVICE_READY)  ## Renew requirements.txt, and first the locks of the service.
	$(MAKE) --no-print-directory --directory $(SERVICE) VENV=../../.venv/service lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --custom-compile-command "make lock" \
		--constraint $(SERVICE)/requirements-dev.txt \
		--group site --group snippets --group tests --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--generate-hashes --custom-compile-command "make lock" --constraint requirements.txt \
		--group successor --output-file requirements-successor.txt
	$(MAKE) $(READY)

# pip installs the locked uv, uv installs the rest: with its own certificates, or with the system's.
$(READY): requirements.txt
	$(PYTHON) -m venv .venv
	awk '/^uv==/ { on = 1 } on { print } on && !/\\$$/ { exit }' requirements.txt > .venv/uv.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement .venv/uv.txt
	sync="$(SYNC) --compile-bytecode --python $(BIN)/python requirements.txt"; \
		$$sync 2> .venv/uv.log || $$sync --system-certs || { cat .venv/uv.log; exit 1; }
	touch $@

# The second generator brings packages that would disturb the first: its environment is its own.
$(SUCCESSOR_READY): requirements-successor.txt | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/successor
	sync="$(SYNC) --python .venv/successor/bin/python requirements-successor.txt"; \
		$$sync 2> .venv/uv.log || $$sync --system-certs || { cat .venv/uv.log; exit 1; }
	touch $@

# The service's environment is its own; it stands in the other one, where nobody watches for changes.
$(SERVICE_READY): $(SERVICE)/requirements-dev.txt $(SERVICE)/pyproject.toml | $(READY)
	$(MAKE) --no-print-directory --directory $(SERVICE) VENV=../../.venv/service ../../$@
