# What a person or CI does with this repository, one target each. `make` alone lists them.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
DEMO   ?= quickstart
# A run's results land here.
OUT    ?= results/$(DEMO)

export UV_HTTP_TIMEOUT ?= 120
export PIP_DISABLE_PIP_VERSION_CHECK = 1

UV    := .uv/bin/uv
RETRY := tools/retry 900

# An environment is ready when a stamp exists that is named after everything that went into it, so a
# checkout that changes a lock, a moved folder and an interrupted install are all noticed.
key = $(shell { cat $(1); echo '$(CURDIR)'; } | sha256sum | cut -c1-16)
UV_READY       := .uv/.ready-$(call key,locks/bootstrap.txt)
OPERATOR_READY := .venv/.ready-$(call key,locks/operator-dev.txt specs/pyproject.toml operator/pyproject.toml)
TRAINER_READY  := .venv-trainer/.ready-$(call key,locks/trainer-dev.txt specs/pyproject.toml trainer/pyproject.toml)

.PHONY: help setup environments browser cluster-tools images lock check test test-unit unit-trainer unit-operator test-slow test-mirror test-cluster generate bench bench-operator bench-trainer prepare-all sanity demo real clean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

## Set up ------------------------------------------------------------------------------------------

setup: environments browser ## install everything the other targets need

environments: $(OPERATOR_READY) $(TRAINER_READY)

browser:
	@tools/browser

cluster-tools: ## build and install the programs that test-cluster runs, once, into the user's cache (needs Go)
	@tools/cluster-packages
	@tools/cluster-tools

images: environments cluster-tools ## build the images that test-cluster runs, once for each state of the code (needs root)
	@tools/cluster images

$(UV_READY):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("xlbench needs Python 3.11 or newer, %s is %s: make PYTHON=..." % (sys.executable, sys.version.split()[0]))'
	$(PYTHON) -m venv --clear .uv
	$(RETRY) .uv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r locks/bootstrap.txt
	touch $@

$(OPERATOR_READY): $(UV_READY)
	tools/environment .venv locks/operator-dev.txt specs operator
	touch $@

$(TRAINER_READY): $(UV_READY)
	tools/environment .venv-trainer locks/trainer-dev.txt specs trainer
	touch $@

# Pins stay as they are unless a pyproject asks otherwise; `make lock UPGRADE=--upgrade` moves them all.
# The -dev locks hold the pins of the lock of the same name, which is what the images install.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	--no-emit-package xlbench-specs $(UPGRADE)

lock: $(UV_READY) ## write locks/ from the pyproject files
	$(COMPILE) locks/bootstrap.in -o locks/bootstrap.txt
	$(COMPILE) operator/pyproject.toml -o locks/operator.txt
	$(COMPILE) operator/pyproject.toml --extra dev -c locks/operator.txt -o locks/operator-dev.txt
	$(COMPILE) trainer/pyproject.toml --extra embedded -o locks/trainer.txt
	$(COMPILE) trainer/pyproject.toml --extra embedded --extra dev -c locks/trainer.txt -o locks/trainer-dev.txt

## Check and test ----------------------------------------------------------------------------------

# Any test folder that is not named here runs in .venv.
IN_OPERATOR := tests --ignore=tests/trainer --ignore=tests/bench
IN_TRAINER  := tests/trainer

check: environments ## format, lint, types, import contracts, generated files, repository guards
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy specs/xlbench_specs operator/xlbench_operator
	.venv-trainer/bin/mypy --cache-dir .mypy_cache/trainer trainer/xlbench_trainer
	PYTHONPATH=trainer .venv/bin/lint-imports
	tools/generate --check
	.venv/bin/pytest -q tests/repo

test: setup test-unit test-slow ## all tests: the unit suites, then the slow ones

test-unit: environments ## the unit suites of both environments, side by side
	@$(MAKE) --no-print-directory -j 2 --output-sync=target unit-trainer unit-operator

unit-trainer:
	.venv-trainer/bin/pytest -q $(IN_TRAINER)

unit-operator:
	.venv/bin/pytest -q $(IN_OPERATOR)

test-slow: environments ## the tests that take seconds each: kills, whole runs, the report in a browser
	tools/some-tests .venv-trainer/bin/pytest -q -m "slow and not cluster" $(IN_TRAINER)
	tools/some-tests .venv/bin/pytest -q -m "slow and not cluster" $(IN_OPERATOR)

test-mirror: environments ## the tests on original data files, in the folder that XLBENCH_MIRROR names
	.venv-trainer/bin/pytest -q -m mirror $(IN_TRAINER)

test-cluster: environments cluster-tools images ## the tests against a real Kubernetes and S3 (needs root and Go)
	tools/cluster run .venv/bin/pytest -q -m cluster $(IN_OPERATOR)

bench: environments ## measurements: printed, not judged
	.venv/bin/pytest -q -s -m bench tests/bench --ignore=tests/bench/operator_bench.py

bench-operator: environments cluster-tools ## a thousand stages on a real control plane: docs/benchmarks/operator.md
	tools/cluster run .venv/bin/pytest -q -s -m bench tests/bench/operator_bench.py

# BENCH=... is handed on: --shapes small --cases ha --rounds 2; xnli and udpos want XLBENCH_MIRROR.
bench-trainer: environments ## the trainer against other training loops: docs/benchmarks/trainer.md
	.venv-trainer/bin/python tests/bench/trainer_speed.py --world build/bench --out docs/benchmarks/trainer $(BENCH)

prepare-all: environments ## prepare every set of the folder that XLBENCH_MIRROR names: docs/results/prepared.md
	TOKENIZERS_PARALLELISM=false .venv-trainer/bin/python tests/bench/prepare_all.py --out docs/results/prepared.md

# Two specs into one folder; nothing is computed anew that is there.
sanity: environments ## what an encoder carries over from English on real data: docs/results/sanity.md
	.venv/bin/xlbench run specs/examples/sanity-udpos.yaml --out results/sanity
	.venv/bin/xlbench run specs/examples/sanity-sib200.yaml --out results/sanity
	.venv-trainer/bin/python tests/bench/sanity.py --results results/sanity --out docs/results/sanity.md

generate: environments ## rewrite the generated files that are committed
	tools/generate

## Run ---------------------------------------------------------------------------------------------

demo: environments ## run an example spec and build its report (DEMO=quickstart or smoke)
	.venv/bin/xlbench run specs/examples/$(DEMO).yaml --out $(OUT)

# One folder for both, so that the second finds the models that the first trained.
real: environments ## run the experiment on real low-resource languages, in hours, and build its reports
	.venv/bin/xlbench run specs/examples/low-resource.yaml --out results/low-resource
	.venv/bin/xlbench run specs/examples/low-resource-all.yaml --out results/low-resource

clean: ## remove environments, caches and build folders, not results
	rm -rf .uv .venv .venv-trainer build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
