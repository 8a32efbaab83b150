"""What a job asks for: threads here; cards, memory and time on a cluster. It follows from the models that it holds."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from superficial.pipeline.run import Run

SMALL = 2  # GB of weights in half precision
Models = Callable[[Any], Sequence[str]]  # names of the models that a job holds, from its wildcards


def has_card() -> bool:
    """Whether this machine computes on something else than its processor."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists() or sys.platform == "darwin"


class JobResources:
    """Functions for `threads:` and `resources:` of the rules of one run."""

    def __init__(self, run: Run, cores: int, *, card: bool) -> None:
        self._cores, self._card_gb = cores, run.settings.runtime.gpu_gb
        self._minutes = int(60 * run.settings.runtime.job_hours)
        self._gigabytes = cache(lambda model: run.model(model).memory_gb or 1)
        # For jobs that hold small models or none, so that two run at a time: decoding scales badly over cores.
        self.half = cores if card else max(1, cores // 2)

    def holding(self, models: Models, at_once: bool = False) -> dict[str, Callable[..., int]]:
        """Resources of a job that holds the `models(wildcards)`, one at a time or all `at_once`."""

        def largest(wildcards: Any) -> float:
            return float((sum if at_once else max)([0, *map(self._gigabytes, models(wildcards))]))

        return {
            # Keys, values and logits beside the weights take a quarter more; a card of its own for every small model.
            "gpu": lambda wildcards: ceil(1.25 * largest(wildcards) / self._card_gb),
            "nodes": lambda wildcards: 1,  # else Slurm may give a job of several cards one on each of several machines
            "mem_mb": lambda wildcards, attempt: int(attempt * (4000 + 1500 * largest(wildcards))),
            # Minutes. A partition refuses what asks for more than its limit, however short the job turns out to be.
            "runtime": lambda wildcards, attempt: min(int(attempt * (30 + 10 * largest(wildcards))), self._minutes),
        }

    def threads_with(self, models: Models) -> Callable[[Any], int]:
        """All cores for a job with a large model, of which memory holds one, and where there is a card for one job."""

        def threads(wildcards: Any) -> int:
            large = any(self._gigabytes(model) > SMALL for model in models(wildcards))
            return self._cores if large else self.half

        return threads
