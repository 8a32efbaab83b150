"""What the retrieve stage found, as prompts and responses read it."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq


@dataclass(frozen=True)
class Neighbour:
    """An example of the corpus and its cosine to the instruction."""

    id: str
    instruction: str
    response: str
    similarity: float


def neighbours_of(path: Path) -> dict[str, list[Neighbour]]:
    """Neighbours by id of the instruction, in the order of the prompt: the most similar last."""
    rows = pq.read_table(path, columns=["id", "neighbours"]).to_pylist()
    return {row["id"]: [Neighbour(**neighbour) for neighbour in row["neighbours"]] for row in rows}
