VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := $(VENV)/bin
# Linux wheels on PyPI carry gigabytes of CUDA, the CPU build is in an index of its own (or beside PIP_FIND_LINKS). The
# extra index is named too, because it replaces configured ones that would offer the newer CUDA build.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Its hundred packages stay out of our environment, whose versions they would bind.
CHECKOV := .cache/checkov

# Where it is set, each of the hundreds of processes that tests start would compile all of opsctl anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup try-checkov demo test test-e2e test-examples test-main test-functional test-recovery test-sandbox test-sandbox-to-h test-sandbox-from-i test-terraform test-training test-unit check checkov fmt bench bench-gpu wheel audit soak conformance docs functions clean
.DEFAULT_GOAL := demo

setup: $(VENV)/.ready

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer on PATH" >&2; exit 4; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip 2>/dev/null || true # a Python's own may be old: those took three times as long

# pip compiles one file after the other, most of them for nothing; jobs in the sandbox compile, but keep nothing of it.
$(VENV)/.ready: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) (PyTorch first; a few minutes the first time)"
	@$(BIN)/python -c 'import torch' 2>/dev/null \
		|| PIP_EXTRA_INDEX_URL=$(TORCH_CPU_INDEX) $(PIP) install --no-compile --no-deps --retries 0 --timeout 15 \
			--index-url $(TORCH_CPU_INDEX) 'torch>=2.6,<3' 2>/dev/null \
		|| echo "no CPU build of PyTorch at $(TORCH_CPU_INDEX): taking the one that PyPI serves"
	@PYTHONWARNINGS=ignore $(PIP) install --no-compile --editable '.[sandbox,training,dev]'
	@$(BIN)/python -c 'import hypothesis, pytest, torch, opsctl.sandbox.assembly'
	@touch $@

demo: setup
	@$(BIN)/opsctl demo

# All at once, the longest first: what is deployed waits for its cloud most of the time, and has the time limits of real
# runs. What only computes gives way to what does one thing after the other.
GIVING_WAY := nice -n 5
STREAMS := test-recovery test-main test-functional test-sandbox-to-h test-sandbox-from-i test-terraform test-training test-unit test-examples check

test:
	@$(MAKE) --no-print-directory --jobs=2 setup try-checkov
	@$(MAKE) --no-print-directory --jobs=$(words $(STREAMS)) $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(STREAMS)

test-e2e: test-main test-recovery

test-main: setup
	$(BIN)/python -m pytest tests/e2e/test_main_job.py

test-recovery: setup
	$(BIN)/python -m pytest tests/e2e/recovery

test-examples: setup
	$(BIN)/python -m pytest tests/e2e/examples

# In two halves by the names of the files, since one test after the other waits for its sandbox.
test-sandbox: test-sandbox-to-h test-sandbox-from-i

test-sandbox-to-h: setup
	$(BIN)/python -m pytest tests/functional/sandbox --ignore-glob='*/sandbox/test_[i-z]*'

test-sandbox-from-i: setup
	$(BIN)/python -m pytest tests/functional/sandbox --ignore-glob='*/sandbox/test_[a-h]*'

test-terraform: setup try-checkov
	$(BIN)/python -m pytest tests/terraform

test-functional: setup
	$(BIN)/python -m pytest tests/functional --ignore=tests/functional/sandbox --ignore=tests/functional/training

test-training: setup
	$(GIVING_WAY) $(BIN)/python -m pytest tests/functional/training

# Whatever the other streams have not.
test-unit: setup
	$(GIVING_WAY) $(BIN)/python -m pytest --ignore=tests/e2e --ignore=tests/terraform --ignore=tests/functional

checkov: setup $(CHECKOV)/.ready
	$(BIN)/python -m pytest tests/terraform/test_checkov.py

# Where PyPI cannot be reached, the tests that need it skip, and say so.
try-checkov: | $(BIN)/python
	@$(MAKE) --no-print-directory $(CHECKOV)/.ready || echo "checkov could not be installed" >&2

$(CHECKOV)/.ready: | $(BIN)/python
	@echo "installing checkov into $(CHECKOV) (a minute the first time)"
	@$(PYTHON) -m venv --clear --without-pip $(CHECKOV)
	@$(PIP) --python $(CHECKOV)/bin/python install --no-compile 'checkov>=3.3.30,<3.4'
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python benchmarks/interpreter.py
	$(BIN)/python benchmarks/reader.py
	$(BIN)/python benchmarks/lint.py
	$(BIN)/python benchmarks/rerun.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/drill.py
	$(BIN)/python -m benchmarks.mutants --every 10
	$(BIN)/python benchmarks/cli.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/s3/bulk.py

# The same bytes from the same commit: neither times nor modes of the files here get into it.
wheel: setup
	@rm -rf .cache/wheel && mkdir -p .cache/wheel/source
	@umask 022 && git archive HEAD | tar -x --no-same-permissions -C .cache/wheel/source
	@umask 022 && SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
		$(PIP) wheel --no-deps --wheel-dir .cache/wheel .cache/wheel/source
	@$(BIN)/python -c 'import hashlib, pathlib; [print(hashlib.sha256(f.read_bytes()).hexdigest(), f) for f in pathlib.Path(".cache/wheel").glob("*.whl")]'

# PyPI's known weaknesses of what is installed here. A package that is not known there fails too: a mirror of packages
# alone has no such list, and would find nothing.
audit: setup
	@$(PYTHON) -m venv --clear .cache/audit && .cache/audit/bin/python -m pip --quiet install 'pip-audit>=2.9,<3'
	@$(PIP) freeze --exclude-editable > .cache/audit/installed.txt
	@.cache/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement .cache/audit/installed.txt

# Where there is no GPU it says so, and that is all.
bench-gpu: setup
	$(BIN)/python benchmarks/gpu.py

# Random operations in changing weather, and nothing may be lost: make soak MINUTES=60
soak: setup
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),60)

# Measure opsctl/asl against a folder of recorded executions and judged definitions: make conformance CORPUS=<folder>
conformance: setup
	@test -n "$(CORPUS)" || { echo "error: which corpus? make conformance CORPUS=<folder>" >&2; exit 2; }
	$(BIN)/python -m conformance $(CORPUS)

# The tables of inputs and outputs in the READMEs
docs: setup
	$(BIN)/python docs/tables.py
	$(BIN)/python -m opsctl graph --definition tests/golden/training.asl.json --out docs/training.svg

functions: setup
	$(BIN)/python functions/build.py

clean:
	@test ! -x $(BIN)/opsctl || $(BIN)/opsctl sandbox down
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis opsctl.egg-info build
