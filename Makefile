# Two commands matter: `make demo` runs the whole site on this machine, `make test` runs every check.

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset test checks lint bench audit chaos lock
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The Python that makes .venv: name another with `make PYTHON=/path/to/python3.12`.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(if $(shell \
	$(name) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(name))) python3)
PY := .venv/bin/python
STACK := $(PY) -m sandbox.stack --die-with-parent
# What the site's settings need to be read at all; no server is asked.
READ_SETTINGS := DATABASE_URL=postgres://nobody@127.0.0.1:1/none SECRET_KEY=only-to-read-the-settings
PRODUCTION := DEBUG=0 SITE_URL=https://giving.example.org ALLOWED_HOSTS=giving.example.org \
	SECRET_KEY=a-key-for-this-check-alone-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGH

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed ## run the whole site here: http://127.0.0.1:8000/ (Ctrl-C stops it, data is kept)
	@$(STACK) demo

demo-reset: .venv/installed ## throw the demo's data away and start afresh
	@$(STACK) reset
	@$(STACK) demo

test: .venv/installed ## lint, types, import contracts, migrations, deploy check and all tests
	$(PY) -m sandbox.browser
	@$(MAKE) --jobs=2 lint checks
	$(PY) -m tests $(PYTEST_ARGS)

checks:
	$(STACK) run -- $(PY) manage.py makemigrations --check --dry-run
	$(STACK) run -- env $(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING

lint: .venv/installed ## the static part of the checks: ruff, mypy, import contracts
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(READ_SETTINGS) $(PY) -m mypy
	.venv/bin/lint-imports

bench: .venv/installed ## how fast it is on this machine, beside bare PostgreSQL and an empty view
	$(STACK) run --durable -- $(PY) -m tests.benchmarks

audit: .venv/audit/installed ## Lighthouse, weights, headers, valid HTML and the taps of a first gift, on the real site
	$(PY) -m sandbox.browser
	$(STACK) run -- $(PY) -m tests.audit $(PARTS)

chaos: .venv/installed ## the race and fault tests in their long form; SEEDS=50 for fifty runs of the bank, SEED=123 for one again
	CHAOS=1 $(STACK) run -- $(PY) -m pytest $(CHAOS_TESTS) $(PYTEST_ARGS)

CHAOS_TESTS := $(if $(SEED),-s tests/concurrency/test_bank.py,tests/concurrency tests/matching/test_ledger_machine.py \
	tests/donations/test_reversals.py)

lock: .venv/installed ## write requirements.txt anew from pyproject.toml, the newest versions it allows
	$(UV) pip compile pyproject.toml --group dev --upgrade $(LOCK) -o requirements.txt
	echo uv | $(UV) pip compile - --upgrade $(LOCK) -o requirements-uv.txt
	$(UV) pip compile --group audit --upgrade $(LOCK) -o requirements-audit.txt

.venv/installed: requirements.txt requirements-uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "twofold: no python3 here; install Python 3.11 or later" >&2; exit 1; }
	@$(PYTHON) sandbox/stack/bootstrap.py

.venv/audit/installed: .venv/installed requirements-audit.txt tests/audit/package-lock.json
	@$(PY) -m tests.audit.tools

UV := UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 .venv/bin/uv
LOCK := --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate
