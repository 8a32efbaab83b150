"""The retrieve stage: the nearest examples of a corpus for each instruction of a dataset (paper, section 3.2)."""

import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from superficial.artifacts.errors import UserError
from superficial.artifacts.files import write_sidecar
from superficial.artifacts.table import read_table, write_table
from superficial.config.schema import RetrieveStage, RuntimeConfig
from superficial.prompts.retrieval.duplicates import is_duplicate, normalised
from superficial.prompts.retrieval.embed import load_embedder

SPARE = 16  # candidates beyond k that a first search fetches, to replace near-duplicates
DECIMALS = 6  # of a stored similarity; what follows depends on how many queries are searched together


def run(
    cfg: RetrieveStage, runtime: RuntimeConfig, *, data: Path, embedding: Path, index: Path, corpus: Path, out: Path
) -> None:
    """Write one row for each instruction: id, neighbours (id, instruction, response, similarity), excluded (ids).

    Neighbours stand in the order of the prompt: the most similar comes last, next to the query. `excluded` are the
    near-duplicates that would otherwise have been among them, nearest first.
    """
    started = time.monotonic()
    instructions, examples = read_table(data), read_table(corpus)
    if len(examples) < cfg.k:
        raise UserError(
            f"{cfg.k} neighbours of a corpus of {len(examples)}",
            where=str(corpus),
            remedy="lower prompt.neighbours.k of the method, or give a larger corpus",
        )
    queries = instructions["instruction"].tolist()
    vectors = load_embedder(embedding.parent, runtime.device)(queries)
    search = NearestExamples(faiss.read_index(str(index)), examples, cfg)
    found = [
        search(query, vector, name) for query, vector, name in zip(queries, vectors, instructions["id"], strict=True)
    ]
    table = pd.DataFrame({"id": instructions["id"], "neighbours": [near for near, _ in found]})
    table["excluded"] = [excluded for _, excluded in found]
    write_table(table, out)
    inputs = {"data": data, "embedding": embedding, "index": index, "corpus": corpus}
    facts = {"instructions": len(table), "excluded": sum(map(len, table["excluded"]))}
    write_sidecar(
        out, stage="retrieve", config=cfg.model_dump(mode="json"), inputs=inputs, started=started, facts=facts
    )


class NearestExamples:
    """One query at a time, so that no answer depends on what else is asked."""

    def __init__(self, index: Any, examples: pd.DataFrame, cfg: RetrieveStage) -> None:
        self._index = index
        self._rows: list[dict[str, str]] = examples.to_dict("records")
        self._cfg = cfg

    def __call__(self, query: str, vector: NDArray[np.float32], name: str) -> tuple[list[dict[str, Any]], list[str]]:
        """The k nearest examples of `query` (unit vector, (D,)), most similar last, and the ids that were excluded."""
        depth = self._cfg.k + SPARE
        while True:
            kept, excluded = self._scan(query, vector, depth)
            if len(kept) == self._cfg.k:
                return kept[::-1], excluded
            if depth >= len(self._rows):
                raise UserError(
                    f"only {len(kept)} of {self._cfg.k} neighbours are no near-duplicates of it or of each other",
                    where=f"instruction {name}",
                    remedy="lower prompt.neighbours.k of the method, or give a larger corpus",
                )
            depth *= 4

    def _scan(self, query: str, vector: NDArray[np.float32], depth: int) -> tuple[list[dict[str, Any]], list[str]]:
        scores, rows = self._index.search(vector[None, :], min(depth, len(self._rows)))
        # Equal similarities come in the order of the corpus.
        ranked = sorted(zip(-scores[0].astype(float).round(DECIMALS), rows[0].tolist(), strict=True))
        kept: list[dict[str, Any]] = []
        excluded: list[str] = []
        shown: set[str] = set()  # a corpus may hold an instruction often; k copies would teach no more than one
        for negative, row in ranked:
            example, similarity = self._rows[row], -float(negative)
            if is_duplicate(query, example["instruction"], similarity, self._cfg.duplicates):
                excluded.append(example["id"])
                continue
            if (words := normalised(example["instruction"])) in shown:
                continue
            shown.add(words)
            kept.append({**example, "similarity": similarity})
            if len(kept) == self._cfg.k:
                break
        return kept, excluded
