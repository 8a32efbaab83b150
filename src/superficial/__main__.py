"""`python -m superficial STAGE`: what the workflow's rules call. Errors of the user's end in one line, exit code 2."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from superficial.errors import UserError
from superficial.schema import RuntimeConfig
from superficial.stages import STAGES

ERRORS = "SUPERFICIAL_ERRORS"  # environment variable: a file for the errors of all jobs of one run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m superficial", description="Run one stage of the workflow.")
    parser.add_argument("stage", choices=sorted(STAGES))
    parser.add_argument("--cfg", required=True, help="the stage's slice of the configuration, JSON")
    parser.add_argument("--runtime", required=True, help="device and batch sizes, JSON")
    parser.add_argument("--threads", type=int, help="CPU threads for the numerical libraries")
    parser.add_argument("files", nargs="*", metavar="NAME=PATH", help="inputs and outputs by name")
    given = parser.parse_intermixed_args(arguments)
    # A model folder is all that a stage may read; the hub is never asked in passing.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if given.threads:
        os.environ["OMP_NUM_THREADS"] = str(given.threads)
    stage = STAGES[given.stage]
    # An input that a rule may lack (the base of a model that has none) arrives as an empty path.
    files = {name: Path(path) for name, path in (entry.split("=", 1) for entry in given.files) if path}
    try:
        cfg = stage.config.model_validate_json(given.cfg)
        stage.run(cfg, RuntimeConfig.model_validate_json(given.runtime), **files)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        _remember(f"error: {error}")
        return 2
    return 0


def _remember(line: str) -> None:
    """Leave the line for the workflow, which repeats it after everything that Snakemake says about a failed job."""
    path = os.environ.get(ERRORS)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
