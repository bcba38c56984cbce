# One word, one intention. Everything lives in .venv; nothing is installed outside it but the system packages tests need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check format lab bench frontend clean system

demo: $(VENV)/.run
	$(BIN)/toolkit demo --out out/demo

test: system $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lab: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[lab]'
	$(BIN)/jupyter lab notebooks

# The graph view: only whoever changes frontend/src needs npm; what is built is committed.
frontend:
	cd frontend && npm ci --silent --ignore-scripts && npm run --silent build

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/bench_import.py
	$(BIN)/python benchmarks/bench_expansion.py
	$(BIN)/python benchmarks/bench_clusters.py
	$(BIN)/python benchmarks/bench_degradation.py --jobs 2
	$(BIN)/python benchmarks/bench_calibration.py --jobs 2
	$(BIN)/python benchmarks/bench_estimate.py --jobs 2
	$(BIN)/python benchmarks/bench_gamma.py
	$(BIN)/python benchmarks/bench_coshare.py
	$(BIN)/python benchmarks/bench_text.py

# Debian's chromium, for tests that look at pages in a real browser, and PostgreSQL, for tests that ask a real server.
system:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq postgresql; \
	  else echo "Tests need PostgreSQL. Run: sudo apt-get install postgresql" >&2; exit 1; fi; }
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu-core; \
	  else echo "Tests need chromium. Run: sudo apt-get install chromium fonts-dejavu-core" >&2; exit 1; fi; }

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) out dist build .mypy_cache .ruff_cache
