# Two commands: `make figures` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SNAKEMAKE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores all
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help figures search-prompt test report verify align lint lock why plan bench gpu-check targets clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

figures: $(READY)  ## make every figure (installs into .venv first); ARGS="--config 'hydra=[dataset.limit=10]'"
	@$(SNAKEMAKE) figures/all $(ARGS)

search-prompt: $(READY)  ## choose the examples that bring the base nearest to the aligned model; ARGS as for figures
	@$(SNAKEMAKE) figures/prompt_search tables/prompt_search $(ARGS)

# Tiny models leave the cores idle while processes start, so those tests run beside each other; real models fill them.
test: lint  ## lint, types and every test tier; says what it skipped and why
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not models and not browser"
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "models or browser"

report: $(READY)  ## everything that was made on one page, with captions and runtimes: results/report.html
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m superficial report $(ARGS)

verify: $(READY)  ## what in results/ was altered, is missing, or is stale
	@$(BIN)/python -m superficial verify

align: $(READY)  ## train the aligned sibling from scratch and put its adapter into resources/adapters
	@$(SNAKEMAKE) align $(ARGS)
	cp -r results/adapters/gemma3_270m_chat/. resources/adapters/gemma3_270m_chat/
	rm resources/adapters/gemma3_270m_chat/*.meta.json

lint: $(READY)  ## formatting, lint, types and layers alone
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

lock: $(READY)  ## pin what a run takes from the hub: config/lock.yaml; ARGS as for figures
	@$(BIN)/python -m superficial lock $(ARGS)

why: $(READY)  ## say why each job of a run would run; ARGS as for figures
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m superficial why $(ARGS)

plan: $(READY)  ## say what a run would take: jobs, tokens, FLOPs, disk, requests, money, time; ARGS as for figures
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m superficial plan $(ARGS)

bench: $(READY)  ## measure speed: ratios taken in one run
	$(BIN)/python -m superficial.bench

gpu-check: $(READY)  ## check and measure one card, at most eight minutes: results/gpu_check.json; ARGS=--tiny runs without one
	@$(BIN)/python -m superficial.bench.card --out results/gpu_check.json $(ARGS)

targets: $(READY)  ## write the README's table of figures and tables from what their modules declare
	@$(BIN)/python -m superficial targets README.md

clean:  ## delete everything that the workflow made
	find results -mindepth 1 -not -name README.md -delete

# torch comes first: where a CPU build of this version is offered it is taken, and nothing after it asks for another.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@
