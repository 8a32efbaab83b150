"""Where the examples of a pair come from: its token table, the responses, the instructions, and both tokenizers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from superficial.browser.payload import Example
from superficial.dataset.dialogue import last_turns
from superficial.models.load import load_tokenizer
from superficial.prompts.builder import PromptBuilder
from superficial.prompts.files import prompt_files
from superficial.schema import BrowserStage, ComparedPair
from superficial.table import read_table


class PairExamples:
    """The examples of one pair in the order of its token table, built one at a time."""

    def __init__(self, cfg: BrowserStage, pair: ComparedPair, results: Path) -> None:
        data = read_table(results / "data" / f"{cfg.dataset}.parquet")
        answers = read_table(results / "responses" / cfg.dataset / pair.aligned.name / f"{cfg.response}.parquet")
        self._turns = last_turns(data, answers)
        self._data, self._answers = data.set_index("id"), answers.set_index("id")
        # Columns stay in Arrow, and an example's rows become Python values only when it is its turn: as a data frame
        # the candidates of 300,000 tokens are millions of objects at once.
        self._table = pq.read_table(results / "shifts" / cfg.dataset / pair.name / f"{cfg.context.name}.parquet")
        ids = self._table["example_id"].to_numpy()
        self._bounds = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
        self.ids: list[str] = ids[self._bounds[:-1]].tolist()
        manifests = (results / "models" / side.name / "manifest.json" for side in (pair.base, pair.aligned))
        base, self._aligned = map(load_tokenizer, manifests)
        files = prompt_files(cfg.context.prompt, cfg.dataset, cfg.context.name, results)
        self._prompts = PromptBuilder(cfg.context.prompt, base, [Path(file) for file in files], model=pair.base.name)

    def __iter__(self) -> Iterator[Example]:
        for start, end in zip(self._bounds[:-1], self._bounds[1:], strict=True):
            yield self._example(self._table.slice(start, end - start).to_pydict())

    def _example(self, rows: dict[str, list[Any]]) -> Example:
        name = rows["example_id"][0]
        entry, answer = self._data.loc[name], self._answers.loc[name]
        query, before = self._turns[name]
        return Example(
            id=name,
            instruction=query,
            category=entry["category"],
            subset=entry["subset"],
            tasks=list(entry["tasks"]),
            topics=list(entry["topics"]),
            text=answer["text"],
            finish_reason=answer["finish_reason"],
            contexts={
                "base": self._prompts.build(query, example=name, history=before).text,
                "aligned": str(self._aligned.decode(answer["prompt_ids"].tolist())),
            },
            rows=rows,
        )
