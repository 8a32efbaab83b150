"""Processes that fork from one where slow libraries are imported already. There is one such process in a test run."""

import multiprocessing

CONTEXT = multiprocessing.get_context("forkserver")
# Not this package: some tests run sources of their own.
CONTEXT.set_forkserver_preload(["snakemake.cli", "snakemake.workflow", "hydra", "pydantic", "openai", "pytest"])
