"""How much of the disk is taken at a time: hidden states go once they are compared, everything else stays."""

from collections.abc import Mapping, Sequence

from superficial.pipeline.dryrun import PlannedJob
from superficial.pipeline.plan.work import PlannedWork

SCORES = ("score", "rescore")  # stages that write hidden states


def states_at_once(scores: Sequence[tuple[PlannedJob, float]], *, keep: bool, shards: int) -> float:
    """Bytes of hidden states at most, from all jobs of SCORES with the bytes that each of them leaves.

    A file that is being written stands beside the batches that it is made from. Where states are not kept, those of an
    aligned model stay until the last context of the base is compared with them; of the base one file is there at a
    time, because the workflow compares before it scores on. Shards may have scored everything before.
    """
    sizes = [size for _, size in scores]
    largest = max(sizes, default=0.0)
    if keep or shards > 1:
        return sum(sizes) + largest
    aligned = [size for job, size in scores if job.wildcards.get("side") == "aligned"]
    bases = [size for job, size in scores if job.wildcards.get("side") != "aligned"]
    return sum(aligned) + max(2 * max(bases, default=0.0), max(aligned, default=0.0))


def others(stages: Mapping[str, PlannedWork]) -> float:
    """Bytes of all that stays."""
    return sum(work.disk for name, work in stages.items() if name not in SCORES)
