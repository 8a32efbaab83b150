"""What a job asks for: threads here; cards, memory and time on a cluster. It follows from the models that it holds."""

from collections.abc import Callable, Sequence
from functools import cache
from math import ceil, inf
from typing import Any

from superficial.pipeline.run import Run

SMALL = 2  # GB of weights in half precision
CARD_GB = 80  # of a card that nobody knows, as on a cluster
Models = Callable[[Any], Sequence[str]]  # names of the models that a job holds, from its wildcards


class JobResources:
    """Functions for `threads:` and `resources:` of the rules of one run."""

    def __init__(self, run: Run, cores: int, *, cards: int, card_gb: float | None = None) -> None:
        """`cards` are those of this machine, with so many GB each; jobs share its cores as they share its cards."""
        runtime = run.settings.runtime
        self._cores, self._cards = cores, cards
        self._card_gb = (card_gb or CARD_GB) if runtime.gpu_gb == "auto" else runtime.gpu_gb
        self._minutes = int(60 * runtime.job_hours)
        self._most_mb = 1000 * runtime.job_gb if runtime.job_gb else inf
        self._gigabytes = cache(lambda model: run.model(model).memory_gb or 1)
        # For jobs that hold small models or none, so that two run at a time: decoding scales badly over cores.
        self.half = max(1, cores // (cards or 2))

    def holding(self, models: Models, at_once: bool = False) -> dict[str, Callable[..., int]]:
        """Resources of a job that holds the `models(wildcards)`, one at a time or all `at_once`."""

        def largest(wildcards: Any) -> float:
            return float((sum if at_once else max)([0, *map(self._gigabytes, models(wildcards))]))

        return {
            # Keys, values and logits beside the weights take a quarter more; a card of its own for every small model.
            "gpu": lambda wildcards: self._filled(largest(wildcards)),
            "nodes": lambda wildcards: 1,  # else Slurm may give a job of several cards one on each of several machines
            # MB, minutes. A partition refuses what asks for more than its limit, however little the job will take.
            "mem_mb": lambda wildcards, attempt: int(min(attempt * (4000 + 1500 * largest(wildcards)), self._most_mb)),
            "runtime": lambda wildcards, attempt: min(int(attempt * (30 + 10 * largest(wildcards))), self._minutes),
        }

    def threads_with(self, models: Models) -> Callable[[Any], int]:
        """All cores for a job with a large model, of which memory holds one; with several cards, as its cards say."""

        def threads(wildcards: Any) -> int:
            largest = max([0, *map(self._gigabytes, models(wildcards))])
            if self._cards > 1:
                return min(self._cores, self.half * max(1, self._filled(largest)))
            return self._cores if largest > SMALL else self.half

        return threads

    def _filled(self, gigabytes: float) -> int:
        """Cards that models of so many GB of weights get."""
        return ceil(1.25 * gigabytes / self._card_gb)
