# Everything a newcomer types. `make demo` shows the system, `make test` checks it.
.DEFAULT_GOAL := help
TANDEM := .build/release/tandem
# Short waits at OpenMP's barriers; see docs/decisions/openmp-waiting.md.
export GOMP_SPINCOUNT ?= 2000

.PHONY: help setup build demo test test-all check lint format bench bench-gpu bench-model \
	scenes-regions completions

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup:  ## fetch libtorch and the Debian packages that are missing
	@scripts/bootstrap

build: setup  ## build the command: .build/release/tandem
	swift build -c release --product tandem

demo: build  ## pre-train, fine-tune and evaluate ViLT on easy-VQA: under 20 minutes
	@scripts/demo

test: setup  ## build and run all tests
	@scripts/test

test-all: test  ## also the slow learning tests: about an hour
	@scripts/learning-tests

check: setup lint test  ## what CI runs: format, dependency order, warnings as errors, all tests

lint:  ## check the format
	swift format lint --strict --parallel --recursive Sources Tests Package.swift

format:  ## format the sources in place
	swift format --in-place --parallel --recursive Sources Tests Package.swift

bench: build  ## Tandem against transformers, in turn, the same weights: about 35 minutes
	@scripts/bench

bench-gpu: build  ## the same on a GPU; LIBTORCH_USE_PYTORCH=1 builds against python3's torch
	@scripts/bench --device cuda

bench-model: build  ## time vilt/b32 alone on this machine
	$(TANDEM) bench

scenes-regions: build  ## features of the composed pictures, for region models: 8 minutes
	@scripts/scenes-regions

completions: build  ## write shell completions to .build/completions
	@mkdir -p .build/completions
	@for shell in bash zsh fish; do \
	  $(TANDEM) --generate-completion-script $$shell > .build/completions/tandem.$$shell; done
	@echo "completions are in .build/completions"
