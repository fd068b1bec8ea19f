# Everything runs inside .venv, which is created when it is missing and renewed when pyproject.toml changes.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
READY := .venv/.ready
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# LOCKED=1: exactly the packages of requirements.lock, by their hashes; else what pyproject.toml allows
ifdef LOCKED
INSTALL = $(PIP) install --require-hashes -r requirements.lock && $(PIP) install --no-deps -e .
else
INSTALL = $(PIP) install -e '.[dev]'
endif
LOCK := --extra dev --generate-hashes --strip-extras --unsafe-package tinybert-l --no-allow-unsafe \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
RECORDS := joint_against_separate joint_equal_updates stability training_methods long_documents questions generation ablation chinese baselines teacher_on_reviews trigram trivial_answers masked_tokens gradient_agreement cascade strategies self_distillation two_stages writer writer_alone
BENCHMARKS := first_use submodel_speed joint_step peers long_documents deploy generation
# two test processes; tests/conftest.py says which tests stay together
IN_TWO := -n 2 --no-loadscope-reorder
.DEFAULT_GOAL := help
.PHONY: help demo quick check quicktests test lint lab prepare notebooks slides site release records bench nightly answers lock clean

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Say which: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL)
	@touch $@

demo: $(READY)   ## the main job: teacher, joint training, trade-off, one lecture released and graded
	$(BIN)/tinybert-l demo

quick: $(READY)  ## the same on a small slice, in about a minute
	$(BIN)/tinybert-l demo --quick

check: $(READY)  ## lint, types and the quick tests, in a minute or so
	@$(MAKE) --no-print-directory -j 2 lint quicktests

quicktests: $(READY)
	$(BIN)/python -m pytest $(IN_TWO) -m "not slow"

test: $(READY)   ## all tests but the nightly ones, in a quarter of an hour
	$(BIN)/python -m pytest $(IN_TWO) --durations=20

lint: $(READY)   ## ruff, import-linter and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

lab: $(READY)    ## JupyterLab on the course
	$(BIN)/tinybert-l lab

prepare: $(READY) ## warm the cache: everything that the notebooks take from it
	$(BIN)/tinybert-l prepare

notebooks: $(READY) ## run all lectures in full; executed copies under outputs/notebooks
	$(BIN)/python tools/run_notebooks.py

slides: $(READY) ## a deck for each lecture under outputs/slides
	$(BIN)/python tools/make_slides.py zh
	$(BIN)/python tools/make_slides.py en

site: $(READY)   ## the executed course as a static site under outputs/site
	@test -d outputs/notebooks || $(BIN)/python tools/run_notebooks.py
	$(BIN)/python tools/make_site.py

release: $(READY) ## both distributions, checksums and the list of dependencies under dist/
	$(BIN)/python tools/make_release.py

records: $(READY) ## the long runs behind results/ (resumes where it stopped)
	for name in $(RECORDS); do $(BIN)/python benchmarks/records.py $$name || exit 1; done
	$(PIP) install -e '.[mpnet]'
	for option in "" --mpnet; do $(BIN)/python benchmarks/headline.py $$option || exit 1; done

nightly: demo notebooks slides site bench ## what is too long for the tests
	TINYBERT_L_STOCK=1 $(BIN)/python -m pytest tests/grading/test_attacks_on_stock.py
	$(BIN)/python -m pytest --nightly -m nightly
	$(BIN)/python benchmarks/grading.py 40 3000

bench: $(READY)  ## benchmarks: tables of ratios, also as JSON under outputs/ (RECORD=--record: under results/ too)
	$(PIP) install -e '.[bench]'
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py $(RECORD) || exit 1; done
	$(BIN)/python benchmarks/grading.py 2 0

answers: $(READY) ## write the notebooks' answer cells from solutions/
	$(BIN)/tinybert-l answers

lock: $(READY)   ## write requirements.lock anew: the environment of CI and of the records, with hashes
	$(PIP) install pip-tools
	$(BIN)/pip-compile --quiet $(LOCK) --output-file requirements.lock pyproject.toml

clean:           ## remove what was made here (the environment stays)
	rm -rf outputs dist build
