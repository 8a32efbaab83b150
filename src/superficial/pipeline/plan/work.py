"""What a job takes, as numbers that add up."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class PlannedWork:
    """Upper bounds, but for answers of which a finished run tells the mean."""

    jobs: int = 0
    read: float = 0  # tokens of prompts, contexts and responses that pass a model
    made: float = 0  # tokens decoded
    flops: float = 0  # forward
    disk: float = 0  # bytes
    requests: int = 0  # to servers, without retries
    repairs: int = 0  # further requests, where every answer of a judge had to be asked for again
    usd: float = 0  # requests and repairs
    seconds: float = 0

    def __add__(self, other: PlannedWork) -> PlannedWork:
        return PlannedWork(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(PlannedWork)}
        )
